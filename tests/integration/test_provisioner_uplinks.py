"""Uplinks of the hub in namespaces: real rules, tables and nftables, and WireGuard that sticks to the wrong uplink."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_network import run, wait_for
from provisioner_network import BIZNET, MARK, PORT, TELKOM, Network, Slice

from hub.provisioner.wanted import WantedIpsec

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "wg"))), reason="needs root, nft, iproute2 and wg"
    ),
]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def uplinks(network: Network, tmp_path: Path) -> Iterator[Slice]:
    with network.slice("uplinks", tmp_path) as uplinks:
        yield uplinks


def texts(found: list[dict[str, Any]], *, repaired: bool | None = None) -> list[str]:
    return [f"{each['target']}: {each['text']}" for each in found if repaired in (None, each.get("repaired"))]


def test_pins_are_made_and_a_second_apply_has_nothing_to_do(network: Network, uplinks: Slice) -> None:
    uplinks.ask("apply", network.wanted)
    assert network.rules() == [
        f"11000: from all fwmark {MARK + 1:#x} lookup {MARK + 1} proto 199",
        f"11000: from all fwmark {MARK:#x} lookup {MARK} proto 199",
        "11100: from 198.51.100.2 lookup main suppress_prefixlength 1 proto 199",
        f"11101: from 198.51.100.2 lookup {MARK} proto 199",
    ]
    assert network.table(MARK) == [
        "default via 198.51.100.1 dev ua proto 199 src 198.51.100.2",
        "unreachable default proto 199 metric 4294967295",
    ]
    assert network.table(MARK + 1)[0] == "default via 203.0.113.1 dev ub proto 199"
    assert uplinks.ask("plan", network.wanted) == {"changes": [], "refusals": []}
    assert uplinks.ask("verify", network.wanted) == []
    assert uplinks.ask("report", network.wanted)["uplink telkom"] == {"pinned": "ua via 198.51.100.1", "mark": MARK}


def test_packets_go_where_they_are_pinned_and_inside_as_before(network: Network, uplinks: Slice) -> None:
    assert network.way("192.0.2.2", "mark", str(MARK)) == "ub"
    uplinks.ask("apply", network.wanted)
    assert network.way("192.0.2.2", "mark", str(MARK)) == "ua"
    assert network.way("192.0.2.2", "mark", str(MARK + 1)) == "ub"
    assert network.way("192.0.2.2", "from", "198.51.100.2") == "ua"
    assert network.way("192.0.2.2") == "ub"
    assert network.way("10.0.0.10", "from", "198.51.100.2") == "lan"


def test_a_tunnel_whose_uplink_is_gone_does_not_slide_to_another(network: Network, uplinks: Slice) -> None:
    uplinks.ask("apply", network.wanted)
    run("ip", "-n", network.hub, "link", "set", "ua", "down")
    assert network.way("192.0.2.2", "mark", str(MARK)) == "RTNETLINK answers: No route to host"
    (found,) = [each for each in uplinks.ask("verify", network.wanted) if each["target"] == "uplink telkom"]
    assert found["text"].startswith(("gateway 198.51.100.1 is on no network of ua", "address 198.51.100.2"))
    run("ip", "-n", network.hub, "link", "set", "ua", "up")
    found = uplinks.ask("verify", network.wanted)
    assert [each["repaired"] for each in found] == [True]
    assert network.way("192.0.2.2", "mark", str(MARK)) == "ua"


def test_the_gateway_of_a_lease_is_followed(network: Network, uplinks: Slice) -> None:
    uplinks.ask("apply", network.wanted)
    network.lease("203.0.113.3")
    assert texts(uplinks.ask("verify", network.wanted), repaired=True) == [
        "uplink biznet: go by ub via 203.0.113.3 in place of ub via 203.0.113.1"
    ]
    assert network.table(MARK + 1)[0] == "default via 203.0.113.3 dev ub proto 199"
    assert uplinks.ask("verify", network.wanted) == []


def test_what_somebody_took_away_is_put_back(network: Network, uplinks: Slice) -> None:
    uplinks.ask("apply", network.wanted)
    whole = network.rules(), network.table(MARK), network.table(MARK + 1)
    run("ip", "-n", network.hub, "rule", "del", "fwmark", str(MARK))
    run("ip", "-n", network.hub, "rule", "del", "priority", "11100")
    run("ip", "-n", network.hub, "route", "flush", "table", str(MARK + 1))
    network.within(network.hub, "nft", "delete", "table", "inet", "pointsman_pins")
    found = uplinks.ask("verify", network.wanted)
    assert [(each["target"], each["repaired"]) for each in found] == [
        ("uplink biznet", True),
        ("uplink telkom", True),
        ("outer packets", True),
    ]
    assert (network.rules(), network.table(MARK), network.table(MARK + 1)) == whole
    assert uplinks.ask("verify", network.wanted) == []


def test_a_table_that_somebody_else_filled_is_not_touched(network: Network, uplinks: Slice) -> None:
    run("ip", "-n", network.hub, "route", "add", "10.9.0.0/16", "dev", "lan", "table", str(MARK))
    said = uplinks.ask("apply", network.wanted)
    assert texts(said["refusals"]) == [
        f"uplink telkom: routing table {MARK} has a route that is not ours: 10.9.0.0/16 dev lan"
    ]
    assert network.table(MARK) == ["10.9.0.0/16 dev lan scope link"]
    assert network.table(MARK + 1)


def test_uplinks_that_are_gone_are_removed_and_what_is_foreign_stays(network: Network, uplinks: Slice) -> None:
    run("ip", "-n", network.hub, "rule", "add", "from", "10.9.0.0/16", "lookup", "77", "priority", "11050")
    run("ip", "-n", network.hub, "route", "add", "default", "via", "203.0.113.1", "table", "77")
    before = network.rules(), network.table(77)
    uplinks.ask("apply", network.wanted)
    uplinks.ask("apply", replace(network.wanted, uplinks=(BIZNET,)))
    assert network.table(MARK) == []
    assert len(network.rules()) == 2
    uplinks.ask("apply", replace(network.wanted, uplinks=(), wireguard=()))
    assert (network.rules(), network.table(77)) == before
    assert network.table(MARK + 1) == []
    assert "pointsman_pins" not in network.within(network.hub, "nft", "list", "tables")


def test_only_what_the_hub_sends_from_a_tunnel_s_port_is_counted(network: Network, uplinks: Slice) -> None:
    """What is forwarded for somebody else, or is from a port that is no tunnel's, is not counted."""
    uplinks.ask("apply", network.wanted)
    uplinks.ask("verify", network.wanted)
    bound = "import socket,sys; s=socket.socket(2,2); s.bind((sys.argv[1],int(sys.argv[2])))"
    send = f"{bound}; s.sendto(b'x',('192.0.2.2',9))"
    network.within(network.hlan, "python3", "-c", send, "10.0.0.10", str(PORT))
    network.within(network.hub, "python3", "-c", send, "0.0.0.0", "6000")
    assert uplinks.ask("verify", network.wanted) == []
    network.tunnel()
    assert uplinks.ask("verify", network.wanted) == []


