"""A site of `scripts/bench steering`: that of `failover`, both of whose kernels are listened to, and who can be asked.

A route changes when the kernel says so (`failover_monitor`): the hub's to the branch, the branch's to the hub.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from failover_hubs import bird_hub
from failover_monitor import Change, read_changes
from failover_network import BRANCH, OTHER, PREFERRED
from failover_site import PATIENCE, Site

from hub.control.client import NotRunningError, ask_controller
from hub.lab.names import LabError, LabPlace
from hub.lab.namespaces import inside, run
from hub.lab.network import BIRD, HUB
from hub.lab.readiness import hub_report

_MONITOR = Path(__file__).with_name("failover_monitor.py")

CALM = 11.0
"""Seconds after which a tunnel that was taken for dead may be gone to out of a bad one (`choice.SHORT_HOLD`)."""
LONG_PATIENCE = 900.0

SHIPPED = ""
"""The policy as it is when nobody writes one."""
QUICK = """\
failback: {hold: 15s}
damping: off
health:
  default:
    degraded-when-any: {rtt: [RTT]}
    healthy-when-all: {loss: 1% over 5s, rtt: [60ms over 5s, usual + 40ms over 5s], jitter: 15ms over 5s}
"""
"""One that goes back sooner and does not remember, so that rounds can follow each other. It leaves as the shipped one.

The hold is longer than a disturbance is observed from the moment on from which a hold could count.
"""
USUAL_LIMIT, ABSOLUTE_LIMIT = "usual + 80ms over 5s", "100ms over 5s"


def quick_policy(*, absolute: bool) -> str:
    """The text of `QUICK`; `absolute` has a limit of the round trip beside what is usual, which takes ten minutes."""
    return QUICK.replace("RTT", f"{USUAL_LIMIT}, {ABSOLUTE_LIMIT}" if absolute else USUAL_LIMIT)


class Side(Enum):
    """Whose kernel: the hub's sends to the branch, the branch's to the hub."""

    HUB = HUB
    BRANCH = BRANCH


@dataclass(frozen=True, slots=True)
class Move:
    """A Move is a kernel that took another tunnel, `at` seconds of the monotonic clock."""

    at: float
    tunnel: str


class RouteMonitor:
    """A RouteMonitor is a process that notes what one node's kernel says of its routes."""

    def __init__(self, place: LabPlace, node: str, file: Path) -> None:
        self._file = file
        with file.open("w") as output:
            command = inside(place, node, [sys.executable, str(_MONITOR)])
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, text=True)
        deadline = time.monotonic() + PATIENCE
        while not file.read_text().startswith("ready\n"):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise LabError(f"what watches the routes of {node} did not start")
            time.sleep(0.02)

    def changes(self) -> list[Change]:
        """All changes so far."""
        return read_changes(self._file.read_text().partition("\n")[2])

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


