"""What the slice asks of charon for a plan, and for putting right what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ipsec_values import NETWORK, SALT, seen_with, tunnel, wanting

from hub.provisioner.ipsec import slice as slice_module
from hub.provisioner.ipsec.memory import Memory, recall, remember
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.seen import Material, Seen
from hub.provisioner.ipsec.slice import IpsecSlice
from hub.provisioner.wanted import Wanted

FIBER, OTHER = tunnel(), tunnel("solo/fiber", 51822)


def with_leftover() -> Seen:
    """A machine as it should be, whose charon still has a certificate of a tunnel that is gone."""
    seen = seen_with(FIBER)
    memory = replace(seen.memory, certificates={"print": connection_name(NETWORK, OTHER.tunnel)})
    return replace(seen, charon=replace(seen.charon, certificates=frozenset({"print", "of a peer"})), memory=memory)


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often charon was made to forget what peers have sent."""
    asked: list[str] = []

    def loaded() -> frozenset[str]:
        asked.append("loaded certificates")
        return frozenset({"print"})

    @contextmanager
    def connected(_: Path) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(loaded_certificates=loaded)

    monkeypatch.setattr(slice_module, "connected", connected)
    return asked


def slice_seeing(seen: Seen, state: Path, patch: pytest.MonkeyPatch) -> IpsecSlice:
    """A slice that sees this."""
    patch.setattr(slice_module, "look", lambda *_: seen)
    return IpsecSlice(state, state)


def test_for_a_plan_with_a_certificate_left_over_charon_forgets_what_peers_have_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: list[str]
) -> None:
    planned = slice_seeing(with_leftover(), tmp_path, monkeypatch).plan(wanting(FIBER))
    assert [type(each.how).__name__ for each in planned.changes] == ["ClearCredentials"]
    assert flushes == ["loaded certificates"]


def test_where_a_file_has_a_problem_charon_forgets_nothing_for_nothing_could_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: list[str]
) -> None:
    seen = replace(with_leftover(), materials={FIBER.tunnel: Material(problem="bandung-fiber.psk is not there")})
    planned = slice_seeing(seen, tmp_path, monkeypatch).plan(wanting(FIBER))
    assert (planned.changes, flushes) == ((), [])


def test_verify_never_has_charon_forget_what_peers_have_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: list[str]
) -> None:
    assert slice_seeing(with_leftover(), tmp_path, monkeypatch).verify(wanting(FIBER)) == ()
    assert flushes == []


@pytest.mark.parametrize("look", [IpsecSlice.plan, IpsecSlice.verify])
def test_what_a_restarted_charon_has_lost_is_forgotten_for_good_though_others_load_the_same_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[IpsecSlice, Wanted], object]
) -> None:
    remember(tmp_path, Memory(SALT, certificates={"print": connection_name(NETWORK, OTHER.tunnel)}, started="before"))
    seen = replace(seen_with(FIBER), memory=recall(tmp_path).of_charon("now", (), ()), is_news=True)
    look(slice_seeing(seen, tmp_path, monkeypatch), wanting())
    assert (recall(tmp_path).certificates, recall(tmp_path).started) == ({}, "now")
