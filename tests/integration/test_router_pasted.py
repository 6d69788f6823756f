"""What is printed for a branch's router, pasted into a Linux machine: its scripts, its tunnels, its firewall."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from router_branches import HUB, SECRETS, branch, ipsec

from hub.branch_router.from_intent import end_of
from hub.branch_router.texts import texts, usual_parts
from hub.cli.router_files import write_all
from policies.model.intent import Branch
from policies.model.transport import Inner, WireGuard

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("wireguard-go") is None, reason="wireguard-go is not installed"),
]

_MACHINE = """\
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/wireguard
ip link set lo up
ip link add eth1 type veth peer name isp1
ip link add wwan0 type veth peer name isp2
for name in eth1 isp1 wwan0 isp2; do ip link set $name up; done
ip address add 192.0.2.9/24 dev eth1
ip address add 100.64.0.2/24 dev wwan0
ip route add default via 192.0.2.1 dev eth1
ip route add default via 100.64.0.1 dev wwan0 metric 20
export WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go LOG_LEVEL=error
cd {root}
"""


def pasted(root: Path, one: Branch, script: str) -> str:
    """What a script says on a machine with two uplinks and the branch's files; all of it is gone afterwards."""
    end = end_of(HUB, one)
    write_all(root, texts(end, usual_parts(end), SECRETS), force=False)
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]
    text = _MACHINE.format(root=root) + script
    done = subprocess.run([*words, text], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


PINS = "usr/local/sbin/pointsman-pins\n"
SHOW = "ip -4 rule show; for table in 101 102; do ip -4 route show table $table; done\n"


def test_marked_packets_leave_by_their_uplink_and_by_no_other(tmp_path: Path) -> None:
    ask = "ip -o route get 198.51.100.1 mark 101; ip -o route get 203.0.113.1 mark 102\n"
    lost = "ip link set wwan0 down; ip -o route get 203.0.113.1 mark 102 2>&1 || true\n"
    fiber, wireless, gone = pasted(tmp_path, branch(WireGuard(), WireGuard()), PINS + ask + lost).splitlines()
    assert "via 192.0.2.1 dev eth1 table 101" in fiber
    assert "via 100.64.0.1 dev wwan0 table 102" in wireless
    assert gone == "RTNETLINK answers: No route to host"


def test_ike_leaves_by_the_uplink_of_its_tunnel(tmp_path: Path) -> None:
    one = branch(WireGuard(), ipsec(Inner.VXLAN, number=1), router=None)
    said = pasted(tmp_path, one, PINS + "ip -o route get 203.0.113.1; ip -o route get 203.0.113.9\n").splitlines()
    assert "via 100.64.0.1 dev wwan0 table 102" in said[0]
    assert "via 192.0.2.1 dev eth1" in said[1]


def test_the_scripts_change_nothing_when_they_run_again(tmp_path: Path) -> None:
    one = branch(ipsec(Inner.VXLAN), ipsec(Inner.VXLAN, number=1))
    scripts = f"{PINS}usr/local/sbin/pointsman-tunnels\n"
    first, second = pasted(tmp_path, one, f"{scripts}{SHOW}echo ==\n{scripts}{SHOW}").split("==\n")
    assert first == second
    assert first.count("lookup 101") == 2


def test_a_line_that_is_not_there_yet_is_said_and_the_others_are_pinned(tmp_path: Path) -> None:
    one = branch(WireGuard(), WireGuard())
    late = replace(one, tunnels=(one.tunnels[1], one.tunnels[0]))
    said = pasted(tmp_path, late, f"ip route del default dev wwan0\n{PINS.rstrip()} 2>&1\n{SHOW}")
    assert "wwan0 has no default route yet" in said
    assert "default via 192.0.2.1 dev eth1" in said
    assert "unreachable default metric 9999" in said


def test_wg_quick_brings_the_tunnels_up_as_they_are_written(tmp_path: Path) -> None:
    up = "for name in fiber wireless; do wg-quick up etc/wireguard/$name.conf 2>&1; done >/dev/null\n"
    show = "ip -o -4 address show dev fiber; ip -o link show dev fiber; wg show fiber; ip -4 route show default\n"
    filters = "cat /proc/sys/net/ipv4/conf/fiber/rp_filter\n"
    said = pasted(tmp_path, branch(WireGuard(), WireGuard()), f"{PINS}{up}{show}{filters}")
    assert "10.255.0.1/31" in said
    assert "mtu 1420" in said
    assert "fwmark: 0x65" in said
    assert "endpoint: 198.51.100.1:51000" in said
    assert "allowed ips: 0.0.0.0/0" in said
    assert [line for line in said.splitlines() if line.startswith("default")] == [
        "default via 192.0.2.1 dev eth1 ",
        "default via 100.64.0.1 dev wwan0 metric 20 ",
    ]
    assert said.endswith("\n2\n")


def test_the_firewall_loads_and_loads_again(tmp_path: Path) -> None:
    load = "nft -f etc/nftables.d/pointsman.nft\n"
    said = pasted(tmp_path, branch(ipsec(Inner.GRE), WireGuard()), f"{load}{load}nft list ruleset\n")
    assert said.count("table inet pointsman") == 1
    assert said.count("udp dport 51001 ip saddr != 203.0.113.1 drop") == 1
