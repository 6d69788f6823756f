"""What is wrong, worst first, read from the report of `status`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any

from hub.cli.consequences import consequences_of, own_troubles
from hub.cli.durations import day_and_time
from hub.cli.not_there import NEVER_CONNECTED, awaits_router, end_missing, hindrance, is_new, router_mend
from hub.cli.render_overrides import override_words
from policies.lengths import spoken

Report = Mapping[str, Any]

ISOLATED, DOWN, DEGRADED, ONE_PATH, NEW, DRAINED, OFF_PREFERRED, FAULT = KINDS = (
    "isolated",
    "down",
    "degraded",
    "one path left",
    "not connected",
    "drained",
    "off preferred",
    "fault",
)
"""From the worst on."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A Problem is one thing that is wrong: its kind, its branch or tunnel ("" for none), what it is, and what helps.

    `ago` is for how many seconds it has been so, None where that is not known.
    """

    kind: str
    place: str
    text: str
    ago: float | None
    mend: str

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def problems(report: Report) -> tuple[Problem, ...]:
    """All that is wrong, the worst first; from a controller's report, or from what the forwarder alone knows.

    A fault by which tunnels are not there at all comes before everything else, and they are told with it.
    """
    alone = report.get("controller") is False
    first = {} if alone else dict(_first(report))
    found = _by_forwarder(report) if alone else _by_controller(report, first.keys())
    return (*first.values(), *sorted(found, key=lambda problem: (KINDS.index(problem.kind), problem.place)))


def _first(report: Report) -> Iterator[tuple[str, Problem]]:
    for problem in report["problems"]:
        if consequences := consequences_of(problem, report["branches"]):
            yield problem["key"], Problem(FAULT, "", f"{problem['text']}; {consequences}", None, problem["mend"])


def _by_controller(report: Report, first: Set[str]) -> Iterator[Problem]:
    told = {key for branch in report["branches"] for key in _keys_of_hindrances(branch)} | first
    for branch in report["branches"]:
        if own_troubles(branch):
            yield from _of_branch(branch)
    for problem in report["problems"]:
        if problem["key"] not in told and not problem["key"].startswith("off-preferred:"):  # told with its branch
            yield Problem(FAULT, "", problem["text"], None, problem["mend"])


def _of_branch(branch: Report) -> Iterator[Problem]:
    name, tunnels, mend = branch["branch"], own_troubles(branch), f"pointsman why {branch['branch']}"
    if not branch["reachable"]:
        yield from _unreachable(branch, mend)
        return
    for tunnel in tunnels:
        place = f"{name}/{tunnel['tunnel']}"
        hindered = hindrance(tunnel)
        if hindered is not None:
            yield Problem(DOWN, place, hindered[0], None, hindered[1])
        elif tunnel["drained"] is not None:
            yield _drained(branch, tunnel, place)
        elif tunnel["liveness"] == "down":
            yield Problem(DOWN, place, f"for {_long(tunnel)}{_because(tunnel)}", _seconds(tunnel), mend)
        elif tunnel["health"]["state"] == "degraded":
            yield _degraded(tunnel, place, mend)
    yield from _one_path(branch, mend)
    drained = {tunnel["tunnel"] for tunnel in tunnels if tunnel["drained"] is not None}
    for off in branch["off_preferred"]:
        if off["better"] in drained and not off["fault"]:
            continue  # the drain is told, and is why
        yield Problem(OFF_PREFERRED, name, off["text"], off["since"]["ago"], off["mend"])


def _unreachable(branch: Report, mend: str) -> Iterator[Problem]:
    """A branch all of whose tunnels are down: cut off, or not there yet. What the hub could not make comes first."""
    name, tunnels = branch["branch"], own_troubles(branch)
    why = end_missing if is_new(branch) else hindrance
    hindered = {tunnel["tunnel"]: found for tunnel in tunnels if (found := why(tunnel)) is not None}
    if awaits_router(branch):
        for tunnel, (text, help_) in hindered.items():
            yield Problem(DOWN, f"{name}/{tunnel}", text, None, help_)
        yield Problem(NEW, name, NEVER_CONNECTED, None, router_mend(branch))
        return
    texts = (
        f"{tunnel['tunnel']} {hindered[tunnel['tunnel']][0]}"
        if tunnel["tunnel"] in hindered
        else f"{tunnel['tunnel']} down {_long(tunnel)}{_because(tunnel)}"
        for tunnel in tunnels
    )
    mends = "; or: ".join(dict.fromkeys(help_ for _, help_ in hindered.values()))
    yield Problem(ISOLATED, name, ", ".join(texts), min(map(_seconds, tunnels), default=None), mends or mend)


def _keys_of_hindrances(branch: Report) -> Iterator[str]:
    """The keys of the problems that are told with the tunnel that could not be made."""
    for tunnel in branch["tunnels"]:
        if hindrance(tunnel) is not None:
            yield from (f"tunnels:{slice_}:{branch['branch']}/{tunnel['tunnel']}" for slice_ in ("wireguard", "ipsec"))
        elif is_new(branch) and not branch["reachable"] and end_missing(tunnel) is not None:
            yield f"check:interface:{tunnel['interface']}"


def _degraded(tunnel: Report, place: str, mend: str) -> Problem:
    health = tunnel["health"]
    seconds = health["since"]["ago"] if health["since"] is not None else None
    long = f"for {spoken(seconds)}: " if seconds is not None else ""
    return Problem(DEGRADED, place, f"{long}{health['reason']}{_whose(tunnel)}", seconds, mend)


def _drained(branch: Report, tunnel: Report, place: str) -> Problem:
    drained = tunnel["drained"]
    mine = [one for one in branch["overrides"] if one["number"] in drained["drains"]]
    until = f"until {day_and_time(drained['until'])}" if drained["until"] else "without an end"
    down = f"; down for {_long(tunnel)}" if tunnel["liveness"] == "down" else ""
    text = f"{until}{down}: {'; '.join(map(override_words, mine))}"
    return Problem(DRAINED, place, text, None, " and ".join(f"pointsman undrain {n}" for n in drained["drains"]))


def _one_path(branch: Report, mend: str) -> Iterator[Problem]:
    """Where one more failure would isolate a branch that has several tunnels. What is not known counts for nothing."""
    tunnels = branch["tunnels"]
    with_session = any(tunnel["session"] == "up" for tunnel in tunnels)
    lacks = {tunnel["tunnel"]: _lacks(tunnel, with_session=with_session) for tunnel in tunnels}
    unknown = {tunnel["tunnel"] for tunnel in tunnels if tunnel["liveness"] == "unknown"}
    left = [name for name, lack in lacks.items() if not lack]
    if len(left) + len(unknown) > 1 or len(tunnels) == 1:
        return
    rest = ", ".join(f"{name} is {lack}" for name, lack in lacks.items() if lack)
    text = f"only {left[0]}: {rest}" if left else f"none that is up and not drained: {rest}"
    yield Problem(ONE_PATH, branch["branch"], text, None, mend)


def _lacks(tunnel: Report, *, with_session: bool) -> str:
    """Why the tunnel would not carry the branch by itself; "" where it would."""
    if tunnel["liveness"] != "up":
        return "down" if tunnel["liveness"] == "down" else "not known to be up"
    if tunnel["drained"] is not None:
        return "drained"
    # Where no session is left at all, its absence tells the tunnels nothing apart, and is a fault of its own.
    return "without a BGP session" if with_session and tunnel["session"] != "up" else ""


def _because(tunnel: Report) -> str:
    reason = f" ({tunnel['reason']})" if tunnel["reason"] else ""
    return f"{reason}{_whose(tunnel)}"


def _whose(tunnel: Report) -> str:
    """Whose trouble it is, where it is not this tunnel's alone."""
    trouble = tunnel.get("trouble_of")
    return f"; {trouble['text']}" if trouble is not None and trouble["blame"] != "tunnel" else ""


def _seconds(tunnel: Report) -> float:
    return float(tunnel["since"]["ago"]) if tunnel["since"] is not None else 0.0


def _long(tunnel: Report) -> str:
    return spoken(_seconds(tunnel))


def _by_forwarder(snapshot: Report) -> Iterator[Problem]:
    why = "the controller does not answer" if snapshot.get("busy") else "no controller is running"
    yield Problem(FAULT, "", f"{why}: only the forwarder tells what is wrong", None, "start it: pointsman run")
    for tunnel in snapshot["tunnels"]:
        if tunnel["state"] == "down":
            yield Problem(DOWN, tunnel["tunnel"], tunnel["reason"], None, "")
    for problem in snapshot["problems"]:
        yield Problem(FAULT, "", problem["text"], None, problem["mend"])
