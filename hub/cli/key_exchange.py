"""The steps by which one tunnel gets new keys: drained, both ends, verified, undrained; or all of it taken back.

However it ends, one line says which keys hold, and the next what to run.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.key_bringing import NotBroughtError, Wishes, bring
from hub.cli.key_kinds import Held, Kind, Words, kind_of
from hub.cli.saying import line
from hub.control.client import NotRunningError, RefusedError
from hub.control.places import SYSTEM_CONFIG
from hub.provisioner.changes import ProvisionError

if TYPE_CHECKING:
    from policies.model.intent import Intent

Report = dict[str, Any]
_ASK_EVERY = 0.5
_CALL_EVERY = 5.0
"""Seconds after which a hub that may begin does so once more: a branch that refused it may have its text now."""
_DRAINED_FOR = "2h"
"""A drain that this command cannot end any more, because it was killed, ends by itself."""
LIVE_SECONDS = 60.0
"""How long a tunnel with new keys may take until it answers and has its session again."""
_INTERRUPTED, _UNTOUCHED = "interrupted", "nothing was changed, its keys are those it had"


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub is whom to ask. `idle` waits until a drain is reached, and returns why it is not, else nothing.

    All three raise RefusedError and NotRunningError. `config` is the directory of its files. `said` is how a text with
    commands is printed, so that they name the hub that was named.
    """

    controller: Callable[[Report], Report]
    provisioner: Callable[[Report], Report]
    idle: Callable[[Report, float], str]
    wishes: Wishes
    config: Path = SYSTEM_CONFIG
    said: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class _Tunnel:
    """A tunnel whose keys are exchanged, of what `kind` they are. `before` are its keys when it began.

    `drainable`: its traffic has somewhere else to go. `dead`: no tunnel of its branch lives, so no handshake will show
    anything before somebody brings the branch its keys.
    """

    hub: Hub
    name: str
    kind: Kind
    before: Held | None
    drainable: bool
    dead: bool

    @property
    def branch(self) -> str:
        return self.name.partition("/")[0]

    @property
    def again(self) -> str:
        return f"pointsman keys rotate {self.name}"

    @property
    def words(self) -> Words:
        return self.kind.words

    def bring(self, held: Held | None, which: str) -> None:
        bring(self.hub.wishes, self.name, self.kind.text(held), which, self.words.where)

    def step(self, ask: str, **more: object) -> Report:
        return self.hub.provisioner({"ask": ask, "tunnel": self.name, **more})


@dataclass(frozen=True, slots=True)
class _Ended:
    """How it ended. Without `why` it is as it was to be; else `holds` says what is so now, `mend` what to do next."""

    why: str = ""
    holds: str = ""
    mend: str = ""
    done: bool = False
    interrupted: bool = False


class _Held(Enum):
    """Which keys the hub's end has."""

    OLD = auto()
    NEW = auto()
    UNKNOWN = auto()


_FAULTS = (NotBroughtError, ProvisionError, RefusedError, NotRunningError, OSError)


def exchange(hub: Hub, intent: Intent, tunnel: str) -> bool:
    """Exchange the keys of one tunnel; False when that was not done to its end, which has been said then.

    Raises:
        RefusedError: nothing was begun.
        NotRunningError: nothing was begun, for the controller or the provisioner is not there.
        KeyboardInterrupt: by a Ctrl-C; what holds has been said.
    """
    report = hub.provisioner({"ask": "rotate-status", "tunnel": tunnel})  # or it cannot be begun at all
    kind = kind_of(intent, tunnel, report, config=hub.config, plain=hub.wishes.plain)
    if hub.wishes.push_with is not None and (why := kind.why_not_pushed()):
        raise RefusedError(why)
    one = _Tunnel(hub, tunnel, kind, kind.present(), *_standing(hub, tunnel))
    begun = time.monotonic()
    drain = _drained(one)
    ended = _left_by_traffic(one, drain, begun) or _both_ends(one)
    still = _still_drained(one, drain)
    _say(one, ended, still)
    if ended.interrupted:
        raise KeyboardInterrupt
    return ended.done and not still


def until_live(hub: Hub, tunnel: str) -> None:
    """Wait until a tunnel answers again and has its session: while it does not, the next one is not to be drained.

    Only so long; the next drain is refused where it would isolate the branch. Where it is forced and no tunnel of the
    branch lives there is nothing to wait for.
    """
    if hub.wishes.force and _standing(hub, tunnel)[1]:
        return
    name = tunnel.partition("/")[2]
    deadline = time.monotonic() + LIVE_SECONDS
    while time.monotonic() < deadline:
        found = [each for each in _tunnels_beside(hub, tunnel) if each["tunnel"] == name]
        if all(each["liveness"] == "up" and each["session"] == "up" for each in found):
            return
        time.sleep(_ASK_EVERY)


