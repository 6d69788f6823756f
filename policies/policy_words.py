"""policy_words: a policy in the operator's words, one fact for each thing that may be changed by itself. Pure.

The words tell everything that a policy says: two policies with the same words are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import time, timedelta
from itertools import chain

from policies.lengths import in_seconds
from policies.model.health import Damping, HealthLimits, Limit, Metric
from policies.model.policy import DAYS, Announce, Condition, Failback, Marks, Policy, Rule, RuleChange, TimeWindow


def policy_facts(policy: Policy) -> dict[str, str]:
    """What a policy says, by what it says it of."""
    announce, failback = policy.announce, policy.failback
    facts = {
        "policy": policy.name,
        "prefer": ", ".join(policy.prefer),
        "metered": policy.metered.value,
        "failback": f"{failback.mode.value}, hold {_duration(failback.hold)}",
        "failback windows": _windows(failback.windows) or "none",
        "failback remind-after": _reminder(failback),
        "announce": f"first {announce.first}, step {announce.step}, {_additions(announce)}",
        "damping": damping_words(policy.damping),
        "script": policy.script or "none",
    }
    facts |= _marks_facts(announce)
    if announce.more_specifics:
        facts["more-specifics"] = "announced"
    for kind, limits in policy.health.items():
        facts |= {f"health {kind} {what}": said for what, said in limit_facts(limits).items()}
    for place, name in enumerate(rule_names(policy)):
        facts[f"rule {name}"] = _rule(policy.rules[place])
    return facts


def rule_names(policy: Policy) -> tuple[str, ...]:
    """The names of the rules in their order, in quotes; a branch's rule and its policy's may have one name."""
    names: list[str] = []
    for rule in policy.rules:
        quoted = f'"{rule.name}"'
        names.append(quoted if quoted not in names else f"{quoted} of its policy")
    return tuple(names)


def limit_facts(limits: HealthLimits) -> dict[str, str]:
    """What health is judged by, each metric by itself: to leave, and to return."""
    facts = {}
    for metric in Metric:
        for what, said in (("", limits.degraded_when_any), (" to return", limits.healthy_when_all)):
            mine = [_limit(limit) for limit in said if limit.metric is metric]
            if mine:
                facts[f"{metric.value}{what}"] = ", ".join(mine)
    if limits.full_size:
        facts["full-size"] = "lost"
    return facts


def _limit(limit: Limit) -> str:
    if limit.metric is Metric.LOSS:
        return f"{limit.value * 100:g} % over {_duration(limit.over)}"
    usual = "usual + " if limit.above_usual else ""
    return f"{usual}{limit.value * 1000:g} ms over {_duration(limit.over)}"


def _duration(duration: timedelta) -> str:
    return in_seconds(duration.total_seconds())


def _additions(announce: Announce) -> str:
    return f"add-degraded {announce.add_degraded}, add-drained {announce.add_drained}"


def announce_facts(announce: Announce) -> dict[str, str]:
    """What the state of a tunnel adds to its announcements, where it is not as its policy says."""
    return {"announce": _additions(announce), **_marks_facts(announce)}


def damping_words(damping: Damping | None) -> str:
    """By what a tunnel that comes and goes is held back; `off`."""
    if damping is None:
        return "off"
    return (
        f"half-life {_duration(damping.half_life)}, suppress {damping.suppress:g}, reuse {damping.reuse:g}, "
        f"max-suppress {_duration(damping.max_suppress)}"
    )


def _marks_facts(announce: Announce) -> dict[str, str]:
    marks = {"up": announce.up, "degraded": announce.degraded, "drained": announce.drained}
    return {f"announce when {state}": words for state, mark in marks.items() if (words := _marks(mark))}


def _marks(marks: Marks) -> str:
    communities = chain(marks.communities, marks.large_communities)
    words = [":".join(map(str, community)) for community in communities]
    return ", ".join([*words, *(["withdrawn"] if marks.withdraw else [])])


def _rule(rule: Rule) -> str:
    when, change = "; ".join(_condition(rule.when)), "; ".join(_change(rule.set))
    return f"when {when}: {change}" if when else f"always: {change}"


def _condition(when: Condition) -> Iterator[str]:
    health = {state.value for state in when.health} | ({"down"} if when.down else set())
    asked: tuple[tuple[str, Iterable[str]], ...] = (
        ("branch", when.branches),
        ("tunnel", when.tunnels),
        ("kind", when.kinds),
        ("isp", when.isps),
        ("hub-uplink", when.hub_uplinks),
        ("health", health),
        ("hub-prefix", map(str, when.hub_prefixes)),
        ("branch-prefix", map(str, when.branch_prefixes)),
    )
    for what, names in asked:
        if said := ", ".join(sorted(names)):
            yield f"{what} {said}"
    if when.down is False and not when.health:
        yield "not down"
    if when.drained is not None:
        yield "drained" if when.drained else "not drained"
    if when.times:
        yield f"time {_windows(when.times)}"


def _change(change: RuleChange) -> Iterator[str]:
    if change.prefer is not None:
        yield f"prefer {', '.join(change.prefer) or 'none'}"
    if change.metered is not None:
        yield f"metered {change.metered.value}"
    if change.ignore_degraded:
        yield "ignore degraded"
    if change.failback is not None:
        yield f"failback {_failback(change.failback)}"


def _failback(failback: Failback) -> str:
    windows = f" in {_windows(failback.windows)}" if failback.windows else ""
    return f"{failback.mode.value}, hold {_duration(failback.hold)}{windows}, remind-after {_reminder(failback)}"


def _reminder(failback: Failback) -> str:
    return _duration(failback.remind_after) if failback.remind_after is not None else "off"


def _windows(windows: Iterable[TimeWindow]) -> str:
    return ", ".join(map(window_words, windows))


def window_words(window: TimeWindow) -> str:
    """A window as it is written: `Mon-Fri 18:00-22:00`, and without days where it is every day."""
    ends = "24:00" if window.ends == time() else f"{window.ends:%H:%M}"
    days = "" if len(window.days) == len(DAYS) else f"{','.join(_runs(sorted(window.days)))} "
    return f"{days}{window.begins:%H:%M}-{ends}"


def _runs(days: list[int]) -> Iterator[str]:
    """Days in order, three or more in a row as a range."""
    while days:
        length = next((n for n, day in enumerate(days) if day != days[0] + n), len(days))
        run, days = days[:length], days[length:]
        yield f"{DAYS[run[0]]}-{DAYS[run[-1]]}" if length > 2 else ",".join(DAYS[day] for day in run)
