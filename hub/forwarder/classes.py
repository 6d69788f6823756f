"""The forwarder's own decisions: which tunnel carries each forwarding class. Pure: states and time in, classes out.

A class moves by itself only when its active tunnel is dead: to the first live one of its order, or, when none is live,
to the first of which nothing is known. It never moves back: that is policy, and the controller's. When every tunnel of
the order is dead it stays where it is: its packets go into a tunnel, so nothing leaks, and a branch of which only the
liveness daemon died is not cut off.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

TunnelState = Literal["up", "down", "unknown"]
TunnelStates = Mapping[str, TunnelState]
"""What is known of each tunnel; one that is missing is unknown."""
LARGEST_EPOCH = (1 << 53) - 1
"""What every reader of JSON can hold."""


@dataclass(frozen=True, slots=True)
class Order:
    """An Order is what the controller wants of one class, computed from the class as it was at `based_on_epoch`.

    `active` None leaves the choice to the forwarder: where the class is now, or else the first live tunnel. `sources`
    are as in `ForwardingClass`.
    """

    name: str
    branch: str
    prefixes: tuple[str, ...]
    order: tuple[str, ...]
    active: str | None
    reason: str
    based_on_epoch: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForwardingClass:
    """A ForwardingClass is the prefixes of a branch that share one order of tunnels, and the tunnel that carries them.

    `epoch` counts the forwarder's own moves; `since_ns` (monotonic) is when `active` became what it is. `sources` are
    the prefixes from which packets must come to be of this class; empty, it is for packets from everywhere.
    """

    name: str
    branch: str
    prefixes: tuple[str, ...]
    order: tuple[str, ...]
    active: str | None
    epoch: int
    since_ns: int
    reason: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Refusal is an order that is not obeyed: `why`, and the `epoch` that a new one must be based on."""

    name: str
    why: str
    epoch: int


def holder(order: Order, classes: Iterable[ForwardingClass]) -> str | None:
    """The name of another class that has some of the order's prefixes for the same source; None when no class has."""
    wanted, sources = set(order.prefixes), set(order.sources)
    for each in classes:
        same = not sources.isdisjoint(each.sources) or not (sources or each.sources)
        if same and each.name != order.name and not wanted.isdisjoint(each.prefixes):
            return each.name
    return None


def following(epoch: int) -> int:
    """The epoch after a move. The last one, which only a wrong order or state file can name, is followed by itself: an
    epoch that cannot be read again would cost the whole state file."""
    return min(epoch + 1, LARGEST_EPOCH)


def state_of(tunnel: str | None, states: TunnelStates) -> TunnelState:
    """What is known of a tunnel; of no tunnel, that it is dead."""
    return "down" if tunnel is None else states.get(tunnel, "unknown")


def choose(order: Iterable[str], states: TunnelStates) -> str | None:
    """The first live tunnel; else the first of which nothing is known, which is better than a dead one; else None."""
    wanted = tuple(order)
    for state in ("up", "unknown"):
        for tunnel in wanted:
            if state_of(tunnel, states) == state:
                return tunnel
    return None


def fail_over(
    classes: Iterable[ForwardingClass],
    states: TunnelStates,
    now_ns: int,
    reasons: Mapping[str, str],
    watched: Container[str] | None = None,
) -> tuple[ForwardingClass, ...]:
    """The classes that move now, as they are after the move; `reasons` says why each dead tunnel is dead.

    A tunnel that is not `watched` any more (None: all are) would never be known to die. A class leaves it as soon as a
    tunnel of its order lives, for the controller may be gone before it says where the class shall go.
    """
    moved = []
    for current in classes:
        if watched is not None and current.active is not None and current.active not in watched:
            target = choose(current.order, states)
            if target is not None and target != current.active and state_of(target, states) == "up":
                why = f"{current.active} is not watched any more"
                moved.append(
                    replace(current, active=target, epoch=following(current.epoch), since_ns=now_ns, reason=why)
                )
                continue
        if state_of(current.active, states) != "down":
            continue
        target = choose(current.order, states)
        if target is None:
            continue
        dead = current.active or "no tunnel"
        why = f"{dead} is down: {reasons.get(dead, 'no reason given')}" if current.active else f"{target} is usable"
        moved.append(replace(current, active=target, epoch=following(current.epoch), since_ns=now_ns, reason=why))
    return tuple(moved)


def obey(order: Order, current: ForwardingClass | None, states: TunnelStates, now_ns: int) -> ForwardingClass | Refusal:
    """The class after an order, or why the order is refused: it is too old, or moves the class into a dead tunnel.

    A dead tunnel is accepted as active only where the order has nothing better; a class that is on one then stays.
    """
    epoch = current.epoch if current else 0
    if order.based_on_epoch < epoch:
        why = f"based on epoch {order.based_on_epoch}, but the class is at {epoch}: {current.reason if current else ''}"
        return Refusal(order.name, why, epoch)
    best = choose(order.order, states)
    if order.active is not None and state_of(order.active, states) == "down" and best is not None:
        return Refusal(order.name, f"{order.active} is down, {best} is not", epoch)
    active = _active_after(order, current, states, best)
    stays = current is not None and current.active == active
    return ForwardingClass(
        name=order.name,
        branch=order.branch,
        prefixes=order.prefixes,
        order=order.order,
        active=active,
        epoch=max(epoch, order.based_on_epoch),
        since_ns=current.since_ns if stays and current else now_ns,
        reason=order.reason,
        sources=order.sources,
    )


def obey_but_stay(order: Order, current: ForwardingClass | None, states: TunnelStates, now_ns: int) -> ForwardingClass:
    """The class after an order whose active tunnel was refused: its prefixes and its order count, its tunnel does not.

    Within a whole set a prefix must be in some class, or its route would go.
    """
    present = current.active if current and current.active in order.order else None
    stays = present is not None and state_of(present, states) != "down"
    active = present if stays else choose(order.order, states) or present
    epoch = current.epoch if current else 0
    since = current.since_ns if current is not None and current.active == active else now_ns
    return ForwardingClass(
        name=order.name,
        branch=order.branch,
        prefixes=order.prefixes,
        order=order.order,
        active=active,
        epoch=following(max(epoch, order.based_on_epoch)),
        since_ns=since,
        reason="the order's tunnel was refused",
        sources=order.sources,
    )


def _active_after(order: Order, current: ForwardingClass | None, states: TunnelStates, best: str | None) -> str | None:
    present = current.active if current and current.active in order.order else None
    if order.active is None:
        return present if present and (best is None or state_of(present, states) != "down") else best
    if state_of(order.active, states) == "down" and present:
        return present
    return order.active


def adopt(current: ForwardingClass, active: str, now_ns: int) -> ForwardingClass:
    """The class when the kernel is found to send it over another tunnel than the state file says.

    The kernel is right: the forwarder moved and died before it wrote. It was a move of its own, so the epoch rises.
    """
    if current.active == active:
        return current
    why = f"found on {active} in the kernel"
    return replace(current, active=active, epoch=following(current.epoch), since_ns=now_ns, reason=why)
