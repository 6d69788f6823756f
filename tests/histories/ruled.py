"""Rules, drawn: by hub prefix, by time of day, by what is bad, dead or drained; and a policy that may not go back."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

from histories.controller import wall
from histories.situation import HUB_PREFIXES, NAMES, Situation
from histories.timeline import START
from policies.model.clock import Instant, Now
from policies.model.health import HealthState
from policies.model.ids import Prefix, lies_within
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.schedule import local

PARTS: tuple[Prefix, ...] = (
    ip_network("10.0.10.0/24"),
    ip_network("10.0.90.0/24"),
    ip_network("10.0.0.0/20"),
    ip_network("172.16.0.0/25"),
    ip_network("2001:db8:0:10::/64"),
    ip_network("2001:db8::/56"),
)
"""Parts of what the hub announces, also parts of each other, and such as the probes of the way back come from."""
CALM_FROM = 400.0
"""Seconds after which no window begins or ends any more."""
MODES = (FailbackMode.AUTOMATIC, FailbackMode.MANUAL, FailbackMode.NEVER, FailbackMode.WINDOW)


def ruled(rng: random.Random, situation: Situation) -> Situation:
    """The same network with rules."""
    rules = tuple(_rule(rng, situation, number) for number in range(rng.choice((1, 1, 2, 3))))
    mode = rng.choice((FailbackMode.AUTOMATIC, FailbackMode.AUTOMATIC, FailbackMode.AUTOMATIC, *MODES))
    return replace(
        situation,
        rules=rules,
        failback=mode,
        windows=(_window(rng),) if mode is FailbackMode.WINDOW else (),
        metered=frozenset(rng.sample(NAMES, rng.choice((0, 0, 1, 1, 2)))),
    )


def _rule(rng: random.Random, situation: Situation, number: int) -> Rule:
    announced = tuple(HUB_PREFIXES[i] for i in situation.hub_prefixes)
    parts = [p for p in (*PARTS, *announced) if lies_within(p, announced)]
    prefixes = tuple(rng.sample(parts, min(len(parts), rng.choice((0, 1, 1, 1, 1, 2)))))
    return Rule(f"rule {number}", replace(_condition(rng), hub_prefixes=prefixes), _change(rng, situation))


def _condition(rng: random.Random) -> Condition:
    one = frozenset(rng.sample(NAMES, 1)) if rng.random() < 0.7 else frozenset[str]()
    match rng.choice(("always",) * 5 + ("time", "time", "degraded", "down", "drained")):
        case "time":
            return Condition(times=(_window(rng),))
        case "degraded":
            return Condition(tunnels=one, health=frozenset({HealthState.DEGRADED}), down=False)
        case "down":
            return Condition(tunnels=one, down=True)
        case "drained":
            return Condition(tunnels=one, drained=True)
        case _:
            return Condition()


def _change(rng: random.Random, situation: Situation) -> RuleChange:
    failback = None
    if rng.random() < 0.4:
        mode, hold = rng.choice(MODES), timedelta(seconds=situation.failback_hold)
        failback = Failback(mode, hold, (_window(rng),) if mode is FailbackMode.WINDOW else ())
    return RuleChange(
        prefer=_prefer(rng, situation) if rng.random() < 0.8 else None,
        metered=rng.choice(tuple(Metered)) if rng.random() < 0.3 else None,
        ignore_degraded=rng.random() < 0.3,
        failback=failback,
    )


def _prefer(rng: random.Random, situation: Situation) -> tuple[str, ...]:
    """Most often first what the policy has not first: else nothing would be steered."""
    names = NAMES[: situation.tunnels]
    first = rng.choice((*names[1:], *names[1:], names[0]))
    return (first, *rng.sample([name for name in NAMES if name != first], len(NAMES) - 1))


def _window(rng: random.Random) -> TimeWindow:
    """Some seconds or minutes of the day on which a history is played; it may last into the next."""
    begins = START + rng.choice((0.0, 10.0, 40.0, 110.0, 200.0)) + rng.randrange(10)
    ends = begins + rng.choice((2, 15, 40, 150))
    first, last = (local(Now(Instant(at), wall(at)), "Asia/Jakarta") for at in (begins, ends))
    return TimeWindow(frozenset({first.weekday()}), first.time(), last.time())
