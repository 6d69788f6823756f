"""What is asked beyond the tunnels, from written to meant, with what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

from hub.config.document import Document
from hub.config.document import Path as At
from hub.config.drafts import BranchDraft
from hub.config.problems import Problem, error, warning
from hub.config.raw import RawHubUplink
from hub.config.survey import HubDraft, Survey
from hub.config.targets import RawCheck, RawTarget, RawTiming
from policies.model.ids import lies_within
from policies.model.targets import Check, DnsQuery, HttpGet, Ping, Question, Run, TcpConnect, Timing, Via

DEFAULT = Timing()
SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(seconds=1), timedelta(hours=1)
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = timedelta(milliseconds=50), timedelta(seconds=30)
LEAST_TARGETS = 2
_EXPECTED = 200


def branch_targets(branch: BranchDraft) -> tuple[Check, ...]:
    """What is asked behind a branch without problems, by name; custom checks are among them."""
    targets = [_target(name, raw) for name, raw in branch.raw.targets.items()]
    return tuple(sorted([*targets, *(_check(n, raw) for n, raw in branch.raw.checks.items())], key=lambda c: c.name))


def uplink_targets(uplink: RawHubUplink) -> tuple[tuple[Check, ...], int]:
    """What is asked through an uplink of the hub, and how many make a quorum."""
    checks = tuple(Check(str(address), Ping(address), via=Via.ACTIVE) for address in uplink.targets)
    return checks, uplink.quorum or len(checks) // 2 + 1 if checks else 0


def target_problems(branch: BranchDraft) -> Iterator[Problem]:
    """What is wrong with the targets and checks of a branch."""
    for name, target in branch.raw.targets.items():
        yield from _kind_problems(branch, name, target)
        yield from _timing_problems(branch.document, ("targets", name), target)
    for name, check in branch.raw.checks.items():
        at = ("checks", name)
        place = branch.document.key_place(*at)
        if (check.run is None) == (check.python is None):
            text = f"check {name} wants either run or python"
            yield error(place, text, f"{name}: {{run: checks/{name}.sh}}, or {name}: {{python: checks/{name}.py}}")
        if name in branch.raw.targets:
            yield error(place, f"{name} is also a target of this branch", "give one of them another name")
        yield from _timing_problems(branch.document, at, check)


def uplink_problems(hub: HubDraft) -> Iterator[Problem]:
    """What is wrong with the external targets of the hub's uplinks."""
    for name, uplink in hub.raw.uplinks.items():
        at = (*hub.at, "uplinks", name)
        if uplink.targets or uplink.quorum is not None:
            yield from _quorum_problems(hub, at, uplink)
        for index, address in enumerate(uplink.targets):
            place = hub.document.place(*at, "targets", index)
            if address in uplink.targets[:index]:
                yield error(place, f"{address} is here twice", "remove one of them")
            if lies_within(ip_network(address), [prefix for prefix in hub.raw.prefixes if prefix.prefixlen]):
                text = f"{address} lies in a prefix of the hub itself: an external target is out in the internet"
                yield error(place, text, "write another one, for example 1.1.1.1")


def missing_programs(looked: Survey, directory: Path, origin: Path) -> Iterator[Problem]:
    """Warnings about the files of custom checks, as this user sees them.

    Relative ones are in `directory`, or else in the one that it is a copy of, which is told of.
    """
    for branch in looked.branches:
        for name, check in branch.raw.checks.items():
            key = "run" if check.run is not None else "python"
            file = check.run if check.run is not None else check.python
            if file is None:
                continue
            where = directory if (directory / file).exists() else origin
            if wrong := _wrong_with(where / file, origin / file, executable=key == "run"):
                yield warning(branch.document.place("checks", name, key), f"{key}: {wrong[0]}", wrong[1])


def _wrong_with(path: Path, shown: Path, *, executable: bool) -> tuple[str, str] | None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"there is no file {shown}", "put it there"
    except OSError:
        return None  # not for this user to see
    if not path.is_file():
        return f"{shown} is no file", "name the file"
    if executable and not os.access(path, os.X_OK):
        return f"{shown} cannot be executed", f"chmod +x {shown}"
    if mode & 0o002:
        return f"{shown} can be written by everybody", f"chmod o-w {shown}"
    return None


