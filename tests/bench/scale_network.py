"""Many branches on one machine: the hub in one namespace, and all branches in another, in one BIRD.

    hub namespace                                far namespace
    pointsman run                == veth ==      BIRD: a table, a kernel table and two BGP sessions a branch
    one veth a tunnel            == veth ==      rules give every branch's addresses its own kernel table

The tunnels are plain veth pairs: this measures the hub, not the ciphers. Neighbor entries are permanent, because the
kernel's table of them is one for all namespaces and is full at 1,024.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hub.config import read
from policies.model.intent import Branch, Intent, Tunnel

INTERVAL_MS, MULTIPLIER = 1000, 3
FIRST_TABLE = 1000
HUB_ADDRESS = "10.0.0.1"

_NETWORK = f"""\
network: scale
hub:
  name: hq
  as: 65000
  router-id: {HUB_ADDRESS}
  prefixes: [10.0.0.0/16]
  uplinks:
    telkom: {{isp: telkom}}
    biznet: {{isp: biznet}}
pools: {{links: 10.255.0.0/19, ports: 51000-54999}}
"""


def branch_file(number: int) -> str:
    """The YAML of one branch."""
    return (
        f"as: {64512 + number if 64512 + number < 65000 else 64513 + number}\n"
        f"prefixes: [10.{number}.0.0/24]\n"
        f"liveness: {{interval: {INTERVAL_MS}ms, multiplier: {MULTIPLIER}}}\n"
        "uplinks: {fiber: {isp: telkom}, wireless: {isp: biznet}}\n"
    )


def name_of(number: int) -> str:
    return f"b{number:03}"


def number_of(branch: Branch) -> int:
    return int(branch.name[1:])


class ScaleNetwork:
    """A ScaleNetwork is the two namespaces and the configuration directory; `branches` of them are configured first."""

    def __init__(self, name: str, first: int, later: int) -> None:
        self.hub, self.far = f"{name}-hub", f"{name}-far"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.configuration = self.directory / "config"
        self.run, self.state = self.directory / "run", self.directory / "state"
        self.first, self.later = first, later
        self.bird: subprocess.Popen[bytes] | None = None

    def set_up(self) -> None:
        """Both namespaces, every tunnel of all branches, BIRD; and the files of the first branches."""
        intent = self._configure()
        for name in (self.hub, self.far):
            command("ip", "netns", "add", name)
        self._links(intent)
        config = self.directory / "bird.conf"
        config.write_text("\n".join([_HEAD, _bfd(intent), *map(_branch, intent.branches.values())]))
        log = (self.directory / "bird.log").open("wb")
        words = [
            "bird",
            "-f",
            "-c",
            str(config),
            "-s",
            str(self.directory / "bird.ctl"),
            "-P",
            str(self.directory / "p"),
        ]
        self.bird = subprocess.Popen(inside(self.far, *words), stdout=log, stderr=log)

    def add_the_rest(self) -> None:
        """Write the files of the later branches."""
        for number in range(self.first + 1, self.first + self.later + 1):
            (self.configuration / "branches" / f"{name_of(number)}.yaml").write_text(branch_file(number))

    def cut(self, prefix: str) -> None:
        """Drop every packet of the tunnels whose far interface begins so, both ways and silently."""
        rules = (
            "add table inet scale; add chain inet scale in { type filter hook prerouting priority -300; }; "
            "add chain inet scale out { type filter hook postrouting priority 300; }; "
            f'add rule inet scale in iifname "{prefix}*" drop; add rule inet scale out oifname "{prefix}*" drop'
        )
        command("ip", "netns", "exec", self.far, "nft", rules)

    def heal(self) -> None:
        command("ip", "netns", "exec", self.far, "nft", "delete table inet scale")

    def far_routes(self) -> dict[int, str]:
        """Over which interface each branch's kernel table sends to headquarters."""
        text = command("ip", "-n", self.far, "-j", "route", "show", "table", "all", "root", "10.0.0.0/16")
        return {
            int(route["table"]) - FIRST_TABLE: route["dev"]
            for route in json.loads(text or "[]")
            if str(route.get("table", "")).isdigit() and "dev" in route
        }

    def take_down(self) -> None:
        if self.bird is not None:
            self.bird.terminate()
            self.bird.wait()
        for name in (self.hub, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["rm", "-r", "-f", self.directory], check=False)

    def _configure(self) -> Intent:
        """All branches are allocated for; the later ones' files are then taken away again."""
        (self.configuration / "branches").mkdir(parents=True)
        (self.configuration / "network.yaml").write_text(_NETWORK)
        for numbers in (range(1, self.first + 1), range(self.first + 1, self.first + self.later + 1)):
            for number in numbers:
                (self.configuration / "branches" / f"{name_of(number)}.yaml").write_text(branch_file(number))
            command(sys.executable, "-m", "hub.cli.main", "allocate", str(self.configuration))
        intent = read(self.configuration).intent
        assert intent is not None
        for number in range(self.first + 1, self.first + self.later + 1):
            (self.configuration / "branches" / f"{name_of(number)}.yaml").unlink()
        return intent

    def _links(self, intent: Intent) -> None:
        tunnels = [(number_of(b), tunnel) for b in intent.branches.values() for tunnel in b.tunnels]
        cables = [
            f"link add name {t.interface} netns {self.hub} address {_mac(1, t)} type veth "
            f"peer name {far_interface(t)} netns {self.far} address {_mac(2, t)}"
            for _, t in tunnels
        ]
        batch([], cables)
        batch(
            ["-n", self.hub], ["link set lo up", f"address add {HUB_ADDRESS}/32 dev lo", *_ends(tunnels, at_hub=True)]
        )
        rules = [
            f"rule add from {source} lookup {FIRST_TABLE + number_of(b)}"
            for b in intent.branches.values()
            for source in (*(f"{t.link.branch}/32" for t in b.tunnels), f"10.{number_of(b)}.0.0/24")
        ]
        lan = [f"address add 10.{number_of(b)}.0.1/32 dev lo" for b in intent.branches.values()]
        batch(["-n", self.far], ["link set lo up", *lan, *_ends(tunnels, at_hub=False), *rules])
        for name in (self.hub, self.far):
            command("ip", "netns", "exec", name, "sh", "-c", _SYSCTLS)


