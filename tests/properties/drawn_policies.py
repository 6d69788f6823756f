"""Whole policies, drawn: preferences, metered modes, failback modes, marks, and rules over all that rules may ask."""

from __future__ import annotations

from datetime import time, timedelta
from ipaddress import ip_network

from dice import Dice

from policies.model.health import Damping, HealthState
from policies.model.ids import Prefix
from policies.model.policy import (
    Announce,
    Condition,
    Failback,
    FailbackMode,
    Marks,
    Metered,
    Policy,
    Rule,
    RuleChange,
    TimeWindow,
)

NAMES = ("fiber", "wireless", "lte", "satellite")
KINDS = ("fiber", "wireless", "lte")
ISPS = ("telkom", "indosat", "biznet")
BRANCH = "bandung"
HUB_PREFIXES: tuple[Prefix, ...] = (ip_network("10.0.0.0/16"), ip_network("172.16.0.0/24"), ip_network("2001:db8::/48"))
STEERED: tuple[Prefix, ...] = (
    ip_network("10.0.10.0/24"),
    ip_network("10.0.10.128/25"),
    ip_network("10.0.0.0/17"),
    *HUB_PREFIXES,
)
"""What rules name: parts of what the hub announces, also parts of each other, halves, and the whole of it."""
HOLDS = (60.0, 10.0, 300.0)
MODES = tuple(FailbackMode)
DAMPING = Damping(timedelta(minutes=5), 3.0, 1.0, timedelta(minutes=30))


def prefer(dice: Dice) -> tuple[str, ...]:
    """Names and kinds, not all of them."""
    return dice.some((*NAMES, "5g"), 4)


def metered(dice: Dice) -> Metered:
    """A mode."""
    return dice.one(Metered.WHEN_DEGRADED, Metered.LAST_RESORT, Metered.ALLOWED)


def window(dice: Dice) -> TimeWindow:
    """A time of the week, some of them over midnight, some of a whole day."""
    days = dice.one(frozenset(range(7)), frozenset(range(5)), frozenset({5, 6}), frozenset({2}))
    begins = dice.one(time(8), time(0), time(18), time(22))
    return TimeWindow(days, begins, dice.one(time(18), time(0), time(5), time(12), time(23, 30)))


def failback(dice: Dice, modes: tuple[FailbackMode, ...] = MODES) -> Failback:
    """Going back in one of these modes."""
    mode = dice.one(*modes)
    hold = timedelta(seconds=dice.one(*HOLDS))
    return Failback(mode, hold, (window(dice),) if mode is FailbackMode.WINDOW else ())


def condition(dice: Dice) -> Condition:
    """Most often one or two things are asked, of everything that may be."""
    asked: dict[str, object] = {}
    for what in dice.some(("nothing", *_ASKED), 2):
        match what:
            case "health":
                asked |= {"health": frozenset(dice.some(tuple(HealthState), 2)) or {HealthState.UP}, "down": False}
            case "down" | "drained":
                asked[what] = dice.one(True, False)
            case "times":
                asked["times"] = (window(dice),)
            case "nothing":
                pass
            case _:
                values = _ASKED[what]
                asked[what] = frozenset(dice.some(values, 2)) or frozenset(values[:1])
    if dice.one(True, False):
        asked["hub_prefixes"] = dice.some(STEERED, 2) or STEERED[:1]
    return Condition(**asked)  # type: ignore[arg-type]


_ASKED: dict[str, tuple[str, ...]] = {
    "branches": (BRANCH, "solo"),
    "tunnels": NAMES,
    "kinds": KINDS,
    "isps": ISPS,
    "hub_uplinks": ("telkom", "biznet"),
    "health": (),
    "down": (),
    "drained": (),
    "times": (),
}


def change(dice: Dice, modes: tuple[FailbackMode, ...] = MODES) -> RuleChange:
    """What a rule sets."""
    return RuleChange(
        prefer(dice) if dice.one(True, False) else None,
        metered(dice) if dice.odds(3) else None,
        dice.odds(3),
        failback(dice, modes) if dice.odds(4) else None,
    )


def wish(dice: Dice) -> RuleChange | None:
    """What a script says; most often nothing."""
    if not dice.odds(4):
        return None
    return RuleChange(
        prefer(dice) if dice.one(True, False) else None, metered(dice) if dice.odds(3) else None, dice.odds(3)
    )


def announce(dice: Dice) -> Announce:
    """The arithmetic of MED, and marks of what is not well."""
    withdrawn = Marks(communities=((65000, 2),), withdraw=True)
    return Announce(
        first=1000,
        step=dice.one(100, 1),
        add_degraded=dice.one(4000, 100),
        add_drained=dice.one(8000, 4000),
        degraded=dice.one(Marks(), Marks(), withdrawn),
        drained=dice.one(Marks(), Marks(), withdrawn),
        more_specifics=dice.odds(4),
    )


def policy(dice: Dice, modes: tuple[FailbackMode, ...] = MODES) -> Policy:
    """A whole policy; it goes back in these modes."""
    rules = [Rule(f"rule {n}", condition(dice), change(dice, modes)) for n in range(dice.one(0, 1, 1, 2, 3))]
    return Policy(
        name="drawn",
        prefer=prefer(dice),
        metered=metered(dice),
        failback=failback(dice, modes),
        announce=announce(dice),
        damping=dice.one(DAMPING, None),
        rules=tuple(rules),
    )
