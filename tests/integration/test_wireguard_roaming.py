"""A branch whose address changes under a WireGuard tunnel, as the running forwarder and controller see and tell it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fib_namespaces import ForwarderProcess, Network
from made_network import run, wait_for
from wireguard_link import WireGuard

from hub.cli.problems import Problem, problems
from hub.control.client import NotRunningError, ask_controller

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("wireguard-go"), reason="needs root and wireguard-go"),
]

ROOT = Path(__file__).parents[2]
OLD, NEW = "192.0.2.2:51821", "203.0.113.9:51821"
NETWORK = """\
network: roaming
timezone: UTC
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/16]
  uplinks: {telkom: {isp: telkom, interface: wan, endpoint: 192.0.2.1}}
pools: {links: 10.255.0.0/24, ports: 51000-51099}
"""
BRANCH = """\
as: 65001
prefixes: [10.1.0.0/24]
liveness: LIVENESS
uplinks: {lte: {isp: indosat}}
tunnels: {lte: {existing: INTERFACE, link: 10.255.0.4/31}}
"""
PATIENT = "{method: icmp, interval: 1s, multiplier: 10}"
"""Longer than the second after which the branch speaks by itself, whatever else the machine does."""
QUICK = "{method: icmp, interval: 200ms, multiplier: 3}"


class Branch:
    """A Branch is what happens to the branch's uplink; the hub can be reached from either address."""

    def __init__(self, network: Network, wireguard: WireGuard) -> None:
        self._network, self._interface = network, wireguard.branch
        network.in_hub("ip", "address", "add", "203.0.113.1/24", "dev", "wan")

    def loses_its_uplink(self) -> None:
        self._ip("link", "set", "isp", "down")

    def gets_another_address(self) -> None:
        self._ip("link", "set", "isp", "up")
        self._ip("address", "add", "203.0.113.9/24", "dev", "isp")
        self._ip("route", "replace", "192.0.2.1/32", "dev", "isp", "src", "203.0.113.9")
        self._ip("address", "delete", "192.0.2.2/24", "dev", "isp")
        # As the hook of a router does: by itself wireguard-go sends from the old address until it makes a handshake
        # in vain, which takes it 15 s.
        wg = ("ip", "netns", "exec", self._network.branch, "wg")
        peer = run(*wg, "show", self._interface, "peers").strip()
        run(*wg, "set", self._interface, "peer", peer, "endpoint", "192.0.2.1:51820")

    def _ip(self, *words: str) -> None:
        run("ip", "-n", self._network.branch, *words)


class Hub:
    """A Hub is what the controller and the command line say, and its log."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def tunnel(self) -> dict[str, Any]:
        """The tunnel as `why` has it; empty while there is no answer."""
        try:
            report = ask_controller(self.directory / "control.sock", {"ask": "why", "branch": "bandung"})
        except NotRunningError:
            return {}
        (found,) = report["tunnels"]
        return dict(found)

    def is_up_from(self, endpoint: str) -> bool:
        told = self.tunnel()
        return told.get("liveness") == "up" and (told["wg"] or {}).get("endpoint") == endpoint

    def problems(self) -> tuple[Problem, ...]:
        """What `status --problems` says."""
        return problems(ask_controller(self.directory / "control.sock", {"ask": "status"}))

    def says(self, *words: str) -> str:
        command = [sys.executable, "-m", "hub.cli.main", *words, "--run-dir", str(self.directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert not done.stderr, done.stderr
        return " ".join(done.stdout.replace("│", " ").split())

    def log(self) -> str:
        return (self.directory / "controller.log").read_text()


@contextmanager
def controlling(network: Network, directory: Path, liveness: str, interface: str) -> Iterator[Hub]:
    """A controller beside the forwarder, for one branch with one tunnel."""
    config = directory / "config"
    (config / "branches").mkdir(parents=True)
    (config / "network.yaml").write_text(NETWORK)
    text = BRANCH.replace("LIVENESS", liveness).replace("INTERFACE", interface)
    (config / "branches" / "bandung.yaml").write_text(text)
    run(sys.executable, "-m", "hub.cli.main", "allocate", str(config))
    where = ["--config", str(config), "--run-dir", str(directory), "--state-dir", str(directory)]
    command = ["ip", "netns", "exec", network.hub, sys.executable, "-m", "hub.controller", *where]
    with (directory / "controller.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
    try:
        yield Hub(directory)
    finally:
        process.kill()
        process.wait()


def test_a_branch_that_moves_within_the_detection_time_is_told_and_is_no_failure(
    network: Network, wireguard: WireGuard, forwarder: ForwarderProcess, tmp_path: Path
) -> None:
    branch = Branch(network, wireguard)
    with controlling(network, tmp_path, PATIENT, wireguard.hub) as hub:
        wait_for(lambda: hub.is_up_from(OLD), "the tunnel from its first address")
        before = hub.tunnel()
        assert before["wg"]["roamed"] is None
        branch.gets_another_address()
        wait_for(lambda: hub.is_up_from(NEW), "the tunnel from its new address")
        after = hub.tunnel()
        assert after["wg"]["roamed"]["from"] == OLD
        assert after["wg"]["roamed"]["since"]["ago"] >= 0
        assert after["wg"]["roamed"]["gap"] is None, "it was never without an answer for so long that it counted"
        assert after["since"]["at"] == before["since"]["at"], "it is up without a break"
        assert after["health"]["state"] != "degraded"
        said = hub.says("why", "bandung")
        assert f"from {NEW}, for " in said
        assert f"; before from {OLD}" in said
        assert not {"isolated", "down", "degraded", "not connected"} & {each.kind for each in hub.problems()}
        assert "bandung/lte: down" not in hub.log()
        assert f"bandung/lte roamed from {OLD} to {NEW}" in forwarder.said()


def test_a_branch_that_was_away_while_it_moved_is_told_with_for_how_long(
    network: Network, wireguard: WireGuard, forwarder: ForwarderProcess, tmp_path: Path
) -> None:
    branch = Branch(network, wireguard)
    with controlling(network, tmp_path, QUICK, wireguard.hub) as hub:
        wait_for(lambda: hub.is_up_from(OLD), "the tunnel from its first address")
        branch.loses_its_uplink()
        wait_for(lambda: hub.tunnel()["liveness"] == "down", "the tunnel down")
        branch.gets_another_address()
        wait_for(lambda: hub.is_up_from(NEW), "the tunnel from its new address")
        moved = wait_for(lambda: (found := hub.tunnel()["wg"]["roamed"])["gap"] is not None and found, "the gap")
        assert moved["from"] == OLD
        assert moved["gap"] > 0
        assert "s without an answer in between)" in hub.says("why", "bandung")
    assert forwarder.said()
