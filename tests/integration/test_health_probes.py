"""Health probes against a real branch: two namespaces, loss and delay made in the branch's."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bfd_namespaces import MS, Engine, Network, pause, until
from made_network import run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bird"), reason="needs root and BIRD"),
]
RATE = {"active_ns": 20 * MS, "idle_ns": 20 * MS}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


@dataclass
class Sum:
    """What was told of one tunnel since it was asked first."""

    sent: int = 0
    lost: int = 0
    answered: int = 0
    late: int = 0


def total(engine: Engine, tunnel: str, *, burst: bool = False, since: int = 0) -> Sum:
    """The sum of the samples that were told of a tunnel, from a line on."""
    found = Sum()
    for line in engine.said[since:]:
        for one in line.get("samples", ()):
            if one["tunnel"] == tunnel and one.get("burst", False) == burst:
                found.sent += one["sent"]
                found.lost += one["lost"]
                found.answered += len(one["rtt_ms"])
                found.late += len(one.get("late_ms", ()))
    return found


def measured(network: Network, method: str = "bfd", interval: int = 300, **more: Any) -> Engine:
    """An engine whose tunnels are up and probed every 20 ms."""
    if method == "bfd":
        network.start_bird(interval)
    engine = network.engine()
    specs = [
        spec | {"probe": RATE} | more for spec in network.specs(0, 1, method=method, active=interval, idle=interval)
    ]
    engine.tell(tunnels={"specs": specs})
    for tunnel in ("solo/0", "solo/1"):
        engine.wait_for(tunnel, "up")
    return engine


def reads(engine: Engine, holds: Callable[[], bool], what: str) -> None:
    """Read what it says until something holds."""

    def look() -> bool:
        engine.read(0.05)
        return holds()

    until(what, look)


def lose(network: Network, link: int, every: int) -> None:
    """The branch loses one echo of so many that come over a link."""
    rules = (
        f"table inet lossy {{ chain input {{ type filter hook input priority 0; "
        f"iifname {network.tag}b{link} icmp type echo-request numgen inc mod {every} == 0 drop; }}\n }}"
    )
    run("ip", "netns", "exec", network.branch, "nft", rules)


def test_a_tunnel_that_loses_nothing_is_told_with_its_round_trips_and_no_loss(network: Network) -> None:
    engine = measured(network)
    reads(engine, lambda: total(engine, "solo/0").sent >= 30 and total(engine, "solo/1").sent >= 30, "30 probes each")
    found = total(engine, "solo/0")
    assert (found.lost, found.late) == (0, 0)
    assert found.answered > 0


def test_loss_is_told_of_the_tunnel_that_has_it_and_of_no_other(network: Network) -> None:
    engine = measured(network)
    lose(network, 0, 4)
    since = len(engine.said)
    reads(engine, lambda: total(engine, "solo/0", since=since).sent >= 100, "100 probes")
    found = total(engine, "solo/0", since=since)
    assert found.lost / found.sent == pytest.approx(0.25, abs=0.06)
    assert total(engine, "solo/1").lost == 0


def test_a_burst_is_told_apart_and_as_soon_as_its_last_fate_is_known(network: Network) -> None:
    engine = measured(network)
    engine.tell(burst={"tunnel": "solo/1", "count": 40, "interval_ns": 5 * MS})
    reads(engine, lambda: total(engine, "solo/1", burst=True).sent >= 40, "40 probes of the burst")
    assert total(engine, "solo/1", burst=True).lost == 0
    assert total(engine, "solo/0", burst=True).sent == 0
    assert engine.ask()["counters"]["bursts"] == 1


def test_a_burst_over_a_tunnel_that_is_down_is_refused_and_counted(network: Network) -> None:
    engine = measured(network)
    run("ip", "-n", network.hub, "link", "set", f"{network.tag}h0", "down")
    engine.tell(link=[f"{network.tag}h0", False])
    engine.wait_for("solo/0", "down")
    engine.tell(burst={"tunnel": "solo/0", "count": 40, "interval_ns": 5 * MS})
    engine.tell(burst={"tunnel": "nobody/0", "count": 40, "interval_ns": 5 * MS})
    until("both are counted", lambda: engine.ask()["counters"].get("bursts-refused") == 2)
    assert total(engine, "solo/0", burst=True).sent == 0


def test_a_tunnel_that_is_down_is_not_probed(network: Network) -> None:
    engine = measured(network)
    network.kill_bird()
    engine.wait_for("solo/0", "down")
    engine.wait_for("solo/1", "down")
    sent = engine.ask()["counters"]["icmp-sent"]
    pause(0.5)
    assert engine.ask()["counters"]["icmp-sent"] == sent


@pytest.mark.parametrize(("method", "more"), [("icmp", {}), ("bfd", {"echo": True})])
def test_the_echoes_of_liveness_count_and_no_others_are_sent(
    network: Network, method: str, more: dict[str, Any]
) -> None:
    rate = {"active_ns": 400 * MS, "idle_ns": 400 * MS}
    engine = measured(network, method, 100, **more, probe=rate)
    reads(engine, lambda: total(engine, "solo/0").sent >= 20, "20 echoes of liveness")
    before, since = engine.ask()["counters"]["icmp-sent"], len(engine.said)
    reads(engine, lambda: total(engine, "solo/0", since=since).sent >= 20, "20 more")
    sent = engine.ask()["counters"]["icmp-sent"] - before
    told = total(engine, "solo/0", since=since).sent + total(engine, "solo/1", since=since).sent
    assert abs(sent - told) <= 12


def test_a_branch_that_answers_no_echo_is_a_problem_and_not_a_loss(network: Network) -> None:
    network.filter_echo()
    engine = measured(network)
    key, text, mend = engine.wait("problem", lambda problem: problem[0] == "health:solo/0")
    assert key == "health:solo/0"
    assert "10.9.0.1 answers no ICMP echo" in text
    assert "10.9.0.0" in mend
    assert total(engine, "solo/0").sent == 0
    run("ip", "netns", "exec", network.branch, "nft", "delete", "table", "ip", "filtered")
    engine.wait("problem", lambda problem: problem[:2] == ["health:solo/0", None])
    reads(engine, lambda: total(engine, "solo/0").sent > 0, "samples")


def test_a_sleep_of_the_forwarder_is_no_loss_of_the_tunnel(network: Network) -> None:
    engine = measured(network, "icmp", 400)
    reads(engine, lambda: total(engine, "solo/0").sent >= 20, "20 probes")
    for _ in range(3):
        engine.process.send_signal(signal.SIGSTOP)
        pause(0.4)
        engine.process.send_signal(signal.SIGCONT)
        since = len(engine.said)
        reads(engine, lambda since=since: total(engine, "solo/0", since=since).sent >= 20, "20 more")
    assert total(engine, "solo/0").lost == 0
