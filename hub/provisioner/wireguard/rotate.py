"""Exchanging the keys of one tunnel: the hub's end takes the new ones, and goes back if the branch never speaks them.

    begin       new keys are made beside those in force, and the hub's interface gets them by one `wg syncconf`
    status      whether the branch has shaken hands with the new ones
    commit      they are those in force; refused without that handshake, unless they are wanted unverified
    rollback    the hub's interface gets those in force again, and the new ones are gone

Who asks moves traffic away before and back afterwards, and brings the branch its new keys. Every step done twice is
done once; what is interrupted is gone on with by `begin`, or ended by `rollback`. New keys are never thrown away while
the interface may have them. What these answer holds no secret.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from hub.provisioner.alias import read_alias
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.rotation import Report
from hub.provisioner.wireguard.backend import Backend
from hub.provisioner.wireguard.devices import Device, Peer
from hub.provisioner.wireguard.files import HubEnd
from hub.provisioner.wireguard.interfaces import Interface
from hub.provisioner.wireguard.seen import Machine


@dataclass(frozen=True, slots=True)
class Exchange:
    """An Exchange is where the keys of one tunnel stand: pure.

    `before` is when the peer had shaken hands before the hub's end got the new keys; None while it has the old ones.
    """

    present: TunnelKeys
    staged: TunnelKeys
    device: Device
    before: float | None

    @property
    def is_switched(self) -> bool:
        """Whether the hub's end has the new keys."""
        return self.before is not None and has(self.device, self.staged)

    @property
    def is_verified(self) -> bool:
        """Whether the branch shook hands with the new keys."""
        peer = peer_of(self.device, self.staged)
        return self.is_switched and peer is not None and peer.handshake_at > (self.before or 0.0)

    def with_keys(self, keys: TunnelKeys) -> HubEnd:
        """The hub's end as it is, with these keys in place of its own.

        It is told from where the branch sent last: so it can begin to shake hands, too, and after going back nobody
        waits for the branch to notice, which takes 15 s.
        """
        peer = peer_of(self.device, self.present) or peer_of(self.device, self.staged)
        if peer is None:
            raise ProvisionError(
                "its interface has not the peer that the store knows", "pointsman apply --only tunnels"
            )
        return HubEnd(
            own=keys.hub,
            port=self.device.port,
            mark=self.device.mark,
            peer=keys.branch_public,
            preshared=keys.preshared if peer.preshared is not None else None,
            allowed=tuple(sorted(peer.allowed)),
            endpoint=peer.endpoint,
            keepalive=peer.keepalive,
        )


def peer_of(device: Device, keys: TunnelKeys) -> Peer | None:
    """The branch, as this interface knows it by these keys."""
    return next((peer for peer in device.peers if peer.public == keys.branch_public), None)


def has(device: Device, keys: TunnelKeys, allowed: Collection[str] = ()) -> bool:
    """Whether an interface has all of these keys: its own, the branch's, and the preshared one if it uses one.

    One whose configuration was taken by half has neither all of the old nor all of the new ones, or its peer lacks
    some of what is `allowed`.
    """
    peer = peer_of(device, keys)
    if peer is None or peer.preshared not in (None, keys.preshared):
        return False
    return device.own == keys.hub and peer.allowed.issuperset(allowed)