def _tunnels_beside(hub: Hub, tunnel: str) -> list[Report]:
    """All tunnels of its branch, itself too, as the controller tells of them."""
    branch = tunnel.partition("/")[0]
    branches = hub.controller({"ask": "status"})["branches"]
    return [each for found in branches if found["branch"] == branch for each in found["tunnels"]]


def _standing(hub: Hub, tunnel: str) -> tuple[bool, bool]:
    """Whether its traffic has somewhere to go, and whether its branch is dead; unless forced a drain tells that."""
    if not hub.wishes.force:
        return True, False
    name, found = tunnel.partition("/")[2], _tunnels_beside(hub, tunnel)
    others = any(each["liveness"] == "up" and not each["drained"] for each in found if each["tunnel"] != name)
    return others, bool(found) and all(each["liveness"] == "down" for each in found)


def _drained(one: _Tunnel) -> Report:
    wishes = one.hub.wishes
    reason = f"its {one.words.what} {one.words.are} exchanged{f': {wishes.reason}' if wishes.reason else ''}"
    question = {"ask": "drain", "target": one.name, "reason": reason, "for": _DRAINED_FOR, "force": wishes.force}
    try:
        found: Report = one.hub.controller(question)["overrides"][0]
    except NotRunningError as error:
        raise type(error)(f"{error}; {_perhaps_drained(one)}") from None
    except KeyboardInterrupt:
        print(one.hub.said(f"pointsman: {one.name}: {_INTERRUPTED}; {_perhaps_drained(one)}"), file=sys.stderr)
        raise
    return found


def _perhaps_drained(one: _Tunnel) -> str:
    return f'{_UNTOUCHED}; "pointsman overrides" says whether {one.name} is drained now'


def _left_by_traffic(one: _Tunnel, drain: Report, begun: float) -> _Ended | None:
    """None when its traffic has left it, or cannot; else why nothing was begun."""
    if not one.drainable:
        print(line("forced", f"{one.name}: nothing else can carry its traffic"), flush=True)
        return None
    try:
        if why := one.hub.idle(drain, begun):
            return _Ended(why, _UNTOUCHED, f"pointsman why {one.branch} says what it does; then {one.again}")
    except (RefusedError, NotRunningError) as error:
        return _Ended(str(error), _UNTOUCHED, one.again)
    except KeyboardInterrupt:
        return _Ended(_INTERRUPTED, _UNTOUCHED, one.again, interrupted=True)
    print(line("drained", f"{one.name} carries nothing"), flush=True)
    return None


def _both_ends(one: _Tunnel) -> _Ended:
    pushed = False
    try:
        report = one.step("rotate-begin")
        print(line("hub", one.kind.at_hub(report)), flush=True)
        if one.hub.wishes.push_with is None and _is_dead_still(one):
            shows = "no handshake" if not one.kind.is_heard else "nothing"
            return _unverified(one, f"no tunnel of {one.branch} lives, so {shows} can show that it has {one.words.it}")
        pushed = True
        one.bring(one.kind.staged(), "new")
        seconds, lacking = _until_verified(one)
        if lacking:
            why = f"{lacking} within {one.hub.wishes.seconds:.0f} s"
            return _unverified(one, why) if _is_dead_still(one) else _taken_back(one, why, pushed=True)
        one.step("rotate-commit")
    except _FAULTS as error:
        return _taken_back(one, str(error), pushed=pushed)
    except KeyboardInterrupt:
        return replace(_taken_back(one, _INTERRUPTED, pushed=pushed), interrupted=True)
    print(line("verified", f"{one.name}: {one.words.proof} after {seconds:.1f} s"), flush=True)
    return _Ended(done=True)


def _is_dead_still(one: _Tunnel) -> bool:
    """Asked right before keys are thrown away: a branch that has come back meanwhile did so with the old ones."""
    return one.dead and _standing(one.hub, one.name)[1]


def _until_verified(one: _Tunnel) -> tuple[float, str]:
    """After how many seconds the branch showed that it has the new keys; and what it did not show in time."""
    begun = time.monotonic()
    called = -math.inf
    while True:
        report, now = one.step("rotate-status"), time.monotonic()
        if report["verified"] and (not one.kind.is_heard or _is_live(one)):
            return now - begun, ""
        if now - begun >= one.hub.wishes.seconds:
            return now - begun, one.kind.lacking(report)
        if report.get("hub_begins") and now - called >= _CALL_EVERY:
            called = now
            with suppress(RefusedError):  # somebody else changes tunnels just now, or charon does not take it yet
                one.step("rotate-begin")
        time.sleep(_ASK_EVERY)


def _is_live(one: _Tunnel) -> bool:
    name = one.name.partition("/")[2]
    return any(each["liveness"] == "up" for each in _tunnels_beside(one.hub, one.name) if each["tunnel"] == name)


def _unverified(one: _Tunnel, why: str) -> _Ended:
    """The new keys are in force, because that was forced, and nobody knows whether the branch has them."""
    one.step("rotate-commit", unverified=True)
    print(line("unverified", f"{one.name}: its new {one.words.what} {one.words.are} in force at the hub; {why}"))
    there = f"it cannot come back before it has {one.words.it}; its text"
    if one.hub.wishes.push_with is not None:
        there = "its new text is there; if it does not come back with its line, give it to it again"
    print(line("branch", one.hub.said(f"{there}: {one.kind.shown}")), flush=True)
    return _Ended(done=True)


def _taken_back(one: _Tunnel, why: str, *, pushed: bool) -> _Ended:
    words = one.words
    what, are = words.what, words.are
    try:
        held, unknown = _held(one)
    except KeyboardInterrupt:
        held, unknown = _Held.UNKNOWN, _INTERRUPTED
    if held is _Held.NEW:
        text = f"all the same its new {what} {are} in force, and the old {words.ones} {are} gone"
        mend = ""
        if one.dead:
            mend = f"see that the branch has {words.it}, too: {one.kind.shown}"
        return _Ended(why, text, mend, done=True)
    if held is _Held.UNKNOWN:
        because = f" ({unknown})" if unknown not in ("", why) else ""
        text = f"its new {what} {words.stand} beside the old {words.ones}, and the hub's end may have either{because}"
        return _Ended(why, text, f"{one.again} --back for the old {words.ones}, or without --back to go on")
    if not pushed:
        return _Ended(why, f"its old {what} {are} in force", one.again)
    here = f"its old {what} {are} in force at the hub"
    if one.hub.wishes.push_with is None:
        return _Ended(why, here, f"if the branch has the new text already, give it the old one: {one.kind.shown}")
    try:
        one.bring(one.kind.present(), "old")
    except (KeyboardInterrupt, *_FAULTS) as error:
        here += f", and the branch did not get its old text ({str(error) or _INTERRUPTED})"
        return _Ended(why, here, f"give it to the branch: {one.kind.shown}")
    return _Ended(why, f"{here}, and the branch was given its old text", one.again)


def _held(one: _Tunnel) -> tuple[_Held, str]:
    """Have the old keys put back; which ones the hub's end has then, and why that is not known.

    The store decides: new keys stand there until the interface has the old ones, and in place of those once committed.
    """
    unknown = ""
    try:
        one.step("rotate-rollback")
    except (RefusedError, NotRunningError) as error:
        unknown = str(error)
    try:
        present, staged = one.kind.present(), one.kind.staged()
    except ProvisionError as error:
        return _Held.UNKNOWN, str(error)
    if present != one.before:
        return _Held.NEW, ""
    return (_Held.OLD, "") if staged is None else (_Held.UNKNOWN, unknown)


def _still_drained(one: _Tunnel, drain: Report) -> str:
    """Have its traffic come back; why it may not."""
    number = str(drain["number"])
    try:
        one.hub.controller({"ask": "undrain", "target": number})
    except (RefusedError, NotRunningError, KeyboardInterrupt) as error:
        return f"its drain {number} could not be ended ({str(error) or _INTERRUPTED})"
    print(line("undrained", one.name), flush=True)
    return ""


def _say(one: _Tunnel, ended: _Ended, still: str) -> None:
    """One line of what is so, if it is not as it was to be, and one of what to do."""
    if not (ended.why or still):
        return
    holds = ended.holds if ended.why else f"its new {one.words.what} {one.words.are} in force"
    text = "; ".join(filter(None, (ended.why, holds, still)))
    mends = "; ".join(filter(None, (ended.mend, f"pointsman undrain {one.name}" if still else "")))
    print(one.hub.said(f"pointsman: {one.name}: {text}"), file=sys.stderr)
    if mends:
        print(one.hub.said(f"    mend: {mends}"), file=sys.stderr)
