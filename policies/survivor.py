"""survivor: which MED each tunnel of a branch announces, so that the branch uses the tunnel that we want it to.

A withdrawal sent into a dead tunnel never arrives. So the tunnel that shall be used, the *chosen* one, is announced
with a value below everything that the branch may still hold from any other. Never a fixed value: two of them tie, and a
tie is a branch that spreads its traffic over a dead tunnel.

The rules, each a few lines below:

1.  While all is well every tunnel announces its standing value: that of its rank, and more when degraded or drained.
2.  The chosen tunnel announces its standing value if that beats all others, else one below the lowest that any other
    may hold. A value that already beats them is left as it is: changing it would gain nothing.
3.  What was lowered is given back (raised) only while the chosen tunnel is live, its session up, its set sent, and
    so long ago that its death meanwhile would be known: a tunnel may be dead for its detection time before we hear of
    it, and what was sent into it never arrives. The chosen one's own value rises once everything that the branch may
    hold from others is worse than its standing value.
4.  A tunnel that is not chosen announces nothing better than the chosen one was *seen* to be sent.
5.  Nothing is announced into a dead tunnel: TCP would deliver it after the heal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.model.ids import TunnelId
from policies.preference import below


@dataclass(frozen=True, slots=True)
class Standing:
    """A Standing is what matters of one tunnel here.

    `med` is its value by its rank and its state; `lowest_held` the lowest that the branch may hold from it; `sent` the
    lowest sent on the present session and `highest_sent` the highest, None before anything was: while a change is on
    its way they differ. `complete` says that the session's whole set has been sent.
    """

    tunnel: TunnelId
    med: int
    alive: bool
    dead: bool
    session_up: bool
    complete: bool
    sent: int | None
    lowest_held: int | None
    highest_sent: int | None = None
    arrived: bool = True
    """Whether what was sent last was sent so long ago that a tunnel that died before would be known to be dead."""
    degraded: bool = False
    drained: bool = False
    left: bool = False
    """Whether the hub still sends over it during a planned move away: it is made worse when that is done."""

    def beats(self, value: int) -> bool:
        """Whether all that was sent on the present session is better than this value."""
        highest = self.sent if self.highest_sent is None else self.highest_sent
        return highest is not None and highest < value

    @property
    def sound(self) -> bool:
        """Live, its session up and its set sent."""
        return self.alive and self.session_up and self.complete

    @property
    def relied_on(self) -> bool:
        """Sound, and what it was sent has arrived: only then may what is better elsewhere be taken back."""
        return self.sound and self.arrived


def spokesman(standings: Sequence[Standing], chosen: TunnelId) -> TunnelId:
    """The tunnel over which the branch is told where to go: the chosen one, unless only another can be told.

    While the chosen tunnel has no session and another is dead, the branch may sit on the dead one until its hold timer
    ends; while two others share a value, it may use both. Any live tunnel is better, so the first that has a session
    stands in.
    """
    the_chosen = next((s for s in standings if s.tunnel == chosen), None)
    needed = any(s.dead for s in standings) or _are_tied(standings)
    if (the_chosen is not None and _can_be_told(the_chosen)) or not needed:
        return chosen
    return next((s.tunnel for s in standings if s.alive and _can_be_told(s)), chosen)


def values(standings: Sequence[Standing], chosen: TunnelId) -> Mapping[TunnelId, int]:
    """The MED to announce on each tunnel; a tunnel without a value is to be left alone. `chosen` is the spokesman."""
    the_chosen = next((s for s in standings if s.tunnel == chosen), None)
    others = [s for s in standings if s.tunnel != chosen]
    wanted: dict[TunnelId, int] = {}
    if the_chosen is not None and _can_be_told(the_chosen):
        wanted[chosen] = _chosen_value(the_chosen, others)
    for other in others:
        value = _other_value(other, the_chosen, [s for s in others if s is not other])
        if value is not None:
            wanted[other.tunnel] = value
    return wanted


def _are_tied(standings: Sequence[Standing]) -> bool:
    sent = [s.sent for s in standings if s.sent is not None]
    return len(set(sent)) < len(sent)


def _can_be_told(standing: Standing) -> bool:
    return standing.session_up and not standing.dead


def _chosen_value(chosen: Standing, others: Sequence[Standing]) -> int:
    held = [other.lowest_held for other in others if other.lowest_held is not None]
    rivals = [value for other in others for value in _rival_values(other, chosen, others)]
    value = _value_below(rivals, chosen, others)
    # Another that is about to rise is no rival, but its value must not be met either before it has risen.
    return _value_below([*rivals, *held], chosen, others) if value in held else value


def _value_below(rivals: Sequence[int], chosen: Standing, others: Sequence[Standing]) -> int:
    lowest = min(rivals, default=None)
    if lowest is None:
        return chosen.med
    # It rises only when nothing has to be seen first, or it would meet another's value on the way. That holds of dead
    # ones too: what they last were told does not become the best by it.
    # What was just sent over another may come after the rise: the branch would go there and back.
    beaten = all(
        other.lowest_held is not None and other.lowest_held > chosen.med and (other.arrived or not other.alive)
        for other in others
    )
    if chosen.med < lowest and (beaten or chosen.sent is None or chosen.sent >= chosen.med):
        return chosen.med
    if chosen.sent is not None and chosen.sent < lowest:
        return chosen.sent
    return below(lowest)


def _rival_values(other: Standing, chosen: Standing, others: Sequence[Standing]) -> list[int]:
    """The values of this tunnel that the chosen one has to beat: what the branch may hold, and what it will be told.

    Of a tunnel of which nothing is known, the branch may hold its usual value since before we were there.
    """
    giving_back = _gives_back(other, chosen, others)
    held = [] if giving_back else [other.med if other.lowest_held is None else other.lowest_held]
    told = [other.med] if _can_be_told(other) else []
    return held + told


def _gives_back(other: Standing, chosen: Standing, others: Sequence[Standing]) -> bool:
    """Whether a lowered value is raised now, which by itself makes the chosen tunnel the better one again.

    Two that are both better than the chosen one would wait for each other: it has to beat them first. And one that is
    degraded or drained is beaten first, over the tunnel that is well: what is sent over the bad one may come late.
    """
    if (other.degraded or other.drained) and other.lowest_held is not None and not chosen.beats(other.lowest_held):
        return False
    if not (_is_lowered(other) and chosen.relied_on and chosen.beats(other.med)):
        return False
    lowered = (s.lowest_held for s in others if s is not other and _is_lowered(s))
    return all(held is None or chosen.beats(held) for held in lowered)


def _is_lowered(standing: Standing) -> bool:
    return standing.sound and standing.sent is not None and standing.sent < standing.med


def _other_value(other: Standing, chosen: Standing | None, rest: Sequence[Standing]) -> int | None:
    if not _can_be_told(other):
        return None
    if chosen is None or not _can_be_told(chosen):
        # Nobody better can be announced, so this one is told what it may hold: its own value.
        return other.med if other.sent is None else min(other.sent, other.med)
    beaten = chosen.beats(other.med)
    if other.left and (other.degraded or other.drained) and other.sent is not None:
        return other.sent
    if other.sent is None:
        return other.med if beaten else None
    if other.sent < other.med:
        best = beaten and all(s.lowest_held is None or chosen.beats(s.lowest_held) for s in rest)
        return other.med if chosen.relied_on and best else other.sent
    return other.med if beaten else other.sent
