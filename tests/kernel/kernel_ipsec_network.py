"""A hub and a branch in namespaces, joined by two ISPs, of which each carries one form of IPsec tunnel.

    hub  eth-gre  198.51.100.2 ── isp-gre  ── 100.64.1.2  eth-gre   branch      GRE between 10.254.0.1 and 10.254.1.1
         eth-xfrm 203.0.113.2  ── isp-xfrm ── 100.65.1.2  eth-xfrm              XFRM interface

With `nat` the ISPs hide the branch behind their own address on the hub's side, as most do.
"""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Line:
    """A Line is one form of tunnel, the ISP below it, and the addresses on it; `if_id` is that of the XFRM interface.

    `hub_loopback` and `branch_loopback` are the ends of the GRE tunnel; empty where there is none.
    """

    form: str
    hub_outer: str
    branch_outer: str
    hub_link: str
    branch_link: str
    hub_loopback: str = ""
    branch_loopback: str = ""
    if_id: int = 0

    @property
    def underlay(self) -> str:
        """The interface towards the ISP, at both ends."""
        return f"eth-{self.form}"

    @property
    def interface(self) -> str:
        """The tunnel's, at both ends."""
        return f"tun-{self.form}"

    @property
    def hub_gateway(self) -> str:
        """The ISP's address on the hub's side."""
        return self.hub_outer.removesuffix("2") + "1"

    @property
    def branch_gateway(self) -> str:
        """The ISP's address on the branch's side."""
        return self.branch_outer.removesuffix("2") + "1"


GRE = Line("gre", "198.51.100.2", "100.64.1.2", "10.255.0.0", "10.255.0.1", "10.254.0.1", "10.254.1.1")
XFRM = Line("xfrm", "203.0.113.2", "100.65.1.2", "10.255.0.2", "10.255.0.3", if_id=7)
LINES = (GRE, XFRM)
HUB_LAN, BRANCH_LAN = "10.0.0.1", "10.1.0.1"
MTU = 1400


@dataclass(frozen=True, slots=True)
class IpsecNetwork:
    """An IpsecNetwork is the namespaces, by the part that they play: `hub`, `branch`, and an ISP for each line.

    `secret` is what both ends know.
    """

    name: str
    nat: bool
    secret: str

    def namespace(self, part: str) -> str:
        """The name of the namespace."""
        return f"{self.name}-{part}"

    def inside(self, part: str, *command: str) -> list[str]:
        """The command line that runs a command there."""
        return ["ip", "netns", "exec", self.namespace(part), *command]

    def script(self, part: str, text: str) -> str:
        """Run shell there; what it prints.

        Raises:
            AssertionError: a command failed.
        """
        return _output(self.inside(part, "sh", "-ec", text))

    def output(self, part: str, *command: str) -> str:
        """What a command prints there, whatever its exit status."""
        return subprocess.run(self.inside(part, *command), capture_output=True, text=True, timeout=120).stdout

    def cut(self, line: Line) -> None:
        """The ISP drops everything, silently."""
        rule = "table inet cut { chain forward { type filter hook forward priority 0; policy drop; }; }"
        self.script(isp(line), f"nft '{rule}'")

    def heal(self, line: Line) -> None:
        """End the cut, if there is one."""
        self.script(isp(line), "nft delete table inet cut 2>/dev/null || :")


def isp(line: Line) -> str:
    """The part of the line's ISP."""
    return f"isp-{line.form}"


@contextmanager
def ipsec_network(*, nat: bool) -> Iterator[IpsecNetwork]:
    """Namespaces, cables, addresses and tunnel interfaces, without keys; removed afterwards."""
    network = IpsecNetwork(f"k{os.getpid()}n{next(_numbers)}", nat, secrets.token_hex(32))
    parts = ["hub", "branch", *map(isp, LINES)]
    try:
        for part in parts:
            _output(["ip", "netns", "add", network.namespace(part)])
            network.script(part, "ip link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0")
        for line in LINES:
            _connect(network, line)
        network.script("hub", f"ip address add {HUB_LAN}/32 dev lo\n" + "".join(map(hub_end, LINES)))
        network.script("branch", f"ip address add {BRANCH_LAN}/32 dev lo\n" + "".join(map(branch_end, LINES)))
        yield network
    finally:
        for part in parts:
            subprocess.run(["ip", "netns", "delete", network.namespace(part)], capture_output=True)


def _connect(network: IpsecNetwork, line: Line) -> None:
    for end, outer, gateway in (
        ("hub", line.hub_outer, line.hub_gateway),
        ("branch", line.branch_outer, line.branch_gateway),
    ):
        network.script(
            isp(line),
            f"ip link add name to-{end} type veth peer name {line.underlay} netns {network.namespace(end)}\n"
            f"ip address add {gateway}/30 dev to-{end}; ip link set to-{end} up\n",
        )
        network.script(end, f"ip address add {outer}/30 dev {line.underlay}; ip link set {line.underlay} up")
    if network.nat:
        chain = "type nat hook postrouting priority 100; ip saddr 100.64.0.0/10 oifname to-hub masquerade"
        rule = f"table ip hide {{ chain out {{ {chain}; }}; }}"
        network.script(isp(line), f"nft '{rule}'")
    network.script("hub", f"ip route add {line.branch_outer}/32 via {line.hub_gateway}")
    network.script("branch", f"ip route add {line.hub_outer}/32 via {line.branch_gateway}")


def hub_end(line: Line) -> str:
    """Shell that makes the hub's interface of this line."""
    return _end(line, line.hub_loopback, line.branch_loopback, line.hub_gateway, line.hub_link)


def branch_end(line: Line) -> str:
    """Shell that makes the branch's."""
    return _end(line, line.branch_loopback, line.hub_loopback, line.branch_gateway, line.branch_link)


def _end(line: Line, own: str, other: str, gateway: str, link: str) -> str:
    if line.if_id:
        made = f"ip link add name {line.interface} type xfrm dev {line.underlay} if_id {line.if_id}\n"
    else:
        made = (
            f"ip address add {own}/32 dev lo\n"
            f"ip route add {other}/32 via {gateway} src {own}\n"
            + blocks(own, other, "out")
            + blocks(other, own, "in")
            + f"ip link add name {line.interface} type gre local {own} remote {other} ttl 64\n"
        )
    return f"{made}ip address add {link}/31 dev {line.interface}\nip link set {line.interface} mtu {MTU} up\n"


def blocks(source: str, target: str, direction: str) -> str:
    """Shell, by which without a security association nothing leaves in clear, or nothing that is clear is taken.

    It stands below strongSwan's policies. It names the protocol, because they do not: of two policies of one selector
    the kernel keeps the newer, and strongSwan would delete it with its own.
    """
    selector = f"src {source}/32 dst {target}/32 proto gre"
    return f"ip xfrm policy add {selector} dir {direction} action block priority 4000000000\n"


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def write(path: Path, text: str) -> Path:
    """A file with directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
