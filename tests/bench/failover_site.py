"""A hub with its branch in a lab of its own: brought up, asked whether all is well, watched, taken down.

The labs of all hubs stand side by side and only one is cut at a time: so hubs can take turns after every cut.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench_priority import put_others_ahead
from failover_hubs import Kind, bird_session_name, hub_as_router, liveness_of, write_hub_configuration
from failover_monitor import Change, read_changes
from failover_network import BRANCH, OTHER, PREFERRED, Wanted, planned, write_configuration
from failover_reaction import LivenessListener, bird_losses, frr_losses

from hub.lab import build, disturb, scripts
from hub.lab.names import LabError, LabPlace
from hub.lab.namespaces import existing, inside, processes, run, run_inside
from hub.lab.network import BIRD, HUB, Branch, Tunnel
from hub.lab.readiness import hub_report, missing

PATIENCE = 90.0
"""Seconds after which a network that is not well again is given up."""
_MONITOR = Path(__file__).with_name("failover_monitor.py")
_COUNTERS = """\
table ip failover_count {{
    chain received {{
        type filter hook input priority -300;
        iifname {{ {tunnels} }} udp dport {{ 3784, 3785 }} counter comment "bfd received"
        iifname {{ {tunnels} }} icmp type {{ echo-request, echo-reply }} counter comment "icmp received"
    }}
    chain sent {{
        type filter hook output priority -300;
        oifname {{ {tunnels} }} udp dport {{ 3784, 3785 }} counter comment "bfd sent"
        oifname {{ {tunnels} }} icmp type {{ echo-request, echo-reply }} counter comment "icmp sent"
    }}
}}
"""


class Site:
    """A Site is one lab with one kind of hub."""

    def __init__(self, kind: Kind, place: LabPlace, wanted: Wanted, directory: Path) -> None:
        self.kind, self.place, self._wanted = kind, place, wanted
        liveness = liveness_of(kind, wanted.liveness)
        self._configuration = write_configuration(
            directory, wanted, liveness=liveness, confirm=kind.confirm, echo=kind.echo
        )
        self._network, self._overrides = planned(self._configuration, wanted.hold)
        self._monitor: subprocess.Popen[str] | None = None
        self._changes = directory / "changes"
        self._listener: LivenessListener | None = None

    def up(self, rtt_ms: float, *, real_time: bool) -> None:
        """Build the lab and start its hub.

        Raises:
            LabError: it can't be built.
        """
        ours = self.kind.is_pointsman
        self.lab = build.up(
            self._network, self.place, configuration=self._configuration, overrides=self._overrides, with_hub=ours
        )
        put_others_ahead(self.place, self._network.nodes())
        if not ours:
            self._start_other(real_time=real_time)
        tunnels = ", ".join(f'"{tunnel.hub_interface}"' for tunnel in self.branch.tunnels)
        run_inside(self.place, HUB, f"nft -f - <<'END'\n{_COUNTERS.format(tunnels=tunnels)}END\n")
        if rtt_ms:
            disturb.disturb(self.lab, BRANCH, loss=0.0, delay_ms=rtt_ms / 2)

    def watch(self) -> None:
        """Wait until all is well, and from then on note what the kernel and the hub say.

        Raises:
            LabError: it does not become well.
        """
        self.wait_until_well()
        self._start_monitor()
        if self.kind.is_pointsman:
            self._listener = LivenessListener(self.place.run / "forwarder.sock")

    def _start_other(self, *, real_time: bool) -> None:
        before = set(self._hub_processes())
        write_hub_configuration(self.place, self._network, self.kind)
        run_inside(self.place, HUB, scripts.router_script(hub_as_router(self._network, self.kind.program), self.place))
        if real_time:
            for pid in set(self._hub_processes()) - before:
                run(["chrt", "--all-tasks", "--rr", "--pid", "3", str(pid)], what="giving the hub real-time priority")

    def _hub_processes(self) -> list[int]:
        return processes([self.place.namespace(HUB)])

    def _start_monitor(self) -> None:
        command = inside(self.place, HUB, [sys.executable, str(_MONITOR)])
        with self._changes.open("w") as file:
            self._monitor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, text=True)
        deadline = time.monotonic() + PATIENCE
        while not self._changes.read_text().startswith("ready\n"):
            if time.monotonic() > deadline or self._monitor.poll() is not None:
                raise LabError("what watches the kernel's routes did not start")
            time.sleep(0.02)

    def down(self) -> None:
        """Remove everything, also what is only half there."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.close()
        if self._monitor is not None:
            if self._monitor.stdin is not None:
                self._monitor.stdin.close()
            self._monitor.kill()
            self._monitor.wait()
        build.down(self.place)
        if existing(self.place):
            raise LabError(f"namespaces of {self.place.name} are still there")

    # The network

    @property
    def branch(self) -> Branch:
        return self._network.branches[0]

    @property
    def preferred(self) -> Tunnel:
        return next(tunnel for tunnel in self.branch.tunnels if tunnel.name == f"{BRANCH}/{PREFERRED}")

    @property
    def other(self) -> Tunnel:
        return next(tunnel for tunnel in self.branch.tunnels if tunnel.name == f"{BRANCH}/{OTHER}")

    def wait_until_well(self, patience: float = PATIENCE) -> None:
        """Come back when both sessions, and BFD where it is spoken, are up and both ways use the preferred tunnel.

        Raises:
            LabError: not in time; the text has what is missing.
        """
        deadline = time.monotonic() + patience
        while lacking := list(self._lacking()):
            if time.monotonic() > deadline:
                raise LabError(f"{self.kind.name}: not well after {patience:g} s: {'; '.join(lacking)}")
            time.sleep(0.1)

    def _lacking(self) -> Iterator[str]:
        hub = self.place.namespace(HUB)
        if self._interface_to(hub, self.branch.lan.host_address) != self.preferred.hub_interface:
            yield f"the hub does not use {PREFERRED}"
            return
        there = self.place.namespace(BRANCH)
        if self._interface_to(there, self._network.hub.lan.host_address) != self.preferred.branch_interface:
            yield f"the branch does not use {PREFERRED}"
            return
        if self.kind.is_pointsman:
            yield from missing(hub_report(self.place))
        yield from self._lacking_sessions()

    def _interface_to(self, namespace: str, address: str) -> str:
        try:
            answer = run(["ip", "-n", namespace, "-j", "route", "get", address], what="looking up a route")
        except LabError:
            return "none"
        return str(json.loads(answer)[0].get("dev", "none"))

    def _lacking_sessions(self) -> Iterator[str]:
        """By the branch's router, which is there with every hub; it is asked for BFD only where it speaks it."""
        wanted = len(self.branch.tunnels)
        bird = self.branch.router == BIRD
        try:
            sessions = self._bird_sessions() if bird else self._frr_sessions()
            peers = (self._bird_peers() if bird else self._frr_peers()) if self.branch.tunnels[0].bfd else wanted
        except LabError as error:
            yield str(error)
            return
        if (sessions, peers) != (wanted, wanted):
            yield f"{sessions} BGP sessions and {peers} BFD sessions of {wanted} are up"

    def _bird_sessions(self) -> int:
        return self._bird("show", "protocols").count("Established")

    def _bird_peers(self) -> int:
        return sum("Up" in line.split() for line in self._bird("show", "bfd", "sessions").splitlines())

    def _bird(self, *words: str) -> str:
        return run(["birdc", "-s", str(self.place.bird_socket(BRANCH)), *words], what="asking the branch's BIRD")

    def _frr_sessions(self) -> int:
        return self._frr("show bgp ipv4 unicast summary json").count('"state":"Established"')

    def _frr_peers(self) -> int:
        return sum(line.split()[-1:] == ["up"] for line in self._frr("show bfd peers brief").splitlines())

    def _frr(self, words: str) -> str:
        return run(inside(self.place, BRANCH, ["vtysh", "-c", words]), what="asking the branch's FRR")

    # What was seen

    def changes_to_other(self, since: float) -> list[Change]:
        """The branch's routes and nexthops that the kernel moved to the other tunnel, from an instant on (seconds).

        A route by its destination; a nexthop only with Pointsman, whose routes stay and share one: of other hubs the
        nexthop may be there before a route uses it.
        """
        index = self._interface_index(self.other.hub_interface)
        text = self._changes.read_text().partition("\n")[2]
        return [
            change
            for change in read_changes(text)
            if change.interface == index
            and change.at >= since * 1e9
            and (change.destination in self.branch.prefixes or (self.kind.is_pointsman and change.what == "nexthop"))
        ]

    def _interface_index(self, name: str) -> int:
        answer = run(["ip", "-n", self.place.namespace(HUB), "-j", "link", "show", name], what="looking at a tunnel")
        return int(json.loads(answer)[0]["ifindex"])

    def losses(self, wall_ahead: float) -> list[float]:
        """When liveness of the preferred tunnel was lost, seconds of the monotonic clock.

        `wall_ahead` is how many seconds the time of day was ahead of the monotonic clock.
        """
        if self._listener is not None:
            return [at for at, tunnel in self._listener.deaths() if tunnel == self.preferred.name]
        names = (self.preferred.branch_link, bird_session_name(self.preferred))
        if self.kind.program == BIRD:
            found = list(bird_losses(self._hub_log("bird")))
        else:
            found = [loss for program in ("bfdd", "bgpd") for loss in frr_losses(self._hub_log(program))]
        return sorted(at - wall_ahead for at, name in found if name in names)

    def _hub_log(self, program: str) -> str:
        return (self.place.logs / f"{HUB}-{program}.log").read_text(errors="replace")

    def liveness_packets(self) -> dict[str, int]:
        """How many packets of BFD and ICMP echo the hub sent to and received from its tunnels since it is up."""
        command = [
            "ip",
            "netns",
            "exec",
            self.place.namespace(HUB),
            "nft",
            "-j",
            "list",
            "table",
            "ip",
            "failover_count",
        ]
        rules = [one["rule"] for one in json.loads(run(command, what="reading counters"))["nftables"] if "rule" in one]
        return {rule["comment"]: _packets(rule["expr"]) for rule in rules}


def _packets(expressions: list[dict[str, dict[str, int]]]) -> int:
    return next(one["counter"]["packets"] for one in expressions if "counter" in one)


def place_names(number: int) -> list[str]:
    """Names for so many labs that nobody else has."""
    return [f"failover{os.getpid()}x{position}" for position in range(number)]
