"""The engine with its loop and no sockets: what it keeps of tunnels that are no longer watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.forwarder.liveness.bfd import BfdReceiver
from hub.forwarder.liveness.engine import Engine
from hub.forwarder.liveness.icmp import EchoSocket
from hub.forwarder.liveness.model import Method, Timers, TunnelSpec
from hub.forwarder.loop import Loop

MS = 1_000_000


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, Loop]]:
    for kind in (BfdReceiver, EchoSocket):
        monkeypatch.setattr(kind, "open", lambda _self: None)
    loop = Loop()
    engine = Engine(loop, lambda _report: None, lambda *_path: None, lambda *_problem: None)
    yield engine, loop
    engine.close()
    loop.close()


def tunnel(number: int, method: Method) -> TunnelSpec:
    timers = Timers(method, 5 * MS, 3)
    remote = f"10.9.{number}.1"
    return TunnelSpec(f"b/{number}", "b", "no-such-device", f"10.9.{number}.0", remote, "", "", timers, timers)


@pytest.mark.parametrize("method", ["bfd", "icmp"])
def test_tunnels_that_were_removed_are_forgotten_when_the_branch_has_been_told(
    engine: tuple[Engine, Loop], method: Method
) -> None:
    watcher, loop = engine
    for number in range(5):
        watcher.set_tunnels([tunnel(number, method)])
    watcher.set_tunnels([])
    loop.call_at(loop.now() + 100 * MS, loop.stop)
    loop.run()
    assert watcher._leaving == {}


def test_a_tunnel_that_returns_during_its_farewell_is_watched_anew(engine: tuple[Engine, Loop]) -> None:
    watcher, loop = engine
    watcher.set_tunnels([tunnel(1, "bfd")])
    watcher.set_tunnels([])
    watcher.set_tunnels([tunnel(1, "bfd")])
    loop.call_at(loop.now() + 100 * MS, loop.stop)
    loop.run()
    assert [report.tunnel for report in watcher.reports()] == ["b/1"]