class SteeringSite(Site):
    """A SteeringSite is one lab with one kind of hub."""

    _monitors: dict[Side, RouteMonitor]
    _tunnels: dict[Side, dict[int, str]]

    def watch(self) -> None:
        """Wait until all is well, and listen to both kernels from then on.

        Raises:
            LabError: it does not become well, or the monitors do not start.
        """
        self._monitors, self._tunnels = {}, {}
        self.wait_until_well()
        for side in Side:
            file = self._changes.with_name(f"changes-{side.value}")
            self._monitors[side] = RouteMonitor(self.place, side.value, file)
            self._tunnels[side] = {
                self._index(side, interface): name for name, interface in self._interfaces(side).items()
            }

    def down(self) -> None:
        """Remove everything, also what is only half there."""
        for monitor in getattr(self, "_monitors", {}).values():
            monitor.close()
        super().down()

    def _interfaces(self, side: Side) -> dict[str, str]:
        return {
            PREFERRED: self.preferred.hub_interface if side is Side.HUB else self.preferred.branch_interface,
            OTHER: self.other.hub_interface if side is Side.HUB else self.other.branch_interface,
        }

    def _index(self, side: Side, interface: str) -> int:
        link = run(["ip", "-n", self.place.namespace(side.value), "link", "show", interface], what="looking at a link")
        return int(link.partition(":")[0])

    # What happened

    def moves(self, side: Side, since: float, until: float, start: str = PREFERRED) -> list[Move]:
        """The tunnels that a kernel took one after the other in this time; it began with `start`."""
        found, now = [], start
        for change in self._monitors[side].changes():
            at, tunnel = change.at / 1e9, self._tunnels[side].get(change.interface)
            if tunnel in (None, now) or not since <= at < until or not self._is_traffic(side, change):
                continue
            now = str(tunnel)
            found.append(Move(at, now))
        return found

    def _is_traffic(self, side: Side, change: Change) -> bool:
        if side is Side.BRANCH:
            return change.destination in self.branch.reaches
        return change.destination in self.branch.prefixes or (self.kind.is_pointsman and change.what == "nexthop")

    def reached(self, side: Side, tunnel: str, since: float, start: str) -> float | None:
        """Seconds from an instant until a kernel first took this tunnel; None: it has not."""
        moves = self.moves(side, since, float("inf"), start)
        return next((move.at - since for move in moves if move.tunnel == tunnel), None)

    def uses(self) -> tuple[str, ...]:
        """The tunnels in use now, by the lookup of the hub's kernel and of the branch's."""
        hub = self._interface_to(self.place.namespace(HUB), self.branch.lan.host_address)
        branch = self._interface_to(self.place.namespace(BRANCH), self._network.hub.lan.host_address)
        seen = {Side.HUB: hub, Side.BRANCH: branch}
        return tuple(
            next((name for name, its in self._interfaces(side).items() if its == interface), interface)
            for side, interface in seen.items()
        )

    def wait_until_on(self, tunnel: str) -> None:
        """Come back when both kernels use it and all sessions are up.

        Raises:
            LabError: not in time.
        """

        def lacking() -> Iterator[str]:
            if self.uses() != (tunnel, tunnel):
                yield f"hub and branch use {' and '.join(self.uses())}"
            yield from self._lacking_sessions()

        self.wait_while(lambda: list(lacking()))

    def wait_until_calm(self) -> None:
        """Come back when all is well, and the other tunnel may be gone to at once: none was taken for dead just now.

        Raises:
            LabError: not in a quarter of an hour, as on a machine that freezes again and again.
        """
        self.wait_while(lambda: [*self._lacking(), *self._held_back()], LONG_PATIENCE)

    def _held_back(self) -> Iterator[str]:
        report = hub_report(self.place) if self.kind.is_pointsman else None
        tunnels = (
            (tunnel for branch in report["branches"] for tunnel in branch["tunnels"]) if report is not None else ()
        )
        for tunnel in tunnels:
            if (tunnel["since"] or {"ago": 0.0})["ago"] < CALM:
                yield f"{tunnel['tunnel']} came up just now"

    def wait_while(self, lacking: Callable[[], Sequence[str]], patience: float = PATIENCE) -> None:
        """Come back when nothing is lacking.

        Raises:
            LabError: not in time; the text has what is lacking.
        """
        deadline = time.monotonic() + patience
        while lacks := lacking():
            if time.monotonic() > deadline:
                raise LabError(f"{self.kind.name}: not in {patience:g} s: {'; '.join(lacks)}")
            time.sleep(0.1)

    # Who is asked

    def ask(self, question: str, **more: Any) -> Any:
        """Ask Pointsman's controller."""
        return ask_controller(self.place.run / "control.sock", {"ask": question, **more}, timeout=30)

    def why(self) -> str:
        """Why Pointsman's branch is where it is, by its own word; nothing with another hub."""
        if not self.kind.is_pointsman or (report := hub_report(self.place)) is None:
            return ""
        (branch,) = report["branches"]
        tunnel = next(tunnel for tunnel in branch["tunnels"] if tunnel["tunnel"] == PREFERRED)
        said = tunnel["reason"] if tunnel["liveness"] != "up" else tunnel["health"]["reason"]
        return f"{branch['reason']}: {said}"

    def usual_is_known(self) -> bool:
        """Whether the hub knows the usual round trip of the preferred tunnel."""
        report = hub_report(self.place)
        return report is not None and all(
            tunnel["health"]["usual_rtt_ms"] is not None
            for branch in report["branches"]
            for tunnel in branch["tunnels"]
            if tunnel["tunnel"] == PREFERRED
        )

    def prefer(self, tunnel: str) -> None:
        """Change the policy: another order of preference, by `apply`, or by `birdc configure`.

        Raises:
            LabError: BIRD refuses it.
        """
        if not self.kind.is_pointsman:
            self._bird_prefers(tunnel)
            return
        file = self._configuration / "branches" / f"{BRANCH}.yaml"
        lines = [line for line in file.read_text().splitlines() if not line.startswith("prefer:")]
        order = sorted((PREFERRED, OTHER), key=lambda name: name != tunnel)
        file.write_text("\n".join([*lines, f"prefer: [{', '.join(order)}]"]) + "\n")
        self.ask("apply", plan=self.ask("plan")["id"])

    def _bird_prefers(self, tunnel: str) -> None:
        if self.kind.program != BIRD:
            raise LabError(f"{self.kind.name}: no change of policy is known for it")
        order = sorted(self.branch.tunnels, key=lambda one: one.name != f"{BRANCH}/{tunnel}")
        network = replace(self._network, branches=(replace(self.branch, tunnels=tuple(order)),))
        self.place.bird_config(HUB).write_text(bird_hub(network, bfd=self.kind.bfd))
        run(["birdc", "-s", str(self.place.bird_socket(HUB)), "configure"], what="telling BIRD of its policy")

    def kill_speaker(self) -> None:
        """End Pointsman's ExaBGP by SIGKILL."""
        try:
            os.kill(int((self.place.run / "exabgp-1.pid").read_text()), signal.SIGKILL)
        except (OSError, ValueError) as error:
            raise NotRunningError("ExaBGP is not running") from error
