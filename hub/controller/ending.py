"""How a change that is in force comes to its end, for whoever asked for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from hub.control.lines import Message
from hub.controller.loop import Loop
from policies.forwarding import carrying
from policies.plan import Plan
from policies.transition import Transition, still_carrying

LEAVE_WITHIN = 30.0
"""Seconds that an apply waits for traffic to leave the tunnels that go; it goes on in the background after that."""
MOVED_WITHIN = 5.0
"""Seconds that it waits for branches to be seen on the tunnels to which they move at once."""
LOOK_EVERY = 0.1
_NOT_REMOVED = (
    "tunnels: the provisioner has not answered yet: what is wanted no more is still there, and goes when it does"
)


@dataclass(frozen=True, slots=True)
class Applied:
    """An Applied is how an apply ended: `waiting` are the tunnels that still carry traffic and go when they don't.

    `moved` are the branches that were to move, each with the tunnel that was seen to carry it at the end.
    `made` are the changes of tunnels, uplinks and the firewall that the provisioner told of.
    """

    plan: Plan
    waiting: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    moved: tuple[tuple[str, str | None], ...] = ()
    made: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A Taken is a change that is in force, and not yet at its end: `finishing` removes what is wanted no more.

    `made` are the changes that the provisioner made before it came into force.
    """

    plan: Plan
    change: Transition
    problems: tuple[str, ...]
    finishing: asyncio.Task[tuple[Message, ...]]
    made: tuple[Message, ...] = ()


async def ended(taken: Taken, loop: Loop) -> Applied:
    """How it ended. Others have their turn meanwhile: to confirm it, or to go back."""
    until = time.monotonic() + LEAVE_WITHIN
    waiting: tuple[str, ...] = ()
    problems = taken.problems
    await asyncio.wait([taken.finishing], timeout=LEAVE_WITHIN)
    if taken.finishing.cancelled():
        waiting = tuple(sorted(map(str, taken.change.leaving)))
    elif not taken.finishing.done():
        # With the final configuration in force what carries by the name of one that was left is the one made anew.
        left = loop.intent is not taken.change.final
        carrying_still = still_carrying(taken.change, loop.view, loop.now().monotonic) if left else ()
        waiting = tuple(sorted(map(str, carrying_still)))
        problems = problems if waiting else (*problems, _not_finished(taken.change))
    made = (*taken.made, *_removed(taken.finishing))
    return Applied(taken.plan, waiting, problems, await _moved(taken.plan, loop, until), made)


def _not_finished(change: Transition) -> str:
    """Nothing carries traffic that is to go, and something is still done about it."""
    if not change.leaving:
        return _NOT_REMOVED
    left = ", ".join(sorted(map(str, change.leaving)))
    return (
        f"tunnels: no traffic is on {left} any more, and what comes of that is not done yet: ExaBGP or the provisioner "
        "has not answered; it is done when they do (pointsman status)"
    )


def _removed(finishing: asyncio.Task[tuple[Message, ...]]) -> tuple[Message, ...]:
    is_over = finishing.done() and not finishing.cancelled() and finishing.exception() is None
    return finishing.result() if is_over else ()


async def _moved(planned: Plan, loop: Loop, until: float) -> tuple[tuple[str, str | None], ...]:
    """The branches that were to move at once, with what is seen to carry them."""
    to = {branch.branch: branch.to for branch in planned.branches if branch.to is not None}
    until = min(until, time.monotonic() + MOVED_WITHIN)
    while True:
        seen = _carried(to, loop)
        if seen == to or time.monotonic() >= until:
            return tuple(seen.items())
        await asyncio.sleep(LOOK_EVERY)


def _carried(names: Iterable[str], loop: Loop) -> dict[str, str | None]:
    branches, view = loop.intent.branches, loop.view
    found = {name: carrying(branches[name], view) for name in names if name in branches}
    return {name: one.active.name if one and one.active else None for name, one in found.items()}
