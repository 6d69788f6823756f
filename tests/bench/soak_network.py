"""A hub and eight branches, each in a namespace of its own, for hours of liveness at little cost.

    hub namespace                  veth, one a tunnel         branch namespaces, one BIRD in each
    pointsman run, or BIRD  ==  wg51000  ====  fiber     ==  b001
                                wg51001  ====  wireless      …

The tunnels are plain veth pairs, so that the machine's time goes to the liveness and not to the ciphers of 32 ends.
Each end drops its share of the packets that arrive, at random and every packet for itself: no sender is told.
Neighbor entries are permanent, as a tunnel has no ARP that could be lost.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scale_network import batch, command, inside

from hub.branch_router.bird import bird_config
from hub.config import read
from hub.lab import namespaces
from hub.lab.branch_router import end_of
from hub.lab.network import Branch, Network, Tunnel
from hub.lab.plan import plan

HUB_ADDRESS = "10.0.0.1"
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Whatever ends the benchmark ends what it started too."""

_FIRST = ("chrt", "--fifo", "80")
_MADE_BY = re.compile(r"soak(\d+)-")
_ROOT = Path(__file__).parents[2]
_NETWORK = f"""\
network: soak
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
_COUNTER = re.compile(r"counter packets (\d+)")
_LOG = 'log "{path}" all;\ntimeformat log "%s.%6f";\ndebug protocols {{ events }};\n'
"""Every change of a BFD session, with microseconds of the epoch (BIRD's manual, 3.2, `timeformat`)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wanted is what the network is to be: its size, its timers, and what the hub is.

    Without `bfd` the liveness is ICMP's, which only the hub sees. With `plain_bird` the hub is a BIRD.
    `branches_first` lets the branches' routers go before everything else, as if they had machines of their own.
    """

    branches: int = 8
    interval_ms: int = 50
    multiplier: int = 3
    confirm: bool = True
    bfd: bool = True
    plain_bird: bool = False
    branches_first: bool = False

    def branch_file(self, number: int) -> str:
        """The YAML of one branch."""
        return (
            f"as: {64512 + number}\n"
            f"prefixes: [10.{number}.0.0/24]\n"
            f"liveness: {{{self._liveness()}}}\n"
            "uplinks: {fiber: {isp: telkom}, wireless: {isp: indosat}}\n"
        )

    def _liveness(self) -> str:
        """The timers; confirmation is on where nothing is written."""
        method = "bfd" if self.bfd else "icmp"
        timers = f"method: {method}, interval: {self.interval_ms}ms, multiplier: {self.multiplier}"
        return timers if self.confirm else f"{timers}, confirm: false"


@dataclass(frozen=True, slots=True)
class Loss:
    """A Loss is how many packets came to the ends of tunnels, and how many of them were dropped there."""

    arrived: int
    dropped: int


def sweep() -> None:
    """Remove the namespaces and files of soaks that were killed."""
    namespaces.remove([name for path in namespaces.NAMED_NAMESPACES.glob("soak*") if is_remains(name := path.name)])
    for directory in Path(tempfile.gettempdir()).glob("soak*"):
        if is_remains(directory.name):
            shutil.rmtree(directory, ignore_errors=True)


def is_remains(name: str) -> bool:
    """Whether a namespace or directory of this name is of a soak whose process is gone."""
    made_by = _MADE_BY.match(name)
    return made_by is not None and not Path(f"/proc/{made_by[1]}").exists()


class SoakNetwork:
    """A SoakNetwork is the namespaces, the routers of the branches, and the hub."""

    def __init__(self, name: str, wanted: Wanted) -> None:
        self.wanted = wanted
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.run, self.state = self.directory / "run", self.directory / "state"
        self._name = name
        self._configuration = self.directory / "config"
        self._programs: list[subprocess.Popen[bytes]] = []
        self._network: Network | None = None

    @property
    def tunnels(self) -> list[tuple[Branch, Tunnel]]:
        """Every tunnel with its branch."""
        return list(self._planned.tunnels())

    def set_up(self) -> None:
        """The configuration, the namespaces and their cables, then every process."""
        self._network = self._configure()
        for name in self._namespaces():
            command("ip", "netns", "add", name)
        self._cables()
        for branch in self._planned.branches:
            first = _FIRST if self.wanted.branches_first else ()
            self._router(self._namespace(branch.name), branch.name, self._of_branch(branch), *first)
        if self.wanted.plain_bird:
            self._router(self._namespace("hub"), "hub", self._of_hub())
        else:
            self._hub()

    def lose(self, share: float) -> None:
        """Drop this share of what arrives at each end of each tunnel; 0 ends it."""
        parts = round(share * 100_000)
        rules = ["counter", f"numgen random mod 100000 < {parts} counter drop"]
        for name in self._namespaces():
            self._filter(name, "loss", rules if parts else [])

    def losses(self) -> tuple[Loss, Loss]:
        """What was lost on the way to the hub and to the branches since the last `lose` of a share that is not 0."""
        to_hub, *to_branches = [self._loss(name) for name in self._namespaces()]
        return to_hub, Loss(sum(one.arrived for one in to_branches), sum(one.dropped for one in to_branches))

    def cut(self, tunnel: str) -> None:
        """Drop every packet of this tunnel, both ways."""
        for branch, one in self.tunnels:
            if one.name == tunnel:
                self._filter(self._namespace("hub"), "cut", [f"iifname {one.hub_interface} drop"])
                self._filter(self._namespace(branch.name), "cut", [f"iifname {one.branch_interface} drop"])

    def heal(self) -> None:
        """End every cut."""
        for name in self._namespaces():
            self._filter(name, "cut", [])

    def hub_process(self) -> int:
        """The process that watches the hub's ends: the forwarder, or BIRD."""
        return self._programs[-1].pid if self.wanted.plain_bird else int((self.run / "forwarder.pid").read_text())

    def bird_log(self, node: str) -> Path:
        """Where the BIRD of a branch, or of the hub, writes what it does."""
        return self.directory / f"{node}.log"

    def take_down(self) -> None:
        """End what runs in the namespaces, remove them and the files."""
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        there = {path.name for path in namespaces.NAMED_NAMESPACES.glob(f"{self._name}-*")}
        namespaces.remove(sorted(there & set(self._namespaces())))
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _planned(self) -> Network:
        if self._network is None:
            raise RuntimeError("the network is not set up")
        return self._network

    def _namespace(self, node: str) -> str:
        return f"{self._name}-{node}"

    def _namespaces(self) -> list[str]:
        branches = self._network.branches if self._network is not None else ()
        return [self._namespace(node) for node in ("hub", *(branch.name for branch in branches))]

    def _configure(self) -> Network:
        (self._configuration / "branches").mkdir(parents=True)
        (self._configuration / "network.yaml").write_text(_NETWORK)
        for number in range(1, self.wanted.branches + 1):
            (self._configuration / "branches" / f"b{number:03}.yaml").write_text(self.wanted.branch_file(number))
        command(sys.executable, "-m", "hub.cli.main", "allocate", str(self._configuration))
        found = read(self._configuration)
        if found.intent is None:
            raise SystemExit("\n".join(str(problem) for problem in found.problems))
        return plan(found.intent)

    def _cables(self) -> None:
        hub = self._namespace("hub")
        batch(
            [],
            [
                f"link add name {t.hub_interface} netns {hub} address {_mac(1, t)} type veth "
                f"peer name {t.branch_interface} netns {self._namespace(b.name)} address {_mac(2, t)}"
                for b, t in self.tunnels
            ],
        )
        _prepare(hub, [f"address add {HUB_ADDRESS}/32 dev lo", *(line for _, t in self.tunnels for line in _end(t, 1))])
        for branch in self._planned.branches:
            own = [f"address add {address} dev lo" for address in branch.lan.router_addresses]
            lines = [line for tunnel in branch.tunnels for line in _end(tunnel, 2)]
            _prepare(self._namespace(branch.name), own + lines)

    def _filter(self, namespace: str, table: str, rules: list[str]) -> None:
        """Our table of this name in the namespace, as it shall be from now on."""
        lines = [f"add table inet {table}", f"delete table inet {table}"]
        if rules:
            chain = (
                f"chain arriving {{ type filter hook prerouting priority raw; iifname lo accept; {'; '.join(rules)}; }}"
            )
            lines.append(f"add table inet {table} {{ {chain}; }}")
        command("ip", "netns", "exec", namespace, "nft", "-f", "-", text="".join(f"{line}\n" for line in lines))

    def _loss(self, namespace: str) -> Loss:
        text = command("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
        arrived, dropped = [*map(int, _COUNTER.findall(text)), 0, 0][:2]
        return Loss(arrived, dropped)

    def _router(self, namespace: str, node: str, text: str, *before: str) -> None:
        config = self.directory / f"{node}.conf"
        config.write_text(_LOG.format(path=self.bird_log(node)) + text)
        files = [f"-{letter}{config.with_suffix(suffix)}" for letter, suffix in (("s", ".ctl"), ("P", ".pid"))]
        self._start(namespace, *before, "bird", "-f", "-c", str(config), *files, log=self.directory / f"{node}.out")

    def _hub(self) -> None:
        places = ("--config", self._configuration, "--run-dir", self.run, "--state-dir", self.state)
        words = [sys.executable, "-m", "hub.cli.main", "run", *map(str, places)]
        self._start(self._namespace("hub"), *words, log=self.directory / "hub.log")

    def _start(self, namespace: str, *words: str, log: Path) -> None:
        with log.open("wb") as file:
            self._programs.append(
                subprocess.Popen([*ENDS_WITH_US, *inside(namespace, *words)], stdout=file, stderr=file, cwd=_ROOT)
            )

    def _of_branch(self, branch: Branch) -> str:
        if not self.wanted.plain_bird:
            return bird_config(end_of(self._planned, branch))
        return self._bfd_only(branch.router_id, [(t.branch_interface, t.hub_link) for t in branch.tunnels])

    def _of_hub(self) -> str:
        return self._bfd_only(HUB_ADDRESS, [(t.hub_interface, t.branch_link) for _, t in self.tunnels])

    def _bfd_only(self, router_id: str, neighbors: list[tuple[str, str]]) -> str:
        """BFD sessions that nothing asks for, so that no BGP session takes one down with it."""
        timers = f"interval {self.wanted.interval_ms} ms; multiplier {self.wanted.multiplier};"
        lines = [f'neighbor {address} dev "{interface}";' for interface, address in neighbors]
        bfd = f'protocol bfd {{\n    interface "*" {{ {timers} }};\n    ' + "\n    ".join(lines) + "\n}\n"
        return f"router id {router_id};\nprotocol device {{ }}\n{bfd}"


def _prepare(namespace: str, lines: list[str]) -> None:
    """Addresses and cables of one namespace."""
    batch(["-n", namespace], ["link set lo up", *lines])
    command("ip", "netns", "exec", namespace, "sh", "-c", _SYSCTLS)


_SYSCTLS = """\
for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$file"; done
for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$file" ] || echo 1 >"$file"; done
echo 1 >/proc/sys/net/ipv4/ip_forward
"""


def _end(tunnel: Tunnel, side: int) -> Iterator[str]:
    """One end of a tunnel: the hub's is side 1, the branch's side 2."""
    own, other, device = (
        (tunnel.hub_link, tunnel.branch_link, tunnel.hub_interface)
        if side == 1
        else (tunnel.branch_link, tunnel.hub_link, tunnel.branch_interface)
    )
    yield f"address add {own}/31 dev {device}"
    yield f"link set {device} up"
    yield f"neighbour replace {other} lladdr {_mac(3 - side, tunnel)} dev {device} nud permanent"


def _mac(side: int, tunnel: Tunnel) -> str:
    return f"02:0{side}:00:00:{tunnel.port >> 8:02x}:{tunnel.port & 255:02x}"
