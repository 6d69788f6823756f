"""Exchanging keys at the hub's end: alone, and without losing keys that the interface may have."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hub.control.lock import hold
from hub.control.places import Places
from hub.provisioner.asks import Asks
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys import completing
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.secret import Secret
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.remembered import Remembered
from hub.provisioner.slices import parts_of
from hub.provisioner.wireguard.devices import Device, Peer
from hub.provisioner.wireguard.files import HubEnd
from hub.provisioner.wireguard.interfaces import Interface, Seen
from hub.provisioner.wireguard.rotate import Rotation

TUNNEL, NAME = "bandung/fiber", "wg1"
ALLOWED = ("10.1.0.0/24", "10.255.0.1/32")
Taking = Callable[["Machine", HubEnd], None]


def whole(machine: Machine, end: HubEnd) -> None:
    peer = Peer(end.peer, end.preshared, end.endpoint, frozenset(end.allowed), 0.0, 0, 0, 15)
    machine.has = Device(end.own, end.port, end.mark, (peer,))


def own_key_only(machine: Machine, end: HubEnd) -> None:
    assert machine.has is not None
    machine.has = replace(machine.has, own=end.own)
    raise ProvisionError("wg failed half-way")


def without_allowed(machine: Machine, end: HubEnd) -> None:
    whole(machine, replace(end, allowed=()))
    raise ProvisionError("wg failed near its end")


def whole_but_complaining(machine: Machine, end: HubEnd) -> None:
    whole(machine, end)
    raise ProvisionError("wg complained")


def nothing(machine: Machine, end: HubEnd) -> None:
    raise ProvisionError("wg did nothing")


def own_key_and_silence(machine: Machine, end: HubEnd) -> None:
    assert machine.has is not None
    machine.hidden, machine.has = replace(machine.has, own=end.own), None
    raise ProvisionError("wg hangs")


@dataclass
class Machine:
    """A machine of one interface, whose WireGuard takes one configuration after the other as `takes` says."""

    has: Device | None
    takes: list[Taking] = field(default_factory=list)
    hidden: Device | None = None

    def look(self, _names: object) -> Seen:
        alias = f"pointsman kencana {TUNNEL}"
        return Seen({NAME: Interface(NAME, 1, alias, "wireguard", True, 1420, device=self.has)})

    def device(self, _name: str) -> Device | None:
        return self.has

    def configure(self, _name: str, end: HubEnd) -> None:
        (self.takes.pop(0) if self.takes else whole)(self, end)


@dataclass
class Site:
    store: KeyStore
    machine: Machine
    rotation: Rotation

    def present(self) -> TunnelKeys:
        found = self.store.of(TUNNEL)
        assert found is not None
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    numbers = iter(range(1, 100))
    monkeypatch.setattr(
        completing,
        "make_pairs",
        lambda n: [(Secret(key(i)), key(i | 0x80)) for i, _ in zip(numbers, range(n), strict=False)],
    )
    store = KeyStore(tmp_path / "keys", clock=lambda: 1.8e9)
    store.make([TUNNEL])
    machine: Any = Machine(None)
    site = Site(store, machine, Rotation(store, machine, machine))
    keys = site.present()
    whole(machine, HubEnd(keys.hub, 51000, 0, keys.branch_public, None, ALLOWED))
    yield site


@pytest.fixture
def old_keys(site: Site, monkeypatch: pytest.MonkeyPatch) -> TunnelKeys:
    """The tunnel's keys in force with a preshared one, 0x71; the next preshared key made is 0x72."""
    secrets = iter([Secret(key(0x71)), Secret(key(0x72))])
    monkeypatch.setattr(completing, "make_preshared", lambda n: [next(secrets) for _ in range(n)])
    site.store.make([TUNNEL], preshared=[TUNNEL])
    keys = site.present()
    whole(site.machine, HubEnd(keys.hub, 51000, 0, keys.branch_public, keys.preshared, ALLOWED))
    return keys


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte] * 32)).decode()


def shaken(site: Site) -> None:
    """The branch shakes hands."""
    assert site.machine.has is not None
    (peer,) = site.machine.has.peers
    site.machine.has = replace(site.machine.has, peers=(replace(peer, handshake_at=9.0),))


def test_new_keys_that_the_interface_took_although_wg_complained_are_gone_on_with(site: Site) -> None:
    site.machine.takes = [whole_but_complaining]
    assert site.rotation.begin(TUNNEL)["switched"]
    assert site.store.staged(TUNNEL) is not None


@pytest.mark.parametrize("half", [own_key_only, without_allowed])
def test_what_was_taken_by_half_is_taken_back_before_the_new_keys_go(site: Site, half: Taking) -> None:
    before = site.machine.has
    site.machine.takes = [half]
    with pytest.raises(ProvisionError, match=r"^wg failed"):
        site.rotation.begin(TUNNEL)
    assert site.machine.has == before
    assert site.store.staged(TUNNEL) is None