IPSEC = WantedIpsec(
    "solo/fiber", "gre-solo", ("10.255.0.2/31",), 1400, "telkom", MARK, 51002, "198.51.100.2", None, "hq", "solo",
    "solo.psk", None, None, None, "gre", "10.254.0.0", "10.254.0.1", (), ("aes256-sha256-ecp256",), (), 2, 14400, 3000,
)  # fmt: skip


def test_ipsec_that_leaves_by_another_uplink_is_told(network: Network, uplinks: Slice) -> None:
    wanted = replace(network.wanted, ipsec=(IPSEC,))
    uplinks.ask("apply", wanted)
    ike = "import socket; s=socket.socket(2,2); s.bind(('198.51.100.2',500)); s.sendto(b'x',('192.0.2.2',500))"
    network.within(network.hub, "python3", "-c", ike)
    assert uplinks.ask("verify", wanted) == []
    for priority in ("11100", "11101"):
        run("ip", "-n", network.hub, "rule", "del", "priority", priority)
    network.within(network.hub, "python3", "-c", ike)
    found = uplinks.ask("verify", wanted)
    assert texts(found, repaired=False) == ["uplink telkom: IPsec from 198.51.100.2 left by ub (1 packet), not by ua"]
    network.within(network.hub, "python3", "-c", ike)
    assert uplinks.ask("verify", wanted) == []


