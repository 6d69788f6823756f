"""Targets behind a branch, asked by a process without privilege through each of two real links."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bfd_namespaces import PATIENCE, ROOT, Network
from made_network import run

pytestmark = pytest.mark.integration
HERE = Path(__file__).parent
UNPRIVILEGED = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


class Watched:
    """An observer's process in the hub's namespace, and what it found last by each way."""

    def __init__(self, network: Network) -> None:
        command = [sys.executable, str(HERE / "observe_hub_process.py"), network.tag]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", network.hub, *UNPRIVILEGED, *command], stdout=subprocess.PIPE, env=environment
        )
        self.found: dict[str, dict[str, Any]] = {}
        self._rest = b""

    def until(self, wanted: dict[str, str]) -> None:
        """Wait until each of these has this outcome, found from now on."""
        self.found.clear()
        deadline = time.monotonic() + 2 * PATIENCE
        while any(self.found.get(key, {}).get("outcome") != outcome for key, outcome in wanted.items()):
            assert time.monotonic() < deadline, f"{wanted}: it found {self.found}"
            self.read(deadline - time.monotonic())

    def read(self, seconds: float) -> None:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(seconds, 0))[0]:
            return
        *lines, self._rest = (self._rest + os.read(self.process.stdout.fileno(), 1 << 16)).split(b"\n")
        for line in map(json.loads, lines):
            self.found[line["key"]] = line

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        for address in ("10.1.0.10", "192.0.2.1", "192.0.2.2"):
            run("ip", "-n", made.branch, "addr", "add", f"{address}/32", "dev", "lo")
        # As the hub has it: the prefix by the tunnel in use, and unreachable below; by the other there is no route.
        run("ip", "-n", made.hub, "route", "add", "10.1.0.0/24", "via", "10.9.0.1", "metric", "10")
        run("ip", "-n", made.hub, "route", "add", "unreachable", "10.1.0.0/24", "metric", "4000")
        run("ip", "-n", made.hub, "route", "add", "default", "via", "10.9.0.3")
        made.sysctl(made.hub, "net.ipv4.ping_group_range=0 0")
        yield made


@pytest.fixture
def target(network: Network) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(HERE / "observe_target_process.py"), "10.1.0.10"]
    process = subprocess.Popen(["ip", "netns", "exec", network.branch, *command], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def watched(network: Network, target: subprocess.Popen[bytes]) -> Iterator[Watched]:
    started = Watched(network)
    yield started
    started.end()


def by_both(outcome: str, *names: str) -> dict[str, str]:
    return {f"{name}/{tunnel}": outcome for name in names for tunnel in ("fiber", "wireless")}


FINE = ("tcp", "http", "dns", "icmp", "custom")


def test_what_answers_and_what_does_not_through_each_tunnel(network: Network, watched: Watched) -> None:
    watched.until({**by_both("answered", *FINE), **by_both("failed", "closed", "broken"), "active": "answered"})
    assert watched.found["closed/fiber"]["text"] == "connection refused"
    assert watched.found["broken/wireless"]["text"] == "status 500, not 200"
    assert watched.found["custom/wireless"]["text"] == f"wireless by {network.tag}h1"


def test_a_black_hole_in_one_tunnel_is_seen_by_it_alone(network: Network, watched: Watched) -> None:
    watched.until(by_both("answered", *FINE))
    network.cut(0)
    fails = {f"{name}/fiber": "failed" for name in ("tcp", "http", "dns", "icmp")}
    answers = {f"{name}/wireless": "answered" for name in ("tcp", "http", "dns", "icmp")}
    watched.until({**fails, **answers})
    assert watched.found["tcp/fiber"]["text"] == "no answer in 1 s"
    network.heal(0)
    watched.until(by_both("answered", *FINE))


def test_a_dead_target_is_seen_by_every_tunnel(watched: Watched, target: subprocess.Popen[bytes]) -> None:
    watched.until(by_both("answered", *FINE))
    target.kill()
    watched.until({**by_both("failed", "tcp", "http", "dns"), "active": "failed", **by_both("answered", "icmp")})


def test_where_icmp_is_not_permitted_that_is_said_and_not_taken_for_silence(network: Network, watched: Watched) -> None:
    network.sysctl(network.hub, "net.ipv4.ping_group_range=1 0")
    watched.until({**by_both("unknown", "icmp"), **by_both("answered", "tcp"), "192.0.2.1": "unknown"})
    assert "ICMP is not permitted" in watched.found["icmp/fiber"]["text"]
    assert "ping_group_range" in watched.found["icmp/fiber"]["mend"]
    network.sysctl(network.hub, "net.ipv4.ping_group_range=0 0")
    watched.until(by_both("answered", "icmp"))


def test_external_targets_are_asked_through_their_uplink_only(network: Network, watched: Watched) -> None:
    watched.until({"192.0.2.1": "answered", "192.0.2.2": "answered"})
    network.cut(1)
    watched.until({"192.0.2.1": "failed", "192.0.2.2": "failed", "tcp/fiber": "answered"})
    network.heal(1)
    watched.until({"192.0.2.1": "answered", "192.0.2.2": "answered"})
    run("ip", "-n", network.hub, "link", "del", f"{network.tag}h1")
    watched.until({"192.0.2.1": "unknown", "tcp/wireless": "unknown", "tcp/fiber": "answered"})
    assert watched.found["tcp/wireless"]["text"] == f"there is no interface {network.tag}h1"
