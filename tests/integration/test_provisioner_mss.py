"""The MSS of TCP through a tunnel, and the kernel's settings: real packets in namespaces."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from provisioner_network import Network, Slice

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("nft", "ip", "wg", "tcpdump"))),
        reason="needs root, nft, iproute2, wg and tcpdump",
    ),
]
SERVER = "import socket; s=socket.create_server(('10.1.0.10', 8080)); print('up', flush=True)\nwhile 1: s.accept()"


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture
def mss(network: Network, tmp_path: Path) -> Iterator[Slice]:
    with network.slice("mss", tmp_path) as mss:
        yield mss


def segments(network: Network) -> list[int]:
    """The largest segments that the two ends of a connection are told: that of the server, then of the client."""
    return [_told(network, network.hlan, "src host 10.1.0.10"), _told(network, network.blan, "src host 10.0.0.10")]


def _told(network: Network, namespace: str, of: str) -> int:
    within = ("ip", "netns", "exec")
    command = [*within, namespace, "tcpdump", "-lnn", "-i", "eth0", "-c", "1", f"tcp[tcpflags] & tcp-syn != 0 and {of}"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sniffer:
        assert sniffer.stdout is not None
        assert sniffer.stderr is not None
        while "listening on" not in sniffer.stderr.readline():
            pass
        network.within(network.hlan, "python3", "-c", "import socket; socket.create_connection(('10.1.0.10', 8080), 5)")
        return int(re.findall(r"mss (\d+)", sniffer.stdout.readline())[0])


@pytest.fixture
def server(network: Network) -> Iterator[None]:
    network.tunnel("203.0.113.2")
    command = ["ip", "netns", "exec", network.blan, "python3", "-c", SERVER]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("server")
def test_both_ends_are_told_what_fits_into_the_tunnel(network: Network, mss: Slice) -> None:
    assert segments(network) == [1460, 1460]
    mss.ask("apply", network.wanted)
    assert segments(network) == [1380, 1380]
    assert mss.ask("plan", network.wanted)["changes"] == []


def test_what_somebody_changed_is_made_anew(network: Network, mss: Slice) -> None:
    mss.ask("apply", network.wanted)
    listed = network.within(network.hub, "nft", "list", "table", "inet", "pointsman_mss")
    network.within(network.hub, "nft", "flush", "chain", "inet", "pointsman_mss", "forward")
    (found,) = mss.ask("verify", network.wanted)
    assert found["repaired"]
    assert "was changed by somebody" in found["text"]
    assert network.within(network.hub, "nft", "list", "table", "inet", "pointsman_mss") == listed
    assert mss.ask("verify", network.wanted) == []


def test_without_tunnels_the_table_goes_and_others_stay(network: Network, mss: Slice) -> None:
    network.within(network.hub, "nft", "add", "table", "inet", "firewall")
    mss.ask("apply", network.wanted)
    mss.ask("apply")
    assert network.within(network.hub, "nft", "list", "tables") == "table inet firewall\n"


def values(network: Network, *names: str) -> list[str]:
    return [network.within(network.hub, "sysctl", "-n", name).strip() for name in names]


def test_settings_are_made_loose_and_put_back(network: Network, tmp_path: Path) -> None:
    network.tunnel("203.0.113.2")
    loose = ("net.ipv4.ip_forward", "net.ipv4.conf.ua.rp_filter", f"net.ipv4.conf.{network.wg}.rp_filter")
    network.within(network.hub, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.rp_filter=1")
    with network.slice("sysctls", tmp_path) as sysctls:
        said: dict[str, Any] = sysctls.ask("apply", network.wanted)
        assert len(said["changes"]) == 4
        assert values(network, *loose) == ["1", "2", "2"]
        assert sysctls.ask("plan", network.wanted)["changes"] == []
        network.within(network.hub, "sysctl", "-qw", "net.ipv4.ip_forward=0")
        assert [each["repaired"] for each in sysctls.ask("verify", network.wanted)] == [True]
        assert values(network, "net.ipv4.ip_forward") == ["1"]
        sysctls.ask("put_back")
        assert values(network, *loose[:2]) == ["0", "0"]
