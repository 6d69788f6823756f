"""The demonstration: build the example network, take an ISP away, give it back, measure what traffic noticed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hub.lab import build, disturb
from hub.lab.names import LabError, LabPlace
from hub.lab.outages import Direction
from hub.lab.plan import plan
from hub.lab.probe import Probe, ProbeReport
from hub.lab.processors import FULL, processor_ticks, processor_use
from hub.lab.readiness import Report, hub_report, wait_until_well
from hub.lab.record import Lab
from hub.lab_overrides import TIMERS, LabOverrides, overridden
from policies.model.intent import Intent
from policies.ranking import standing_order

HOLD = timedelta(seconds=3)
ONE_BRANCH_INTERVAL = 0.002
ALL_BRANCHES_INTERVAL = 0.010
"""Seconds between the probe's packets: with eight branches at once slower, so that two cores keep up."""
CUT_SECONDS = 3.0
PATIENCE_SECONDS = 90.0
SLOWEST_MS = 1000.0
"""An outage longer than this is no failover; what to expect is 100 to 200 ms."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """A Scene is the built lab with what the demonstration takes away: one branch's best tunnel, and its ISP."""

    lab: Lab
    branch: str
    tunnel: str
    isp: str


def run(place: LabPlace, directory: Path, intent: Intent, say: Say, show: Callable[[Report], None]) -> bool:
    """Play it; True if failover and failback worked. Nothing of the lab is left, whatever happens.

    Raises:
        LabError: the lab cannot be built, or a state that must come does not come.
    """
    overrides = LabOverrides(TIMERS["fast"], HOLD)
    hastened = overridden(intent, overrides)
    network = plan(hastened)
    tunnels = sum(1 for _ in network.tunnels())
    say(f"for this demonstration: liveness 50 ms x 3 on every tunnel, failback after {HOLD.seconds} s")
    say("")
    ticks = processor_ticks()
    try:
        begun = time.monotonic()
        built = f"hub, {len(network.branches)} branches, {len(network.isps)} ISPs, {tunnels} WireGuard tunnels"
        lab = build.up(network, place, configuration=directory, overrides=overrides)
        say(_step("building", built, begun))
        worked = _play(_scene(lab, hastened), tunnels, say, show)
    except LabError as error:
        kept = _keep_logs(place)
        raise LabError(f"{error}; the logs are in {kept}" if kept is not None else str(error)) from error
    else:
        if not worked:
            use = processor_use(ticks)
            if use > FULL:
                say(f"the processors were {use:.0%} busy: on a full machine tunnels look dead; try again")
            say(f"the logs are in {_keep_logs(place)}")
        return worked
    finally:
        build.down(place)


def _scene(lab: Lab, intent: Intent) -> Scene:
    branch = next(iter(intent.branches.values()))
    best = standing_order(branch)[0]
    return Scene(lab, branch.name, best.id.name, best.uplink.isp)


def _play(scene: Scene, tunnels: int, say: Say, show: Callable[[Report], None]) -> bool:
    begun = time.monotonic()
    _await_well(scene)
    say(_step("peering", f"{tunnels} BGP sessions up, {tunnels} tunnels alive", begun))
    say("")
    report = hub_report(scene.lab.place)
    if report is not None:
        show(report)
        say("")
    one = _cut_one(scene, say)
    every = _cut_isp(scene, say)
    say("")
    failed = (*one, *every)
    say("worked" if not failed else "FAILED:")
    for what in failed:
        say(f"    {what}")
    return not failed


def _cut_one(scene: Scene, say: Say) -> tuple[str, ...]:
    """Cut one tunnel; what was not as it should be."""
    target = f"{scene.branch}/{scene.tunnel}"
    say(f"cutting     {target}, silently, inside {scene.isp} (no link goes down)")
    probe = Probe()
    probe.start(scene.lab, [scene.branch], ONE_BRANCH_INTERVAL)
    try:
        _cut_and_heal(scene, probe, target)
        seen = probe.report("cut", "healed")[scene.branch]
        say(f"            hub to branch  {_outage(seen.to_branch)}")
        say(f"            branch to hub  {_outage(seen.to_hub)}")
        failed = tuple(_amiss(target, scene.branch, seen))
        return (*failed, *_fail_back(scene, probe, target, say))
    finally:
        probe.stop()


