"""Rules as written to rules of the model, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hub.config.document import Document, Path
from hub.config.policy.written import RawFailback, RawRule, RawWhen
from hub.config.problems import Place
from policies.model.health import HealthState
from policies.model.ids import Prefix, lies_within
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange

_ALWAYS = RawWhen.model_construct()


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A WrittenRule is a rule, and where it stands.

    `uplinks` are asked for by name: of each branch they are other tunnels, so that the rule becomes another one. `of`
    is the branch in whose file it stands, None for one of a policy.
    """

    rule: Rule
    raw: RawRule
    document: Document
    at: Path
    uplinks: frozenset[str] = frozenset()
    of: str | None = None

    def place(self, *path: str | int) -> Place:
        """Where this part of it stands."""
        return self.document.place(*self.at, *path)

    def within(self, failback: Failback) -> WrittenRule:
        """The same in a policy of another failback, which it changes key by key."""
        return replace(self, rule=replace(self.rule, set=_change(self.raw, failback)))

    def for_branch(self, uplinks: Mapping[str, str], prefixes: Iterable[Prefix]) -> Rule | None:
        """The rule in a branch with these prefixes, whose tunnels go over these uplinks; None where it never holds.

        Prefixes of the hub of an IP version that the branch does not have are none of its.
        """
        when, own = self.rule.when, tuple(prefixes)
        if when.branch_prefixes and not all(lies_within(prefix, when.branch_prefixes) for prefix in own):
            return None
        versions = {prefix.version for prefix in own}
        hub_prefixes = tuple(prefix for prefix in when.hub_prefixes if prefix.version in versions)
        if when.hub_prefixes and not hub_prefixes:
            return None
        if not self.uplinks:
            return self.rule if hub_prefixes == when.hub_prefixes else self._when(hub_prefixes=hub_prefixes)
        meant = frozenset(name for name, uplink in uplinks.items() if uplink in self.uplinks)
        tunnels = meant & when.tunnels if when.tunnels else meant
        return self._when(tunnels=tunnels, hub_prefixes=hub_prefixes) if tunnels else None

    def _when(self, **asked: Any) -> Rule:
        return replace(self.rule, when=replace(self.rule.when, **asked))


def written_rules(
    raws: Iterable[RawRule], document: Document, failback: Failback, of: str | None = None
) -> tuple[WrittenRule, ...]:
    """The rules of a file, in their order; what one sets of failback is a change of this one."""
    return tuple(
        WrittenRule(
            rule=Rule(raw.name, _condition(raw.when or _ALWAYS), _change(raw, failback)),
            raw=raw,
            document=document,
            at=("rules", index),
            uplinks=_set((raw.when or _ALWAYS).uplink),
            of=of,
        )
        for index, raw in enumerate(raws)
    )


def _condition(raw: RawWhen) -> Condition:
    words = _set(raw.health)
    states = frozenset(HealthState(word) for word in words - {"down"})
    return Condition(
        branches=_set(raw.branch),
        tunnels=_set(raw.tunnel),
        kinds=_set(raw.kind),
        isps=_set(raw.isp),
        hub_uplinks=_set(raw.hub_uplink),
        health=states,
        down=None if not words else not states,
        drained=raw.drained,
        times=raw.time or (),
        hub_prefixes=raw.hub_prefix or (),
        branch_prefixes=raw.branch_prefix or (),
    )


def _set(written: Iterable[str] | None) -> frozenset[str]:
    return frozenset(written or ())


def _change(raw: RawRule, below: Failback) -> RuleChange:
    wanted = raw.set
    return RuleChange(
        prefer=wanted.prefer,
        metered=Metered(wanted.metered) if wanted.metered else None,
        ignore_degraded="degraded" in (wanted.ignore or ()),
        failback=changed_failback(wanted.failback, below) if wanted.failback else None,
    )


def changed_failback(raw: RawFailback, below: Failback) -> Failback:
    """What is written of failback; the rest stays as it was."""
    return Failback(
        mode=FailbackMode(raw.mode) if raw.mode else below.mode,
        hold=raw.hold if raw.hold is not None else below.hold,
        windows=raw.windows if raw.windows is not None else below.windows,
        remind_after=_reminder(raw.remind_after, below.remind_after),
    )


def _reminder(raw: timedelta | str | None, below: timedelta | None) -> timedelta | None:
    if raw is None:
        return below
    return raw if isinstance(raw, timedelta) else None
