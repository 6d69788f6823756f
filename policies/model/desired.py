"""Desired: what should be, whole, for every target. Workers compare it with what is and do the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.model.announcement import Announcements
from policies.model.ids import Prefix, TunnelId


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """A ClassOrder tells the forwarder which tunnel carries a class, and which ones may, in order.

    `based_on_epoch` is the epoch of the class that the order was computed from; an older one is refused. `sources` are
    those whose packets it forwards, empty for all others.
    """

    name: str
    branch: str
    prefixes: tuple[Prefix, ...]
    order: tuple[TunnelId, ...]
    active: TunnelId | None
    reason: str
    based_on_epoch: int
    sources: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class Desired:
    """A Desired is the wanted state of sessions, forwarding and observation.

    `announcements` has a key for every tunnel whose session should carry a set, the empty one included; a tunnel
    without a key is left alone. `urgent` are the tunnels whose announcements must overtake everything else.
    `look` are the branches whose return path must be watched closely now. `close` are the sessions to be closed,
    because their tunnel is dead and the branch's reconnection would be refused.
    """

    announcements: Mapping[TunnelId, Announcements] = field(default_factory=dict)
    urgent: frozenset[TunnelId] = frozenset()
    classes: Mapping[str, ClassOrder] = field(default_factory=dict)
    unreachable: tuple[Prefix, ...] = ()
    look: frozenset[str] = frozenset()
    close: frozenset[TunnelId] = frozenset()
