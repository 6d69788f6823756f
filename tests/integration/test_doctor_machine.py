"""The doctor in a namespace whose kernel really is as it should not be.

hub   wg51000-bandung 10.255.0.0/31 ---- p1   other end
      wg51001-bandung 10.255.0.2/31 ---- p2
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_network import run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

ROOT = Path(__file__).parents[2]
CONFIGURATION = {
    "network.yaml": """\
network: kencana
timezone: Asia/Jakarta
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/16]
  uplinks: {telkom: {isp: telkom}, biznet: {isp: biznet}}
pools: {links: 10.255.0.0/19, ports: 51000-54999}
""",
    "branches/bandung.yaml": """\
as: 65001
prefixes: [10.1.0.0/24]
uplinks: {fiber: {isp: telkom}, wireless: {isp: indosat}}
""",
    "allocations.yaml": """\
bandung/fiber: {to: telkom, link: 10.255.0.0/31, port: 51000}
bandung/wireless: {to: biznet, link: 10.255.0.2/31, port: 51001}
""",
}
FIBER, WIRELESS = "wg51000-bandung", "wg51001-bandung"
HOLD = """
import socket, sys, time
kind, address, port = sys.argv[1:]
opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
opened.bind((address, int(port)))
if kind == "tcp":
    opened.listen()
print("held", flush=True)
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    directory: Path

    def __call__(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.name, *command)

    def doctor(self, *before: str, config: Path | None = None) -> tuple[int, dict[str, Any]]:
        """The exit status, and what it says as JSON; `before` goes before the command."""
        options = ["--config", str(config or self.directory / "config"), "--json"]
        options += ["--run-dir", str(self.directory / "run"), "--state-dir", str(self.directory)]
        command = ["ip", "netns", "exec", self.name, *before, sys.executable, "-m", "hub.cli.main", "doctor", *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    def said(self, severity: str, check: str) -> list[str]:
        """The texts of one kind of finding."""
        findings = self.doctor()[1]["findings"]
        return [each["text"] for each in findings if (each["severity"], each["check"]) == (severity, check)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for name, text in CONFIGURATION.items():
        (tmp_path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / name).write_text(text)
    hub = f"pm-doc-{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
    far = f"{hub}-far"
    for name in (hub, far):
        run("ip", "netns", "add", name)
    try:
        made = Machine(hub, tmp_path)
        made("ip", "link", "set", "lo", "up")
        made("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
        for number, interface in enumerate((FIBER, WIRELESS)):
            made("ip", "link", "add", interface, "type", "veth", "peer", "name", f"p{number}", "netns", far)
            made("sysctl", "-qw", f"net.ipv4.conf.{interface}.rp_filter=0")
            made("ip", "address", "add", f"10.255.0.{2 * number}/31", "dev", interface)
            made("ip", "link", "set", interface, "up")
            run("ip", "-n", far, "link", "set", f"p{number}", "up")
        yield made
    finally:
        for name in (hub, far):
            run("ip", "netns", "del", name, check=False)


def test_a_machine_as_it_should_be_has_nothing_wrong(machine: Machine) -> None:
    status, said = machine.doctor()
    assert [each["text"] for each in said["findings"] if each["severity"] == "wrong"] == []
    assert status == 0


def test_forwarding_off_and_strict_filtering_are_found(machine: Machine) -> None:
    machine("sysctl", "-qw", "net.ipv4.ip_forward=0", f"net.ipv4.conf.{WIRELESS}.rp_filter=1")
    status, said = machine.doctor()
    assert status == 1
    assert {each["check"] for each in said["findings"] if each["severity"] == "wrong"} == {"forwarding", "reverse-path"}


def test_forwarding_off_on_one_tunnel_is_found(machine: Machine) -> None:
    machine("sysctl", "-qw", f"net.ipv4.conf.{WIRELESS}.forwarding=0")
    (text,) = machine.said("wrong", "forwarding")
    assert WIRELESS in text


def test_a_route_in_the_way_is_found_and_its_mend_works(machine: Machine) -> None:
    machine("ip", "route", "add", "10.1.0.0/24", "dev", FIBER, "proto", "static", "metric", "50")
    (finding,) = [each for each in machine.doctor()[1]["findings"] if each["check"] == "foreign-route"]
    assert "protocol static, metric 50" in finding["text"]
    machine(*finding["mend"].partition(",")[0].split())
    assert machine.said("wrong", "foreign-route") == []


def test_a_rule_before_the_main_table_is_found(machine: Machine) -> None:
    machine("ip", "route", "add", "10.0.0.0/8", "dev", FIBER, "table", "77")
    machine("ip", "rule", "add", "lookup", "77", "priority", "500")
    (text,) = machine.said("wrong", "rule")
    assert text == "rule 500 (for all packets) looks table 77 up first, which has routes for 10.1.0.0/24"


def test_rules_that_pin_marked_packets_to_an_uplink_are_as_they_should_be(machine: Machine) -> None:
    machine("ip", "route", "add", "default", "dev", FIBER, "table", "77")
    machine("ip", "rule", "add", "fwmark", "7", "lookup", "77", "priority", "500")
    assert machine.said("warning", "rule") == []


@pytest.mark.parametrize(
    ("kind", "address", "port", "check"),
    [
        ("tcp", "0.0.0.0", "179", "bgp-port"),
        ("tcp", "10.255.0.2", "179", "bgp-port"),
        ("udp", "0.0.0.0", "3784", "bfd-port"),
    ],
)
def test_a_port_that_another_program_holds_is_found_with_its_name(
    machine: Machine, kind: str, address: str, port: str, check: str
) -> None:
    command = ["ip", "netns", "exec", machine.name, sys.executable, "-c", HOLD, kind, address, port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
            (text,) = machine.said("wrong", check)
        finally:
            holder.kill()
    assert f"(pid {holder.pid})" in text


def test_a_missing_address_and_an_interface_that_is_down_are_found(machine: Machine) -> None:
    machine("ip", "address", "del", "10.255.0.0/31", "dev", FIBER)
    machine("ip", "link", "set", WIRELESS, "down")
    assert machine.said("wrong", "address") == [f"link address 10.255.0.0 of bandung/fiber is not on {FIBER}"]
    assert machine.said("wrong", "interface") == [f"interface {WIRELESS} of bandung/wireless is down"]


def test_a_firewall_that_drops_is_found(machine: Machine) -> None:
    machine("nft", "add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }")
    machine("nft", "add chain inet f pre { type filter hook prerouting priority -300; }")
    machine("nft", "add rule inet f in tcp dport 179 accept; add rule inet f pre fib saddr . iif oif missing drop")
    assert len(machine.said("wrong", "reverse-path")) == 1
    (text,) = machine.said("warning", "input")
    assert "tcp dport 179" not in text
    assert "udp dport 3784" in text


def test_an_ordinary_user_is_told_what_was_not_looked_at(machine: Machine) -> None:
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    status, said = machine.doctor(*nobody, config=Path("/nonexistent"))
    assert status == 1
    unseen = [each["text"] for each in said["findings"] if each["severity"] == "not-looked-at"]
    assert "the firewall's rules: needs root" in unseen