def _ends(tunnels: Iterable[tuple[int, Tunnel]], *, at_hub: bool) -> list[str]:
    lines = []
    for number, tunnel in tunnels:
        mine, other = tunnel.link.hub, tunnel.link.branch
        device, mac = tunnel.interface, _mac(2, tunnel)
        if not at_hub:
            mine, other, device, mac = other, mine, far_interface(tunnel), _mac(1, tunnel)
        lines += [f"address add {mine}/31 dev {device}", f"link set {device} up"]
        known = (other, f"10.{number}.0.1") if at_hub else (other,)
        lines += [f"neighbour replace {address} lladdr {mac} dev {device} nud permanent" for address in known]
    return lines


def far_interface(tunnel: Tunnel) -> str:
    """`f` for fiber or `w` for wireless, then the port."""
    return f"{tunnel.id.name[0]}{tunnel.port}"


def _mac(side: int, tunnel: Tunnel) -> str:
    return f"02:0{side}:00:00:{tunnel.port >> 8:02x}:{tunnel.port & 255:02x}"


_SYSCTLS = """\
for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done
echo 1 >/proc/sys/net/ipv4/ip_forward
"""
_HEAD = "log stderr all;\nrouter id 10.254.0.1;\nprotocol device { scan time 3600; }"


def _bfd(intent: Intent) -> str:
    return (
        f'protocol bfd {{ interface "*" {{ interval {INTERVAL_MS} ms; multiplier {MULTIPLIER}; }}; }}'
        if intent.branches
        else ""
    )


def _branch(branch: Branch) -> str:
    n = number_of(branch)
    tunnels = sorted(branch.tunnels, key=lambda tunnel: tunnel.id.name)
    every = 'import none; export where source = RTS_BGP || proto ~ "floor*";'
    lines = [
        f"ipv4 table t{n};",
        f"protocol kernel k{n} {{ kernel table {FIRST_TABLE + n}; scan time 3600; ipv4 {{ table t{n}; {every} }}; }}",
        f"protocol static lan{n} {{ ipv4 {{ table t{n}; }}; route 10.{n}.0.0/24 unreachable; }}",
    ]
    for place, tunnel in enumerate(tunnels):
        floor = f"ipv4 {{ table t{n}; preference {20 - place}; }}; route 10.0.0.0/16 via {tunnel.link.hub} bfd;"
        lines.append(f"protocol static floor{n}_{place} {{ {floor} }}")
        lines.append(f"protocol bgp b{n}_{place} {{ {_session(branch, tunnel)} }}")
    return "\n".join(lines)


def _session(branch: Branch, tunnel: Tunnel) -> str:
    n = number_of(branch)
    return (
        f"local {tunnel.link.branch} as {branch.asn}; neighbor {tunnel.link.hub} as 65000; "
        f'interface "{far_interface(tunnel)}"; direct; bfd on; hold time 9; keepalive time 3; '
        "connect delay time 1; connect retry time 1; error wait time 1, 2; error forget time 5; "
        f'ipv4 {{ table t{n}; import all; export where proto = "lan{n}"; next hop self; }};'
    )


def inside(namespace: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *words]


def batch(options: list[str], lines: list[str]) -> None:
    command("ip", *options, "-batch", "-", text="".join(f"{line}\n" for line in lines))


def command(*words: str, text: str | None = None) -> str:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)[:200]}: {done.stderr.strip()[:500]}")
    return done.stdout
