"""Policies and what they extend: maps merge, lists replace; the built-in `standard` is below them all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from hub.config.load import Parsed
from hub.config.names import write_instead
from hub.config.problems import Problem, error, warning
from hub.config.raw import RawAnnounce, RawFailback, RawPolicy
from policies.model.announcement import HIGHEST_MED
from policies.model.policy import Announce, Failback, FailbackMode, Metered, Policy

STANDARD = Policy(
    name="standard",
    prefer=("fiber", "cable", "dsl", "microwave", "wireless", "5g", "lte", "satellite", "other"),
    metered=Metered.WHEN_DEGRADED,
    failback=Failback(FailbackMode.AUTOMATIC, timedelta(seconds=60)),
    announce=Announce(first=1000, step=100, add_degraded=4000, add_drained=8000),
)
"""The built-in policy; policies/standard.yaml changes it."""

LEAST_FIRST = 100
"""Survivor announcements go below `first`, one for each failover that is not yet given back: room for them."""
LONGEST_HOLD = timedelta(days=1)


def resolve_policies(
    written: Mapping[str, Parsed[RawPolicy]], names: frozenset[str]
) -> tuple[dict[str, Policy], list[Problem]]:
    """Every policy by name, the built-in one included. `names` are also those of files that are wrong in themselves.

    A policy whose parents cannot be told is absent.
    """
    problems: list[Problem] = []
    done: dict[str, Policy] = {}
    if "standard" not in names:
        done["standard"] = STANDARD
    for name in sorted(written):
        _resolve(name, written, names, done, problems)
    for name in done.keys() & written.keys():
        problems += _checked(done[name], written[name])
    return done, problems


def _resolve(
    name: str,
    written: Mapping[str, Parsed[RawPolicy]],
    names: frozenset[str],
    done: dict[str, Policy],
    problems: list[Problem],
) -> None:
    """Resolve one policy and all that it stands on, the lowest first."""
    chain: list[str] = []
    while name not in done:
        if name in chain:
            circle = " -> ".join([*chain[chain.index(name) :], name])
            text = f"policies extend each other in a circle: {circle}"
            mend = 'let one of them extend "standard"'
            problems.append(error(written[name].document.place("extends"), text, mend))
            return
        if name not in written:
            if name not in names:
                _unknown(chain[-1], name, written, names, problems)
            return
        chain.append(name)
        parent = _parent(name, written[name].raw)
        if parent is None:
            break
        name = parent
    below = done.get(name, STANDARD)
    for above in reversed(chain):
        below = done[above] = _merged(above, below, written[above].raw)


def _parent(name: str, raw: RawPolicy) -> str | None:
    if name == "standard" and raw.extends in (None, "standard"):
        return None
    return raw.extends or "standard"


def _unknown(
    child: str, parent: str, written: Mapping[str, Parsed[RawPolicy]], names: frozenset[str], problems: list[Problem]
) -> None:
    known = sorted((names | {"standard"}) - {child})
    place = written[child].document.place("extends")
    problem = error(place, f'there is no policy "{parent}"', write_instead(parent, known))
    if problem not in problems:
        problems.append(problem)


def _merged(name: str, below: Policy, raw: RawPolicy) -> Policy:
    failback, announce = raw.failback or RawFailback(), raw.announce or RawAnnounce()
    hold = failback.hold if failback.hold is not None else below.failback.hold
    mode = FailbackMode(failback.mode) if failback.mode else below.failback.mode
    return Policy(
        name=name,
        prefer=raw.prefer if raw.prefer is not None else below.prefer,
        metered=Metered(raw.metered) if raw.metered else below.metered,
        failback=Failback(mode, hold),
        announce=Announce(
            first=_either(announce.first, below.announce.first),
            step=_either(announce.step, below.announce.step),
            add_degraded=_either(announce.add_degraded, below.announce.add_degraded),
            add_drained=_either(announce.add_drained, below.announce.add_drained),
        ),
    )


def _either(written: int | None, below: int) -> int:
    return below if written is None else written


def too_high(tunnels: Mapping[str, int], policies: Mapping[str, Policy]) -> dict[str, int]:
    """The policies that could announce more than `HIGHEST_MED`, and how much.

    `tunnels` is the most tunnels of a branch under each policy; the worst of so many may be drained.
    """
    highest = {}
    for name in tunnels.keys() & policies.keys():
        announce = policies[name].announce
        highest[name] = announce.first + announce.step * (tunnels[name] - 1) + announce.add_drained
    return {name: med for name, med in sorted(highest.items()) if med > HIGHEST_MED}


def _checked(policy: Policy, parsed: Parsed[RawPolicy]) -> list[Problem]:
    document, announce = parsed.document, policy.announce
    problems = []
    if announce.first < LEAST_FIRST:
        text = f"first: at least {LEAST_FIRST}, because failover announces below it"
        problems.append(error(document.place("announce", "first"), text, "write 1000"))
    if announce.step < 1:
        problems.append(error(document.place("announce", "step"), "step: at least 1, or all tunnels are equal"))
    if not announce.step <= announce.add_degraded <= announce.add_drained:
        text = "step, add-degraded and add-drained must not fall: "
        text += f"they are {announce.step}, {announce.add_degraded}, {announce.add_drained}"
        problems.append(error(document.place("announce"), text))
    said = parsed.raw.announce or RawAnnounce()
    for key, value in (("add-degraded", said.add_degraded), ("add-drained", said.add_drained)):
        if value is not None:
            text = f"{key} has no effect yet: without health and drains no tunnel is degraded or drained"
            problems.append(warning(document.key_place("announce", key), text))
    if policy.failback.hold > LONGEST_HOLD:
        problems.append(error(document.place("failback", "hold"), "hold: at most 1d", "for never: mode: never"))
    return problems