class Rotation:
    """A Rotation exchanges keys on this machine, one step a call. Every method raises ProvisionError."""

    def __init__(self, keys: KeyStore, backend: Backend, machine: Machine) -> None:
        self._keys = keys
        self._backend = backend
        self._machine = machine

    def begin(self, tunnel: str) -> Report:
        """Make new keys, and give them to the hub's end; where that was done before, it stays so."""
        interface = self._interface(tunnel)
        self._keys.begin_rotation(tunnel)
        found = self._exchange(tunnel, interface)
        if not found.is_switched:
            peer = peer_of(found.device, found.staged)
            self._keys.mark_switched(tunnel, peer.handshake_at if peer is not None else 0.0)
            self._switch(tunnel, interface.name, found)
        return self.status(tunnel)

    def _switch(self, tunnel: str, name: str, found: Exchange) -> None:
        """Give the hub's end the new keys. Where that fails, what the interface has then decides."""
        try:
            old, new = found.with_keys(found.present), found.with_keys(found.staged)
        except ProvisionError:
            if found.device.own != found.staged.hub:
                self._keys.abandon_rotation(tunnel)
            raise
        try:
            self._backend.configure(name, new)
        except ProvisionError as error:
            device = self._device(name)
            if device is not None and has(device, found.staged, new.allowed):
                return  # it took them all the same
            if device is not None and not has(device, found.present, old.allowed):
                with suppress(ProvisionError):
                    self._backend.configure(name, old)
                device = self._device(name)
            if device is None or not has(device, found.present, old.allowed):
                text = f"{error}; it is not known which keys {name} has now, so the new ones are kept beside the old"
                mend = f"pointsman keys rotate {tunnel} goes on with them; with --back it has the old ones again"
                raise ProvisionError(text, mend) from None
            self._keys.abandon_rotation(tunnel)
            raise

    def _device(self, name: str) -> Device | None:
        """What the interface has now; None where it does not say."""
        try:
            return self._machine.device(name)
        except ProvisionError:
            return None

    def status(self, tunnel: str) -> Report:
        """How far it is."""
        interface = self._interface(tunnel)
        report: Report = {"tunnel": tunnel, "interface": interface.name, "keys": str(self._keys.directory)}
        if self._keys.staged(tunnel) is None:
            return {**report, "exchanging": False, "switched": False, "verified": False}
        found = self._exchange(tunnel, interface)
        peer = peer_of(found.device, found.staged)
        return {
            **report,
            "exchanging": True,
            "switched": found.is_switched,
            "verified": found.is_verified,
            "hub_public": found.staged.hub_public,
            "branch_public": found.staged.branch_public,
            "branch_made_its_own": found.staged.branch is None,
            "endpoint": peer.endpoint if peer is not None else None,
        }

    def commit(self, tunnel: str, *, unverified: bool = False) -> Report:
        """The new keys are those in force, if the branch has shown that it has them.

        With `unverified` without that: for a branch that cannot show anything before somebody brings it its keys.
        """
        if self._keys.staged(tunnel) is None:
            raise ProvisionError(f"{tunnel}: no keys are being exchanged", f"pointsman keys rotate {tunnel}")
        found = self._exchange(tunnel, self._interface(tunnel))
        if not found.is_switched:
            text = f"{tunnel}: the hub's end has not its new keys"
            raise ProvisionError(text, f"pointsman keys rotate {tunnel} goes on with it")
        if not (unverified or found.is_verified):
            text = f"{tunnel}: the branch has not shaken hands with its new keys"
            raise ProvisionError(text, "give them to the branch, or go back: pointsman keys rotate --back " + tunnel)
        self._keys.commit_rotation(tunnel)
        return {"tunnel": tunnel, "committed": True}

    def rollback(self, tunnel: str) -> Report:
        """The hub's end has the old keys again, and the new ones are gone; `was` says whether there were any."""
        if self._keys.staged(tunnel) is None:
            self._keys.abandon_rotation(tunnel)
            return {"tunnel": tunnel, "was": False}
        interface = self._find(tunnel)
        if interface is not None:
            if interface.device is None:
                text = f"{tunnel}: {interface.name} does not say which keys it has, so the new ones are kept"
                raise ProvisionError(text, f"see what {interface.name} does, then say it again")
            found = self._exchange(tunnel, interface)
            if not has(found.device, found.present):
                self._backend.configure(interface.name, found.with_keys(found.present))
        self._keys.abandon_rotation(tunnel)
        return {"tunnel": tunnel, "was": True}

    def _exchange(self, tunnel: str, interface: Interface) -> Exchange:
        present, staged = self._keys.of(tunnel), self._keys.staged(tunnel)
        if present is None or staged is None or interface.device is None:
            raise ProvisionError(f"{tunnel}: its keys cannot be exchanged as it is", "pointsman apply --only tunnels")
        device = self._machine.device(interface.name) or interface.device
        return Exchange(present, staged, device, self._keys.switched(tunnel))

    def _interface(self, tunnel: str) -> Interface:
        found = self._find(tunnel)
        if found is None or found.device is None:
            what = "has no interface of ours" if found is None else f"is on {found.name}, which does not answer"
            raise ProvisionError(f"{tunnel} {what}", "make it first: pointsman apply --only tunnels")
        return found

    def _find(self, tunnel: str) -> Interface | None:
        for interface in self._machine.look(()).interfaces.values():
            alias = read_alias(interface.alias)
            if alias is not None and alias.tunnel == tunnel:
                return interface
        return None
