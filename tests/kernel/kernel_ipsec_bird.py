"""BIRD at one end: a BGP session with BFD over each line; the one over GRE is preferred, on both sides."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kernel_ipsec_network import BRANCH_LAN, HUB_LAN, LINES, IpsecNetwork, Line, write

HUB_AS, BRANCH_AS = 65000, 65001
INTERVAL_MS, MULTIPLIER = 300, 3


class Bird:
    """A Bird is the routing daemon at one end."""

    def __init__(self, network: IpsecNetwork, part: str, directory: Path) -> None:
        self._network = network
        self._part = part
        self._socket = directory / "bird.ctl"
        config = write(directory / "bird.conf", bird_conf(part))
        command = network.inside(
            part, "bird", "-f", "-c", str(config), "-s", str(self._socket), "-P", str(directory / "bird.pid")
        )
        self._log = (directory / "bird.log").open("w")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def established(self, line: Line) -> bool:
        """Whether the BGP session over the line is up, and BFD with it."""
        return "Established" in self._ask("show", "protocols", line.form) and " Up " in self._bfd(line)

    def found_dead(self, line: Line) -> bool:
        """Whether the BGP session over the line has ended."""
        return "Established" not in self._ask("show", "protocols", line.form)

    def _bfd(self, line: Line) -> str:
        sessions = self._ask("show", "bfd", "sessions").splitlines()
        return next((session for session in sessions if line.interface in session), "")

    def _ask(self, *command: str) -> str:
        return self._network.output(self._part, "birdc", "-s", str(self._socket), *command)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()


def bird_conf(part: str) -> str:
    """The configuration of this end."""
    hub = part == "hub"
    own = HUB_LAN if hub else BRANCH_LAN
    sessions = "".join(_session(line, hub=hub, preference=200 - number) for number, line in enumerate(LINES))
    return f"""\
log stderr all;
router id {own};
protocol device {{}}
protocol kernel {{
    ipv4 {{ import none; export where source = RTS_BGP; }};
}}
protocol static {{
    ipv4;
    route {own}/32 unreachable;
}}
protocol bfd {{
    interface "tun-*" {{ interval {INTERVAL_MS} ms; multiplier {MULTIPLIER}; }};
}}
{sessions}"""


def _session(line: Line, *, hub: bool, preference: int) -> str:
    own, own_as, other, other_as = line.hub_link, HUB_AS, line.branch_link, BRANCH_AS
    if not hub:
        own, own_as, other, other_as = other, other_as, own, own_as
    return f"""\
protocol bgp {line.form} {{
    local {own} as {own_as};
    neighbor {other} as {other_as};
    direct;
    bfd on;
    hold time 30;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
    error forget time 5;
    ipv4 {{
        import filter {{ bgp_local_pref = {preference}; accept; }};
        export where source = RTS_STATIC;
        next hop self;
    }};
}}
"""