def test_where_nothing_was_taken_the_new_keys_go(site: Site) -> None:
    before = site.machine.has
    site.machine.takes = [nothing]
    with pytest.raises(ProvisionError, match=r"^wg did nothing$"):
        site.rotation.begin(TUNNEL)
    assert (site.machine.has, site.machine.takes, site.store.staged(TUNNEL)) == (before, [], None)


@pytest.mark.parametrize("takes", [[own_key_only, nothing], [own_key_and_silence]])
def test_new_keys_are_kept_while_nobody_knows_which_the_interface_has(site: Site, takes: list[Taking]) -> None:
    site.machine.takes = takes
    with pytest.raises(ProvisionError, match="it is not known which keys wg1 has now") as caught:
        site.rotation.begin(TUNNEL)
    assert "--back" in caught.value.mend
    assert site.store.staged(TUNNEL) is not None


def test_what_was_taken_by_half_is_finished_when_it_is_begun_again(site: Site) -> None:
    site.machine.takes = [own_key_only, nothing]
    with pytest.raises(ProvisionError):
        site.rotation.begin(TUNNEL)
    report = site.rotation.begin(TUNNEL)
    assert (report["switched"], report["verified"]) == (True, False)
    shaken(site)
    site.rotation.commit(TUNNEL)
    assert site.machine.has is not None
    assert site.machine.has.own == site.present().hub


def test_what_was_taken_by_half_is_ended_by_going_back(site: Site) -> None:
    before = site.machine.has
    site.machine.takes = [own_key_only, nothing]
    with pytest.raises(ProvisionError):
        site.rotation.begin(TUNNEL)
    assert site.rotation.rollback(TUNNEL)["was"]
    assert (site.machine.has, site.store.staged(TUNNEL)) == (before, None)


def test_going_back_keeps_the_new_keys_where_the_interface_does_not_say_what_it_has(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    site.machine.has = None
    with pytest.raises(ProvisionError, match="wg1 does not say which keys it has"):
        site.rotation.rollback(TUNNEL)
    assert site.store.staged(TUNNEL) is not None


def test_unverified_keys_are_in_force_only_where_that_is_wanted_and_the_hub_has_them(site: Site) -> None:
    before = site.present()
    site.rotation.begin(TUNNEL)
    with pytest.raises(ProvisionError, match="has not shaken hands"):
        site.rotation.commit(TUNNEL)
    new, has = site.store.staged(TUNNEL), site.machine.has
    whole(site.machine, HubEnd(before.hub, 51000, 0, before.branch_public, None, ALLOWED))
    with pytest.raises(ProvisionError, match="the hub's end has not its new keys"):
        site.rotation.commit(TUNNEL, unverified=True)
    site.machine.has = has
    site.rotation.commit(TUNNEL, unverified=True)
    assert site.present() == new


def test_a_preshared_key_is_exchanged_with_the_keys_and_goes_back_with_them(site: Site, old_keys: TunnelKeys) -> None:
    before = site.machine.has
    site.rotation.begin(TUNNEL)
    assert site.machine.has is not None
    new = site.store.staged(TUNNEL)
    assert new is not None
    assert site.machine.has.peers[0].preshared == new.preshared == Secret(key(0x72)) != old_keys.preshared
    site.rotation.rollback(TUNNEL)
    assert site.machine.has == before


def test_new_keys_with_the_old_preshared_key_are_not_taken_for_the_new_ones(site: Site, old_keys: TunnelKeys) -> None:
    site.rotation.begin(TUNNEL)
    new = site.store.staged(TUNNEL)
    assert new is not None
    whole(site.machine, HubEnd(new.hub, 51000, 0, new.branch_public, old_keys.preshared, ALLOWED))
    shaken(site)
    with pytest.raises(ProvisionError, match="the hub's end has not its new keys"):
        site.rotation.commit(TUNNEL)


@pytest.mark.parametrize("ask", ["rotate-begin", "rotate-commit", "rotate-rollback"])
def test_while_somebody_changes_tunnels_no_keys_are_exchanged(tmp_path: Path, ask: str) -> None:
    places = Places(run=tmp_path, state=tmp_path)
    parts = parts_of(places)
    asks = Asks(parts.provisioner, Remembered(places.provisioner_state), lambda _: None, parts.asks)
    hold(places.provisioner_lock, "a test")
    answer = asks.answer({"ask": ask, "tunnel": TUNNEL})
    assert "another change of tunnels is running already" in answer["error"]


def test_exchanging_keys_has_the_lock_only_while_it_changes_something(tmp_path: Path) -> None:
    places = Places(run=tmp_path, state=tmp_path)
    parts = parts_of(places)
    asks = Asks(parts.provisioner, Remembered(places.provisioner_state), lambda _: None, parts.asks)
    assert asks.answer({"ask": "rotate-rollback", "tunnel": TUNNEL})["answer"]["was"] is False
    hold(places.provisioner_lock, "a test")