def _kind_problems(branch: BranchDraft, name: str, target: RawTarget) -> Iterator[Problem]:
    document, at = branch.document, ("targets", name)
    if len(target.kinds) != 1:
        which = f"has {' and '.join(target.kinds)}" if target.kinds else "says not how it is asked"
        text = f"target {name} {which}: one of {', '.join(RawTarget.KINDS)} is wanted"
        mend = "make two targets of it" if target.kinds else f"{name}: {{icmp: 10.1.0.10}}"
        yield error(document.key_place(*at), text, mend)
        return
    kind, address = target.kinds[0], target.address
    if target.expect is not None and kind != "http":
        yield error(document.key_place(*at, "expect"), f"expect is of http, not of {kind}", "remove it")
    if address is not None and not lies_within(ip_network(address), branch.raw.prefixes):
        text = f"target {name}: {address} lies in no prefix of {branch.name}: its tunnels do not carry it"
        within = ", ".join(str(prefix) for prefix in branch.raw.prefixes[:3])
        yield error(document.place(*at, kind), text, f"write an address inside {within}")
    if address is not None and address.version == 6 and target.via == Via.EACH.value:
        text = "via: each is of IPv4: the kernel sends IPv6 only into the tunnel in use"
        yield error(document.place(*at, "via"), text, "leave it out for active")


def _timing_problems(document: Document, at: At, raw: RawTiming) -> Iterator[Problem]:
    timing = _timing(raw)
    if not SHORTEST_INTERVAL <= timing.interval <= LONGEST_INTERVAL:
        yield error(document.place(*at, "interval"), "interval: from 1s to 1h")
    elif not SHORTEST_TIMEOUT <= timing.timeout <= min(LONGEST_TIMEOUT, timing.interval):
        text = "timeout: from 50ms to 30s, and not longer than the interval"
        yield error(document.place(*at, "timeout"), text, "ask less often, or wait less long")


def _quorum_problems(hub: HubDraft, at: At, uplink: RawHubUplink) -> Iterator[Problem]:
    document, name = hub.document, at[-1]
    if len(uplink.targets) < LEAST_TARGETS:
        text = f"uplink {name} has {len(uplink.targets) or 'no'} external target{'' if uplink.targets else 's'}: "
        text += f"at least {LEAST_TARGETS}, as one that is dead must change nothing"
        yield error(document.key_place(*at, "targets"), text, "targets: [1.1.1.1, 8.8.8.8, 9.9.9.9]")
    elif (uplink.quorum or 0) > len(uplink.targets):
        text = f"quorum: {uplink.quorum} of {len(uplink.targets)} targets cannot be silent"
        yield error(document.place(*at, "quorum"), text, "leave it out for more than half")
    if uplink.interface is None:
        text = f"uplink {name} has targets and no interface, by which they would be asked"
        yield error(document.key_place(*at), text, "add it, for example interface: eth0")


def _target(name: str, raw: RawTarget) -> Check:
    of_ipv6 = raw.address is not None and raw.address.version == 6
    return Check(name, _question(raw), _timing(raw), Via(raw.via or ("active" if of_ipv6 else "each")))


def _question(raw: RawTarget) -> Question:
    if raw.tcp is not None:
        return TcpConnect(raw.tcp.address, raw.tcp.port)
    if raw.http is not None:
        return HttpGet(raw.http.address, raw.http.port, raw.http.path, raw.expect or _EXPECTED)
    if raw.dns is not None:
        return DnsQuery(raw.dns.server, raw.dns.name)
    if raw.icmp is None:
        raise ValueError("a target says not how it is asked")
    return Ping(raw.icmp)


def _check(name: str, raw: RawCheck) -> Check:
    file = raw.run if raw.run is not None else raw.python
    if file is None:
        raise ValueError(f"check {name} has no file")
    via = Via.EACH if raw.per == "tunnel" else Via.ACTIVE
    return Check(name, Run(file, raw.args, python=raw.python is not None), _timing(raw), via)


def _timing(raw: RawTiming) -> Timing:
    interval = DEFAULT.interval if raw.interval is None else raw.interval
    return Timing(
        interval=interval,
        timeout=min(DEFAULT.timeout, interval) if raw.timeout is None else raw.timeout,
        fall=raw.fall or DEFAULT.fall,
        rise=raw.rise or DEFAULT.rise,
    )
