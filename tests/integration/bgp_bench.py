"""A bench for BGP: a hub and its branches in two network namespaces over one veth, ExaBGP here, BIRD 2 there.

    hub namespace                                branch namespace
    ExaBGP (our launcher) + relay   == veth ==   one BIRD, one `protocol bgp` a tunnel
    10.255.N.0, .2 ... (/32)                     10.255.N.1, .3 ... (/32)

Everything has names of its own, and is taken down again whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from bgp_network import network

from hub.bgp.reload import Site
from hub.bgp.speakers import part_of
from hub.control.places import Places
from policies.model.announcement import HIGHEST_MED
from policies.model.intent import Branch, Intent, SessionKind, Tunnel
from speaker.bgp.configuration import Rendering, render


class Bench:
    """A Bench is the two namespaces and what runs in them."""

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        self.directory = Path(tempfile.mkdtemp(prefix="pointsman-bench-"))
        unique = f"{os.getpid()}-{time.monotonic_ns() % 10**6}"
        self.hub, self.far = f"pmb-h-{unique}", f"pmb-b-{unique}"
        self.socket = self.directory / "exabgp-1.sock"
        self.configuration = self.directory / "exabgp-1.conf"
        self.places = Places(run=self.directory)
        self.exabgps: dict[int, subprocess.Popen[bytes]] = {}
        self.bird: subprocess.Popen[bytes] | None = None
        self.extra: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        self.bird_session = ""
        """More lines for each of BIRD's BGP protocols."""
        self.bird_versions: tuple[int, ...] = (4, 6)
        """The IP versions that BIRD offers, where its branch has them."""

    @property
    def exabgp(self) -> subprocess.Popen[bytes] | None:
        """The first ExaBGP."""
        return self.exabgps.get(1)

    def rendered(self, intent: Intent, process: int = 1) -> str:
        """The configuration of an ExaBGP for this intent, here."""
        rendering = Rendering(sys.executable, str(self.places.relay_socket(process)))
        return render(part_of(intent, process), rendering, passwords=self.passwords)

    def site(self) -> Site:
        """Where the processes are, for who changes their neighbors."""
        assert self.exabgp is not None
        return Site(self.places, tcp_table=Path(f"/proc/{self.exabgp.pid}/net/tcp"))

    def set_up(self) -> None:
        """Make the namespaces and all addresses of ten branches."""
        for name in (self.hub, self.far):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", self.hub, "link", "add", "v", "type", "veth", "peer", "name", "v", "netns", self.far)
        for name in (self.hub, self.far):
            _run("ip", "-n", name, "link", "set", "v", "up")
        self.add_links(*self.intent.branches.values())
        for process in self.intent.processes():
            self.places.exabgp_config(process).write_text(self.rendered(self.intent, process))

    def add_links(self, *branches: Branch) -> None:
        """Give both sides the addresses of these branches' tunnels."""
        links = [tunnel.link for branch_ in branches for tunnel in branch_.tunnels]
        _add_addresses(self.hub, [(link.hub, link.branch) for link in links])
        _add_addresses(self.far, [(link.branch, link.hub) for link in links])
        ends = [link for link in links if link.hub6 is not None]
        _add_addresses6(self.hub, [str(link.hub6) for link in ends])
        _add_addresses6(self.far, [str(link.branch6) for link in ends])

    def start_exabgp(self, process: int = 1, *, mended: bool = True) -> None:
        """Start an ExaBGP through the launcher."""
        program = (
            "import sys; from pathlib import Path; from speaker.bgp.launcher import start; "
            f"start(Path(sys.argv[1]), mended={mended})"
        )
        configuration = str(self.places.exabgp_config(process))
        self.exabgps[process] = self.spawn(self.hub, "exabgp.log", sys.executable, "-c", program, configuration)

    def start_bird(self, intent: Intent | None = None) -> None:
        """Start BIRD with every tunnel of the intent."""
        self._write_bird(intent or self.intent)
        self.bird = self.spawn(
            self.far, "bird.log", "bird", "-f", "-c", str(self.directory / "bird.conf"), "-s", str(self._birdc)
        )
        self.wait(self._bird_answers, "BIRD answers")

    def _bird_answers(self) -> bool:
        try:
            return "BIRD" in self.birdc("show", "status")
        except AssertionError:
            return False

    def reconfigure_bird(self, intent: Intent) -> None:
        """Let BIRD take the tunnels of another intent."""
        self._write_bird(intent)
        self.birdc("configure")

    def birdc(self, *words: str) -> str:
        """What BIRD answers."""
        return _run("birdc", "-s", str(self._birdc), *words)

    def meds(self, tunnel: str) -> dict[str, int]:
        """The prefixes that the branch holds from this tunnel (`b1/fiber`), by what steers it, as MEDs."""
        ibgp = any(branch_.session.kind is SessionKind.IBGP for branch_ in self.intent.branches.values())
        attribute = r"BGP.local_pref: (\d+)" if ibgp else r"BGP.med: (\d+)"
        return {prefix: HIGHEST_MED - value if ibgp else value for prefix, value in self._attributes(tunnel, attribute)}

    def next_hops(self, tunnel: str) -> dict[str, str]:
        """The next hop of each prefix that the branch holds from this tunnel."""
        return dict(self._texts(tunnel, r"BGP.next_hop: (\S+)"))

    def _attributes(self, tunnel: str, pattern: str) -> Iterator[tuple[str, int]]:
        return ((prefix, int(text)) for prefix, text in self._texts(tunnel, pattern))

    def _texts(self, tunnel: str, pattern: str) -> Iterator[tuple[str, str]]:
        prefix = ""
        for table in (_table(tunnel), f"{_table(tunnel)}_6"):
            shown = self.birdc("show", "route", "all", "protocol", _protocol(tunnel), "table", table)
            for line in shown.splitlines():
                if match := re.match(r"([0-9a-f.:]+/\d+)", line):
                    prefix = match[1]
                if match := re.search(pattern, line):
                    yield prefix, match[1]

    def up_since(self, tunnel: str) -> float | None:
        """When the session came up, in seconds of the day (it wavers by milliseconds); None if it is not."""
        line = self.birdc("show", "protocols", _protocol(tunnel)).splitlines()[-1]
        found = re.search(r"(\d+):(\d+):(\d+\.\d+)\s+Established", line)
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None

    def kernel_counter(self, name: str) -> int:
        """A counter of the hub's kernel (/proc/net/netstat): a line of names, and a line of values."""
        rows = _run("ip", "netns", "exec", self.hub, "cat", "/proc/net/netstat").splitlines()
        names, values = next((a.split(), b.split()) for a, b in zip(rows[::2], rows[1::2], strict=True) if name in a)
        return int(values[names.index(name)])

    def spawn(self, namespace: str, log: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a program in a namespace."""
        with (self.directory / log).open("ab") as output:
            return subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
            )

    def relay_pid(self, process: int = 1) -> int:
        """The process number of the relay: ExaBGP's only child."""
        pid = self.exabgps[process].pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def log(self, name: str) -> str:
        """What a program has written."""
        return (self.directory / name).read_text(errors="replace")

    def wait(self, holds: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Wait until something holds; fail with what it was."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not seen within {seconds:g} s: {what}")
            time.sleep(0.02)

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        """Kill a program that we started."""
        if process is not None:
            process.kill()
            process.wait(timeout=10)

    def tear_down(self) -> None:
        """Leave nothing behind."""
        for process in (*self.exabgps.values(), self.bird):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self.stop(process)
        for name in (self.hub, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _birdc(self) -> Path:
        return self.directory / "bird.ctl"

    def _write_bird(self, intent: Intent) -> None:
        protocols = [
            self._bird_tunnel(intent, branch_, tunnel)
            for branch_ in intent.branches.values()
            for tunnel in branch_.tunnels
        ]
        head = "router id 10.254.0.1;\nlog stderr all;\nprotocol device {}\n"
        (self.directory / "bird.conf").write_text(head + "\n".join(protocols))

    def _bird_tunnel(self, intent: Intent, branch_: Branch, tunnel: Tunnel) -> str:
        name, table = _protocol(str(tunnel.id)), _table(str(tunnel.id))
        own4 = "".join(f"route {p} unreachable; " for p in branch_.prefixes if p.version == 4)
        own6 = "".join(f"route {p} unreachable; " for p in branch_.prefixes if p.version == 6)
        own4 = self.extra.get(str(tunnel.id), own4)
        channels = f"ipv4 {{ table {table}; {_FILTERS} }};" if 4 in self.bird_versions else ""
        if tunnel.link.branch6 is not None and 6 in self.bird_versions:
            channels += f" ipv6 {{ table {table}_6; {_FILTERS} next hop address {tunnel.link.branch6}; }};"
        return f"""
ipv4 table {table};
ipv6 table {table}_6;
protocol static lan_{name} {{ ipv4 {{ table {table}; }}; {own4} }}
protocol static lan_{name}_6 {{ ipv6 {{ table {table}_6; }}; {own6} }}
protocol bgp {name} {{
    local {tunnel.link.branch} as {branch_.asn};
    neighbor {tunnel.link.hub} as {intent.hub.asn};
    multihop 2; router id {branch_.router_id}; {self.bird_session}
    hold time 9; connect delay time 1; connect retry time 1; error wait time 1,2; error forget time 5;
    {channels}
}}"""


_FILTERS = "import all; export where source = RTS_STATIC; next hop self;"


@contextlib.contextmanager
def bench(intent: Intent | int = 1, *, mended: bool = True, **settings: Any) -> Iterator[Bench]:
    """A bench with ExaBGP and BIRD running, for this intent or a plain one of so many branches."""
    made = Bench(network(intent) if isinstance(intent, int) else intent)
    for name, value in settings.items():
        setattr(made, name, value)
    try:
        made.set_up()
        for process in made.intent.processes():
            made.start_exabgp(process, mended=mended)
        made.start_bird()
        yield made
    finally:
        made.tear_down()


def _protocol(tunnel: str) -> str:
    return tunnel.replace("/", "_")


def _table(tunnel: str) -> str:
    return "t_" + tunnel.replace("/", "_")


def _add_addresses(namespace: str, pairs: list[tuple[IPv4Address, IPv4Address]]) -> None:
    lines = [
        line
        for mine, other in pairs
        for line in (f"addr add {mine}/32 dev v", f"route add {other}/32 dev v src {mine}")
    ]
    _run("ip", "-n", namespace, "-batch", "-", said="\n".join(lines))


def _add_addresses6(namespace: str, addresses: list[str]) -> None:
    lines = [f"addr add {address}/127 dev v nodad" for address in addresses]
    _run("ip", "-n", namespace, "-batch", "-", said="\n".join(lines))


def _run(*command: str, said: str = "") -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=said)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout
