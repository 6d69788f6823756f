"""What an operator asks for becomes an override, or is refused and told why. Pure; it is numbered when it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from policies.model.clock import Now
from policies.model.intent import Intent
from policies.model.overrides import Author, Drain, Freeze, Overrides, Scope, Switch, Target
from policies.model.view import View
from policies.overrides.errors import NotDoneError
from policies.overrides.isolation import isolated_by
from policies.overrides.schedule import begins_by_branch, drained_by, turns_of
from policies.overrides.targets import NoTargetError, read_branch, read_target, read_tunnel_of
from policies.overrides.times import checked_length, read_time, shown

MOST = 500
"""Overrides at a time: more were made by a program that has lost its head."""
LONGEST_REASON = 200
ALL_AT_ONCE = "all"
"""What is written as a rate for no rate at all."""
DEFAULT_RATE = 60.0
"""Branches a minute of a drain of an ISP or of the hub where nothing else is said: time to stop one that goes wrong."""
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Beside:
    """A Beside is what a command is judged by: the configuration, what is believed, who asks, and the time.

    `overrides` are those that are in force or scheduled.
    """

    intent: Intent
    view: View
    overrides: Overrides
    author: Author
    now: Now

    @property
    def moment(self) -> datetime:
        """The time, in UTC: between two times of a zone the clock may have been put back."""
        return self.now.wall.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wanted is what is said with every override: how long or until when, from when, and why."""

    lasts: timedelta | None = None
    until: str | None = None
    at: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainWanted:
    """A DrainWanted is a drain as it was asked for.

    `rate` is branches a minute, 0 for all at once, None for as many as is usual for the target.
    """

    target: str
    when: Wanted
    rate: float | None = None
    force: bool = False


def new_drain(wanted: DrainWanted, beside: Beside) -> Drain:
    """The drain that was asked for.

    Raises:
        NotDoneError: there is no such target, the time cannot be, it would be over before it comes to its last
            branch, or it would isolate a branch and is not forced.
    """
    target = read_target(wanted.target, beside.intent)
    _check_count(beside.overrides)
    begins, until, reason = _times(wanted.when, beside)
    _forcible(reason, force=wanted.force)
    rate = wanted.rate if wanted.rate is not None else _usual_rate(target, beside.intent)
    drain = Drain(0, beside.author, beside.moment, begins, until, reason, target, wanted.force, rate)
    drain = replace(drain, turns=turns_of(drain, beside.intent))
    _check_rolls_out(drain, beside)
    if not wanted.force:
        _check_isolation(drain, begins, until, beside)
    return drain


def extended(wanted: str, by: timedelta, beside: Beside, *, force: bool, reason: str = "") -> Drain:
    """The drain that is named, with its new end; a reason takes the place of the one that was said before.

    Raises:
        NotDoneError: there is no such drain, it has no end, or would isolate a branch with another that is scheduled.
    """
    reason = _forcible(read_reason(reason), force=force)
    drain = named_drain(wanted, beside, "extend")
    if drain.until is None:
        raise NotDoneError(f"drain {drain.number} of {drain.target.text} has no end: there is nothing to extend")
    until = drain.until + by
    checked_length(until - drain.begins)
    if not (force or drain.forced):
        _check_isolation(drain, max(drain.until, beside.moment), until, beside)
    return replace(drain, until=until, reason=reason or drain.reason, forced=drain.forced or force)


