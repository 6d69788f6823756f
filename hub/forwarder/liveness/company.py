"""What tunnels are to each other when one of them is silent: witnesses, or fellow sufferers of a fault of the hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from hub.forwarder.liveness.model import TunnelSpec

SAME_MOMENT = 50_000_000
"""Nanoseconds: silences that began so close to each other, or within one interval, are of one moment."""
_LATE = 2_000_000


class Member(Protocol):
    """A Member is a tunnel as others see it: when it was heard last, how often it is heard, how soon it answers."""

    spec: TunnelSpec

    @property
    def heard_at(self) -> int | None:
        """When anything came over it last."""
        ...

    @property
    def answered_at(self) -> int | None:
        """When it last answered something that was asked over it."""
        ...

    @property
    def answers_within(self) -> int:
        """Nanoseconds in which an answer is here as a rule; 0 while that is not known."""
        ...

    @property
    def interval(self) -> int:
        """Nanoseconds: the longest time between two packets of a tunnel that loses none."""
        ...

    @property
    def lives(self) -> bool:
        """Whether it is up."""
        ...

    def probe(self, now: int) -> None:
        """Ask over it."""


class Company:
    """A Company knows all tunnels, and those of each branch."""

    def __init__(self, everyone: Callable[[], Iterable[Member]], of_branch: Callable[[str], Iterable[Member]]) -> None:
        self._everyone = everyone
        self._of_branch = of_branch

    def unlike_is_silent(self, member: Member, now: int) -> bool:
        """Whether a tunnel of another ISP and of another uplink of the hub fell silent in the same moment.

        One ISP's outage, or one uplink's, is not that; two at once are rarer than a hub that slept.
        """
        spec, since = member.spec, member.heard_at
        if since is None:
            return False
        return any(
            other.heard_at is not None
            and abs(other.heard_at - since) <= max(SAME_MOMENT, member.interval)
            and other.heard_at + other.interval + _LATE <= now
            and _differ(other.spec.isp, spec.isp)
            and _differ(other.spec.hub_uplink, spec.hub_uplink)
            for other in self._everyone()
        )

    def ask_witnesses(self, member: Member, now: int) -> None:
        """Ask over the other live tunnels of the branch."""
        for witness in self._witnesses(member):
            witness.probe(now)

    def witness(self, member: Member, within: int) -> tuple[int | None, str]:
        """When another live tunnel of the branch last showed that it works, and which; None if there is none.

        Where it answers `within` so many nanoseconds as a rule, only an answer shows that: if its answers are late
        too, it is the hub or the branch that is slow, and not a line that is dead.
        """
        shown = ((_shown(each, within), each.spec.name) for each in self._witnesses(member))
        return max(((at, name) for at, name in shown if at is not None), default=(None, ""))

    def _witnesses(self, member: Member) -> list[Member]:
        name, branch = member.spec.name, member.spec.branch
        return [other for other in self._of_branch(branch) if other.spec.name != name and other.lives]


def _shown(witness: Member, within: int) -> int | None:
    return witness.answered_at if 0 < witness.answers_within <= within else witness.heard_at


def _differ(one: str, other: str) -> bool:
    """What is not known is not taken for different."""
    return bool(one and other) and one != other