def _cut_isp(scene: Scene, say: Say) -> tuple[str, ...]:
    """Cut all tunnels of one ISP; what was not as it should be."""
    branches = [branch.name for branch in scene.lab.network.branches]
    say(f"cutting     all of {scene.isp}, under {len(branches)} branches at once")
    probe = Probe()
    probe.start(scene.lab, branches, ALL_BRANCHES_INTERVAL)
    try:
        _cut_and_heal(scene, probe, f"isp:{scene.isp}")
        seen = probe.report("cut", "healed")
        _say_all(seen, say)
        cut = f"all of {scene.isp}"
        failed = tuple(what for name, branch in seen.items() for what in _amiss(cut, name, branch))
        return (*failed, *_fail_back(scene, probe, cut, say))
    finally:
        probe.stop()


def _say_all(seen: Mapping[str, ProbeReport], say: Say) -> None:
    say(f"            {'':<14}{'hub to branch':>16}{'branch to hub':>16}    known to")
    for name, branch in seen.items():
        resolution = max(branch.to_branch.resolution_ms, branch.to_hub.resolution_ms)
        ways = f"{_short(branch.to_branch):>16}{_short(branch.to_hub):>16}"
        say(f"            {name:<14}{ways}{resolution:>9.0f} ms")
    slowest = max(max(s.to_branch.longest_ms, s.to_hub.longest_ms) for s in seen.values())
    say(f"            slowest       {slowest:.0f} ms")


def _short(way: Direction) -> str:
    return _broken(way) or f"{way.longest_ms:.0f} ms"


def _broken(way: Direction) -> str | None:
    """What is not as it should be: what was not interrupted was not tested, what stays away is lost."""
    if not way.outages:
        return "not interrupted"
    if not all(outage.ended for outage in way.outages):
        return "did not return"
    if way.longest_ms > SLOWEST_MS:
        return f"{way.longest_ms:.0f} ms: too slow"
    return None


def _cut_and_heal(scene: Scene, probe: Probe, target: str) -> None:
    time.sleep(1.0)
    probe.mark("cut")
    disturb.cut(scene.lab, target)
    time.sleep(CUT_SECONDS)
    probe.mark("healed")
    disturb.heal(scene.lab, target)


def _fail_back(scene: Scene, probe: Probe, healed: str, say: Say) -> tuple[str, ...]:
    say(f"healing     {healed}")
    _await_well(scene)
    time.sleep(1.0)
    probe.mark("settled")
    seen = probe.report("healed", "settled")
    ways = [way for branch in seen.values() for way in (branch.to_branch, branch.to_hub)]
    lost, sent = sum(way.lost for way in ways), sum(way.sent for way in ways)
    say(f"            back on {scene.tunnel} after its hold: {lost} of {sent:,} packets lost")
    return tuple(_lost(healed, seen))


def _lost(healed: str, seen: Mapping[str, ProbeReport]) -> Iterator[str]:
    """The branches that lost packets on their way back."""
    for name, branch in seen.items():
        if lost := branch.to_branch.lost + branch.to_hub.lost:
            yield f"healing {healed}: {name}: {lost} packets lost on the way back"


def _amiss(cut: str, branch: str, seen: ProbeReport) -> Iterator[str]:
    """The ways that were not interrupted, or did not go on soon enough while the cut lasted."""
    for name, way in (("hub to branch", seen.to_branch), ("branch to hub", seen.to_hub)):
        if (broken := _broken(way)) is not None:
            yield f"cutting {cut}: {branch}, {name}: {broken}"


def _outage(way: Direction) -> str:
    broken = _broken(way)
    if broken is not None:
        return f"{broken} (while the cut lasted)"
    more = f", in {len(way.outages)} pieces" if len(way.outages) > 1 else ""
    return f"{way.longest_ms:5.0f} ms without a packet{more} (known to {way.resolution_ms:.0f} ms)"


def _await_well(scene: Scene) -> None:
    lacking = wait_until_well(scene.lab.place, PATIENCE_SECONDS)
    if lacking:
        what = "; ".join(lacking[:4]) + (f"; and {len(lacking) - 4} more" if len(lacking) > 4 else "")
        raise LabError(f"not all well after {PATIENCE_SECONDS:.0f} s: {what}")


def _keep_logs(place: LabPlace) -> Path | None:
    """The lab goes, its logs stay, where something went wrong."""
    if not place.logs.is_dir():
        return None
    kept = Path(tempfile.mkdtemp(prefix="pointsman-demo-"))
    shutil.copytree(place.logs, kept, dirs_exist_ok=True)
    return kept


def _step(head: str, text: str, begun: float) -> str:
    return f"{head:<11} {text} {'.' * max(3, 58 - len(text))} {time.monotonic() - begun:.0f} s"