BACK = "bandung/fiber: leaves by ua again, as its source was forgotten"


class Ping:
    """A ping through the tunnel all the while, twenty a second."""

    def __init__(self, network: Network, file: Path) -> None:
        self._within, self._file = ("ip", "netns", "exec", network.hub), file

    def __enter__(self) -> Ping:
        with self._file.open("w") as said:
            command = [*self._within, "ping", "-n", "-i", "0.05", "10.255.0.1"]
            self._process = subprocess.Popen(command, stdout=said)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def _numbers(self) -> list[int]:
        return [int(number) for number in re.findall(r"bytes from .*icmp_seq=(\d+)", self._file.read_text())]

    def answered(self) -> int:
        return len(self._numbers())

    def lost(self) -> int:
        """How many were not answered between the first and the last that were."""
        numbers = self._numbers()
        return numbers[-1] - numbers[0] + 1 - len(set(numbers))


def test_a_tunnel_that_keeps_to_the_backup_uplink_after_failback_is_brought_back(
    network: Network, uplinks: Slice, tmp_path: Path
) -> None:
    """The tunnel has lost its mark, so that it goes by the hub's default route, and stays where that once led."""
    wanted = replace(network.wanted, uplinks=(replace(BIZNET, gateway="203.0.113.1", address="203.0.113.2"), TELKOM))
    uplinks.ask("apply", wanted)
    network.tunnel("203.0.113.2", mark=False)
    network.lease("198.51.100.1", "ua")
    with Ping(network, tmp_path / "ping") as ping:
        wait_for(lambda: ping.answered() > 10, "some answers")
        assert network.heard_from() == "203.0.113.2"
        (found,) = texts(uplinks.ask("verify", wanted), repaired=False)
        assert re.fullmatch(
            r"bandung/fiber: left by ub \(\d+ packets?\), not by ua: the source that WireGuard remembered was .*", found
        )
        wait_for(lambda: network.heard_from() == "198.51.100.2", "the right uplink")
        wait_for(lambda: BACK in texts(uplinks.ask("verify", wanted), repaired=True), "that it is said")
        assert uplinks.ask("verify", wanted) == []
    assert ping.lost() == 0


def test_a_source_that_outlives_a_missing_rule_is_forgotten_and_the_tunnel_comes_back(
    network: Network, uplinks: Slice
) -> None:
    """The rule is put back, and the kernel's WireGuard follows it at once; wireguard-go keeps to its interface.

    That it sends by then is lost, as no route leads there.
    """
    uplinks.ask("apply", network.wanted)
    run("ip", "-n", network.hub, "rule", "del", "fwmark", str(MARK))
    network.tunnel("203.0.113.2")
    assert network.heard_from() == "203.0.113.2"
    run("ip", "-n", network.hub, "rule", "add", "fwmark", str(MARK), "lookup", str(MARK), "priority", "11000",
        "protocol", "199")  # fmt: skip
    if network.kernel:
        assert network.answers()
        assert network.heard_from() == "198.51.100.2"
        return
    assert not network.answers()
    assert network.heard_from() == "203.0.113.2"
    (found,) = uplinks.ask("verify", network.wanted)
    assert found["text"].startswith("left by ub (")
    wait_for(network.answers, "the tunnel to answer again")
    assert network.heard_from() == "198.51.100.2"
    assert BACK in texts(uplinks.ask("verify", network.wanted), repaired=True)


def test_a_missing_rule_is_put_back_and_nothing_is_lost_but_on_the_wrong_way(
    network: Network, uplinks: Slice, tmp_path: Path
) -> None:
    uplinks.ask("apply", network.wanted)
    run("ip", "-n", network.hub, "rule", "del", "fwmark", str(MARK))
    network.tunnel("203.0.113.2")
    with Ping(network, tmp_path / "ping") as ping:
        wait_for(lambda: ping.answered() > 10, "some answers")
        found = uplinks.ask("verify", network.wanted)
        assert [(each["target"], each["repaired"]) for each in found] == [
            ("uplink telkom", True),
            ("bandung/fiber", False),
        ]
        wait_for(lambda: network.heard_from() == "198.51.100.2", "the right uplink")
        wait_for(lambda: BACK in texts(uplinks.ask("verify", network.wanted), repaired=True), "that it is said")
    assert ping.lost() <= 1