def named_drain(text: str, beside: Beside, verb: str) -> Drain:
    """The one drain that is named by its number or by its target, as it was written.

    Raises:
        NotDoneError: there is none of that name, or several.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and text not in beside.intent.branches:
        return _numbered(int(text[:9]), beside.overrides)
    same = [drain for drain in beside.overrides.drains if drain.target.text == text]
    if len(same) == 1:
        return same[0]
    if not same:
        raise NotDoneError(_no_drain_of(text, beside))
    each = "; ".join(f"{drain.number} {_when(drain, beside.now)} by {drain.author.user}" for drain in same)
    raise NotDoneError(f"there are {len(same)} drains of {text} ({each}): say the number of the one to {verb}")


def new_switch(branch: str, to: str, when: Wanted, beside: Beside) -> tuple[Switch, tuple[Switch, ...]]:
    """The switch that was asked for, and those of the same branch that it takes the place of.

    Raises:
        NotDoneError: there is no such branch or tunnel, or the time cannot be.
    """
    tunnel = read_tunnel_of(read_branch(branch, beside.intent), to)
    _check_count(beside.overrides)
    begins, until, reason = _times(when, beside)
    switch = Switch(0, beside.author, beside.moment, begins, until, reason, tunnel.branch, tunnel.name)
    return switch, tuple(one for one in beside.overrides.switches if one.branch == tunnel.branch)


def switches_of(branch: str, beside: Beside) -> tuple[Switch, ...]:
    """The switches of a branch, which may be one that is no longer configured.

    Raises:
        NotDoneError: there is none.
    """
    branch = branch.strip()
    found = tuple(switch for switch in beside.overrides.switches if switch.branch == branch)
    if not found:
        read_branch(branch, beside.intent)
        raise NotDoneError(f"{branch} is not switched: its policy decides")
    return found


def new_freeze(when: Wanted, beside: Beside) -> Freeze:
    """The freeze that was asked for.

    Raises:
        NotDoneError: the time cannot be.
    """
    _check_count(beside.overrides)
    begins, until, reason = _times(when, beside)
    return Freeze(0, beside.author, beside.moment, begins, until, reason)


def named_freeze(number: int | None, beside: Beside) -> Freeze:
    """The freeze of this number, or without one the only one there is.

    Raises:
        NotDoneError: there is none, or several and no number.
    """
    freezes = beside.overrides.freezes
    found = [freeze for freeze in freezes if number in (None, freeze.number)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotDoneError("nothing is frozen" if number is None else f"there is no freeze {number}")
    each = "; ".join(f"{freeze.number} {_when(freeze, beside.now)} by {freeze.author.user}" for freeze in freezes)
    raise NotDoneError(f"there are {len(found)} freezes ({each}): say the number of the one to end")


def still_drained(ended: Drain, left: Overrides, beside: Beside) -> tuple[str, ...]:
    """Which tunnels of a drain that ended are drained all the same, one sentence for each other drain."""
    tunnels = ended.target.tunnels(beside.intent)
    by: dict[Drain, list[str]] = {}
    for tunnel, drains in sorted(drained_by(left, beside.intent, beside.now.wall).items()):
        if tunnel in tunnels:
            for drain in drains:
                by.setdefault(drain, []).append(str(tunnel))
    return tuple(
        f"{_listed(names)} {'stays' if len(names) == 1 else 'stay'} drained{_until(drain, beside.now)}"
        f" by drain {drain.number} of {drain.target.text}"
        for drain, names in sorted(by.items(), key=lambda item: item[0].number)
    )


def read_reason(text: str) -> str:
    """A reason as it is shown to others: one line.

    Raises:
        NotDoneError: it has more lines, or what a terminal would obey.
    """
    text = text.strip()
    if len(text) > LONGEST_REASON or not text.isprintable():
        raise NotDoneError(f"a reason is one line of at most {LONGEST_REASON} characters")
    return text


def _forcible(reason: str, *, force: bool) -> str:
    if force and not reason:
        raise NotDoneError("--force needs a --reason: whoever finds the branch cut off must be able to read why")
    return reason


def _times(when: Wanted, beside: Beside) -> tuple[datetime, datetime | None, str]:
    begins = read_time(when.at, beside.now.wall) if when.at is not None else beside.moment
    until = None
    if when.lasts is not None:
        until = begins + checked_length(when.lasts)
    elif when.until is not None:
        until = read_time(when.until, beside.now.wall)
        if until <= begins and "-" not in when.until:
            until = read_time(when.until, begins.astimezone(beside.now.wall.tzinfo))
        if until <= begins:
            raise NotDoneError(f"it would end ({when.until}) before it begins ({when.at})")
        checked_length(until - begins)
    return begins, until, read_reason(when.reason)


def _check_count(overrides: Overrides) -> None:
    if len(overrides.all()) + len(overrides.failback) >= MOST:
        raise NotDoneError(f'there are {MOST} overrides already: end some first ("pointsman overrides" names them)')


def _usual_rate(target: Target, intent: Intent) -> float:
    """One branch after the other where many are meant that have nothing to do with each other."""
    many = len({tunnel.branch for tunnel in target.tunnels(intent)}) > 1
    return DEFAULT_RATE if many and target.scope in (Scope.ISP, Scope.HUB, Scope.HUB_UPLINK) else 0.0


def _check_rolls_out(drain: Drain, beside: Beside) -> None:
    """A drain that goes from branch to branch comes to all of them before it is over."""
    turns = begins_by_branch(drain, beside.intent)
    name, last = max(turns.items(), key=lambda turn: turn[1])
    if drain.until is None or last < drain.until:
        return
    wall = beside.now.wall
    pace = f"{drain.rate:g} branches a minute" if drain.rate >= 1 else f"{60 * drain.rate:g} branches an hour"
    raise NotDoneError(
        f"at {pace} the last of its {len(turns)} branches, {name}, has its turn at "
        f"{shown(last, wall)}, and the drain ends at {shown(drain.until, wall)}: let it last longer, or be faster "
        "(--rate all: all at once)"
    )


def _check_isolation(drain: Drain, begins: datetime, until: datetime | None, beside: Beside) -> None:
    others = replace(beside.overrides, drains=tuple(d for d in beside.overrides.drains if d.number != drain.number))
    tunnels = drain.target.tunnels(beside.intent)
    found = isolated_by(tunnels, beside.intent, beside.view, others, beside.now, begins=begins, until=until)
    if found:
        text = f"draining {drain.target.text} would isolate {_isolated(found)}"
        raise NotDoneError(f"{text}. Use --force with a --reason to do it all the same")


def _isolated(found: Mapping[str, str]) -> str:
    if len(found) == 1:
        return "".join(f"{branch}: {reason}" for branch, reason in found.items())
    each = [f"{branch} ({reason})" for branch, reason in found.items()]
    return _listed(each)


def _numbered(number: int, overrides: Overrides) -> Drain:
    for override in overrides.all():
        if override.number == number and isinstance(override, Drain):
            return override
        if override.number == number:
            verb = f"unswitch {override.branch}" if isinstance(override, Switch) else "unfreeze"
            raise NotDoneError(f"{number} is no drain: pointsman {verb}")
    raise NotDoneError(f'there is no drain {number}: "pointsman overrides" names those that there are')


def _no_drain_of(text: str, beside: Beside) -> str:
    """Why there is nothing to end or to extend: not drained at all, or by another drain that means more."""
    meant = Target(text).tunnels(beside.intent)
    for drain in beside.overrides.drains:
        if meant & drain.target.tunnels(beside.intent):
            return f"{text} has no drain of its own: it is meant by drain {drain.number} of {drain.target.text}"
    try:
        read_target(text, beside.intent)
    except NoTargetError as error:
        return str(error)
    return f"{text} is not drained"


def _when(override: Drain | Freeze, now: Now) -> str:
    begun = override.begins <= max(now.wall, override.made)
    start = "now" if begun else f"from {shown(override.begins, now.wall)}"
    return f"{start}{_until(override, now)}"


def _until(override: Drain | Freeze, now: Now) -> str:
    return f" until {shown(override.until, now.wall)}" if override.until is not None else ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
