"""From what is written, merged, to a policy of the model: nothing is optional any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from hub.config.policy.layers import Layer, Layers, merged
from hub.config.policy.limits import health_limits
from hub.config.policy.rules import WrittenRule, changed_failback, written_rules
from hub.config.policy.written import (
    LOST,
    RawAnnounce,
    RawDamping,
    RawFailback,
    RawHealth,
    RawLimits,
    RawMarks,
    RawPolicy,
)
from policies.model.health import Damping, HealthLimits, Limit
from policies.model.policy import Announce, Failback, FailbackMode, Marks, Metered, Policy

_NO_ANNOUNCE, _NO_FAILBACK = RawAnnounce.model_construct(), RawFailback.model_construct()
_NO_LIMITS, _NO_MARKS = RawLimits.model_construct(), RawMarks.model_construct()
_FAILBACK = Failback(FailbackMode.AUTOMATIC, timedelta(seconds=60))
_HALF_LIFE, _MAX_SUPPRESS = timedelta(minutes=5), timedelta(minutes=30)
_SUPPRESS, _REUSE = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class Built:
    """A Built is a policy, the files that it was made of, its rules with their places, and all that was said."""

    policy: Policy
    layers: Layers
    rules: tuple[WrittenRule, ...]
    said: dict[str, Any]


def build(name: str, layers: Layers) -> Built:
    """The policy that these files make; each of them is right in itself."""
    said = layers.merged()
    raw = RawPolicy.model_validate(said)
    failback = changed_failback(raw.failback or _NO_FAILBACK, _FAILBACK)
    top = layers.top("rules")
    rules = written_rules(raw.rules or (), top.document, failback) if top is not None else ()
    return _built(name, layers, said, raw, rules)


def build_branch(below: Built, layer: Layer, name: str) -> Built:
    """The policy as a branch changes it: its rules come before those of the policy."""
    layers = below.layers.above(layer)
    inherited = {key: value for key, value in below.said.items() if key != "rules"}
    said = merged(inherited, layer.keys)
    raw = RawPolicy.model_validate(said)
    failback = changed_failback(raw.failback or _NO_FAILBACK, _FAILBACK)
    own = written_rules(raw.rules or (), layer.document, failback, of=name)
    of_policy = (rule.within(failback) if rule.rule.set.failback else rule for rule in below.rules)
    return _built(below.policy.name, layers, said, raw, (*own, *of_policy))


def _built(name: str, layers: Layers, said: dict[str, Any], raw: RawPolicy, rules: Iterable[WrittenRule]) -> Built:
    rules = tuple(rules)
    policy = Policy(
        name=name,
        prefer=raw.prefer or (),
        metered=Metered(raw.metered or Metered.WHEN_DEGRADED),
        failback=changed_failback(raw.failback or _NO_FAILBACK, _FAILBACK),
        announce=built_announce(raw.announce or _NO_ANNOUNCE),
        health=MappingProxyType({kind: built_limits(limits) for kind, limits in sorted((raw.health or {}).items())}),
        damping=built_damping(raw.damping) if isinstance(raw.damping, RawDamping) else None,
        rules=tuple(written.rule for written in rules),
        script=raw.script,
    )
    return Built(policy, layers, rules, said)


def built_limits(raw: RawHealth) -> HealthLimits:
    """The limits of a kind of uplink, or of a tunnel."""
    leaving = raw.degraded_when_any
    lost = leaving is not None and leaving.full_size == LOST
    return replace(health_limits(in_order(leaving), in_order(raw.healthy_when_all)), full_size=lost)


def in_order(raw: RawLimits | None) -> tuple[Limit, ...]:
    """All limits: loss, round trip, jitter."""
    raw = raw or _NO_LIMITS
    return (*(raw.loss or ()), *(raw.rtt or ()), *(raw.jitter or ()))


def built_announce(raw: RawAnnounce) -> Announce:
    """How tunnels are announced; what is not written is as `standard` has it."""
    return Announce(
        first=_or(raw.first, 1000),
        step=_or(raw.step, 100),
        add_degraded=_or(raw.add_degraded, 4000),
        add_drained=_or(raw.add_drained, 8000),
        up=_marks(raw.up or _NO_MARKS),
        degraded=_marks(raw.degraded or _NO_MARKS),
        drained=_marks(raw.drained or _NO_MARKS),
        more_specifics=bool(raw.more_specifics),
    )


def _or(written: int | None, otherwise: int) -> int:
    return otherwise if written is None else written


def _marks(raw: RawMarks) -> Marks:
    return Marks(raw.communities or (), raw.large_communities or (), bool(raw.withdraw))


def built_damping(raw: RawDamping) -> Damping:
    """How what comes and goes is held back; what is not written is as `standard` has it."""
    return Damping(
        half_life=raw.half_life if raw.half_life is not None else _HALF_LIFE,
        suppress=raw.suppress if raw.suppress is not None else _SUPPRESS,
        reuse=raw.reuse if raw.reuse is not None else _REUSE,
        max_suppress=raw.max_suppress if raw.max_suppress is not None else _MAX_SUPPRESS,
    )
