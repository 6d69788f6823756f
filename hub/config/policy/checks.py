"""What is wrong with the values of a policy, whoever wrote them: files, and branches and tunnels that change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from hub.config.policy.build import Built, built_limits, in_order
from hub.config.policy.layers import Layers, merged
from hub.config.policy.limits import limit_text
from hub.config.policy.rules import WrittenRule
from hub.config.policy.written import DEFAULT_KIND, RawHealth
from hub.config.problems import Place, Problem, error, warning
from policies.lengths import written
from policies.model.health import Damping, HealthLimits, Limit, Metric
from policies.model.policy import Announce, Failback, FailbackMode, RuleChange

LEAST_FIRST = 100
"""Survivor announcements go below `first`, one for each failover that is not yet given back: room for them."""
LONGEST_HOLD = LONGEST_DAMPING = timedelta(days=1)
LONGEST_RULE_NAME = 80
SOONEST_REMINDER, LATEST_REMINDER = timedelta(minutes=1), timedelta(days=30)

_LEAVING, _RETURNING = "degraded-when-any", "healthy-when-all"


def policy_problems(built: Built, of: str | None = None) -> Iterator[Problem]:
    """What is wrong with a policy in itself, or with what branch `of` says of it, each at the file that says it."""
    policy, layers = built.policy, built.layers
    yield from _announce(policy.announce, layers)
    yield from _failback(policy.failback, lambda key: layers.place(("failback", key), ("failback",)))
    yield from _idle_windows(policy.failback, layers)
    if policy.damping is not None:
        yield from damping_problems(policy.damping, lambda key: layers.place(("damping", key), ("damping",)))
    for kind in policy.health:
        raw = RawHealth.model_validate(built.said["health"][kind])
        yield from _limits(raw, lambda side, key, kind=kind: layers.place(*_sides("health", kind, side, key)))  # type: ignore[misc]
    yield from _rules([rule for rule in built.rules if rule.of == of])


def _sides(*path: str) -> list[tuple[str, ...]]:
    """Where a limit stands, else the limit of the other side, else what holds them."""
    *above, side, key = path
    other = _LEAVING if side == _RETURNING else _RETURNING
    return [path, (*above, other, key), tuple(above)]


def _announce(announce: Announce, layers: Layers) -> Iterator[Problem]:
    if announce.first < LEAST_FIRST:
        text = f"first: at least {LEAST_FIRST}, because failover announces below it"
        yield error(layers.place(("announce", "first")), text, "write 1000")
    if announce.step < 1:
        yield error(layers.place(("announce", "step")), "step: at least 1, or all tunnels are equal")
    yield from additions_problems(announce, lambda *key: layers.place(("announce", *key)))


def additions_problems(announce: Announce, place: Callable[..., Place]) -> Iterator[Problem]:
    """What is wrong with what the states of a tunnel add, each at the place of its keys below `announce`."""
    if not announce.step <= announce.add_degraded <= announce.add_drained:
        text = "step, add-degraded and add-drained must not fall: "
        text += f"they are {announce.step}, {announce.add_degraded}, {announce.add_drained}"
        yield error(place(), text)
    if announce.up.withdraw:
        text = "withdraw: a tunnel that is up is how the branch is reached"
        yield error(place("up", "withdraw"), text, "write it under degraded or drained")


def _failback(failback: Failback, place: Callable[[str], Place]) -> Iterator[Problem]:
    if failback.hold > LONGEST_HOLD:
        yield error(place("hold"), "hold: at most 1d", "for never: mode: never")
    if failback.remind_after is not None and not SOONEST_REMINDER <= failback.remind_after <= LATEST_REMINDER:
        text = f"remind-after: from 1m to 30d, {written(failback.remind_after)} is not"
        yield error(place("remind-after"), text, "for never: remind-after: off")
    if failback.mode is FailbackMode.WINDOW and not failback.windows:
        yield error(place("mode"), "mode: window wants windows", 'add windows: ["Mon-Fri 18:00-22:00"]')


def _idle_windows(failback: Failback, layers: Layers) -> Iterator[Problem]:
    top = layers.each[-1].document
    if ("failback", "windows") in top.values and failback.mode is not FailbackMode.WINDOW:
        text = f"windows count only with mode: window, and the mode is {failback.mode.value}"
        yield warning(top.key_place("failback", "windows"), text, "write mode: window, or remove them")


def damping_problems(damping: Damping, place: Callable[[str], Place]) -> Iterator[Problem]:
    """What is wrong with a damping, each at the place of its key."""
    if damping.reuse >= damping.suppress:
        text = f"reuse {damping.reuse:g} is not below suppress {damping.suppress:g}: nothing would ever be held back"
        yield error(place("reuse"), text, f"write less than {damping.suppress:g}")
    for key, value in (("half-life", damping.half_life), ("max-suppress", damping.max_suppress)):
        if not timedelta(seconds=1) <= value <= LONGEST_DAMPING:
            yield error(place(key), f"{key}: from 1s to 1d, {written(value)} is not")


def _limits(
    raw: RawHealth, place: Callable[[str, str], Place], metrics: Iterable[Metric] = tuple(Metric)
) -> Iterator[Problem]:
    for metric in metrics:
        leaving = [limit for limit in in_order(raw.degraded_when_any) if limit.metric is metric]
        returning = [limit for limit in in_order(raw.healthy_when_all) if limit.metric is metric]
        if metric is Metric.LOSS and any(limit.value <= 0 for limit in leaving):
            text = "loss: above 0%, or every packet lost would count"
            yield error(place(_LEAVING, metric.value), text, 'write it like "3% over 5s"')
        if metric is Metric.LOSS and any(limit.value >= 1 for limit in leaving):
            text = "loss: more than 100% is never lost: the limit could not be passed"
            yield error(place(_LEAVING, metric.value), text, 'write it like "15% over 1s"')
        yield from _crossed(metric, leaving, returning, place)


def _crossed(
    metric: Metric, leaving: list[Limit], returning: list[Limit], place: Callable[[str, str], Place]
) -> Iterator[Problem]:
    """A tunnel that is bad enough to be left and good enough to return to would come and go for ever."""
    for limit in returning:
        lower = [other for other in leaving if other.above_usual is limit.above_usual and other.value < limit.value]
        if lower:
            left = min(lower, key=lambda other: other.value)
            text = f'{metric.value}: "{limit_text(limit)}" to return is above "{limit_text(left)}" to leave'
            amount = limit_text(left).partition(" over ")[0]
            yield error(place(_RETURNING, metric.value), text, f"in {_RETURNING} write at most {amount}")


def tunnel_limits(
    built: Built, kind: str, own: RawHealth | None, at: Layers, path: tuple[str, ...]
) -> tuple[HealthLimits | None, tuple[Problem, ...]]:
    """The limits of a tunnel that says some of its own at `path`, on top of those for its kind; None: it says none."""
    if own is None:
        return None, ()
    by_kind = built.said.get("health", {})
    said = by_kind.get(kind) or by_kind.get(DEFAULT_KIND) or {}
    value = at.each[-1].document.value
    for part in path:
        value = value[part]
    raw = RawHealth.model_validate(merged(said, value))

    def place(side: str, key: str) -> Place:
        return at.place(*_sides(*path, side, key))

    said_here = {limit.metric for side in (own.degraded_when_any, own.healthy_when_all) for limit in in_order(side)}
    return built_limits(raw), tuple(_limits(raw, place, [metric for metric in Metric if metric in said_here]))


def _rules(rules: Sequence[WrittenRule]) -> Iterator[Problem]:
    again = Counter(rule.rule.name for rule in rules)
    for rule in rules:
        name = rule.rule.name
        if not name.strip() or len(name) > LONGEST_RULE_NAME or not name.isprintable():
            text = f"name: a rule's name is one line of 1 to {LONGEST_RULE_NAME} characters"
            yield error(rule.place("name"), text)
        elif again[name] > 1:
            yield error(rule.place("name"), f'name: "{name}" is the name of several rules', "give each its own")
        words = rule.raw.when.health or () if rule.raw.when else ()
        if "down" in words and len(set(words)) > 1:
            text = "health: down stands alone, because a dead tunnel has no health"
            yield error(rule.place("when", "health"), text, "write two rules, one of them with health: down")
        if rule.rule.set == RuleChange():
            mend = "add prefer, metered, ignore or failback"
            yield error(rule.place("set"), f'rule "{name[:60]}" sets nothing', mend)
        if rule.rule.set.failback is not None:
            yield from _failback(rule.rule.set.failback, lambda key, rule=rule: rule.place("set", "failback", key))  # type: ignore[misc]


def script_problem(built: Built, directory: Path) -> Problem | None:
    """That the file of a script is not there."""
    script = built.policy.script
    if script is None or (directory / "policies" / script).is_file():
        return None
    near = sorted(file.name for file in (directory / "policies").glob("*.py"))
    mend = f"write policies/{script}" + (f", or one of {', '.join(near[:5])}" if near else ", or remove this")
    return error(built.layers.place(("script",)), f"script: there is no file policies/{script}", mend)
