"""The steps by which one tunnel gets new keys: drained, both ends, verified, undrained; or all of it taken back.

However it ends, one line says which keys hold, and the next what to run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.key_bringing import NotBroughtError, Wishes, bring, router_print
from hub.cli.saying import line
from hub.control.client import NotRunningError, RefusedError
from hub.control.places import SYSTEM_CONFIG
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.store import KeyStore

if TYPE_CHECKING:
    from policies.model.intent import Intent

Report = dict[str, Any]
_ASK_EVERY = 0.5
_DRAINED_FOR = "2h"
"""A drain that this command cannot end any more, because it was killed, ends by itself."""
LIVE_SECONDS = 60.0
"""How long a tunnel with new keys may take until it answers and has its session again."""
_INTERRUPTED, _UNTOUCHED = "interrupted", "nothing was changed, its keys are those it had"


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub is whom to ask. `idle` waits until a drain is reached, and returns why it is not, else nothing.

    All three raise RefusedError and NotRunningError. `config` is the directory of its files.
    """

    controller: Callable[[Report], Report]
    provisioner: Callable[[Report], Report]
    idle: Callable[[Report, float], str]
    wishes: Wishes
    config: Path = SYSTEM_CONFIG


@dataclass(frozen=True, slots=True)
class _Tunnel:
    """A tunnel whose keys are exchanged. `before` are its keys when it began.

    `drainable`: its traffic has somewhere else to go. `dead`: no tunnel of its branch lives, so no handshake will show
    anything before somebody brings the branch its keys.
    """

    hub: Hub
    intent: Intent
    name: str
    store: KeyStore
    before: TunnelKeys | None
    drainable: bool
    dead: bool

    @property
    def branch(self) -> str:
        return self.name.partition("/")[0]

    @property
    def again(self) -> str:
        return f"pointsman keys rotate {self.name}"

    @property
    def shown(self) -> str:
        return router_print(self.name, self.hub.config, self.store.directory.parent)

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
    directory = hub.provisioner({"ask": "rotate-status", "tunnel": tunnel})["keys"]  # or it cannot be begun at all
    store = KeyStore(Path(str(directory)))
    before = store.of(tunnel)
    if hub.wishes.push_with is not None and before is not None and before.branch is None:
        text = f"{tunnel}: its branch made its own key, which only it has, so no whole text can be brought there"
        raise RefusedError(f"{text}: leave --push-with out, and write the hub's new public key there yourself")
    one = _Tunnel(hub, intent, tunnel, store, before, *_standing(hub, tunnel))
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
    reason = f"its keys are exchanged: {wishes.reason}" if wishes.reason else "its keys are exchanged"
    question = {"ask": "drain", "target": one.name, "reason": reason, "for": _DRAINED_FOR, "force": wishes.force}
    try:
        found: Report = one.hub.controller(question)["overrides"][0]
    except NotRunningError as error:
        raise NotRunningError(f"{error}; {_perhaps_drained(one)}") from None
    except KeyboardInterrupt:
        print(f"pointsman: {one.name}: {_INTERRUPTED}; {_perhaps_drained(one)}", file=sys.stderr)
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
        print(line("hub", f"{report['interface']} has its new key {report['hub_public']}"), flush=True)
        if one.dead and one.hub.wishes.push_with is None:
            return _unverified(one, f"no tunnel of {one.branch} lives, so no handshake can show that it has them")
        pushed = True
        bring(one.hub.wishes, one.intent, one.name, one.store.staged(one.name), "new")
        seconds = _until_verified(one)
        if seconds is None:
            why = f"no handshake with the new keys within {one.hub.wishes.seconds:.0f} s"
            return _unverified(one, why) if one.dead else _taken_back(one, why, pushed=True)
        one.step("rotate-commit")
    except _FAULTS as error:
        return _taken_back(one, str(error), pushed=pushed)
    except KeyboardInterrupt:
        return replace(_taken_back(one, _INTERRUPTED, pushed=pushed), interrupted=True)
    print(line("verified", f"{one.name}: a handshake with the new keys after {seconds:.1f} s"), flush=True)
    return _Ended(done=True)


def _until_verified(one: _Tunnel) -> float | None:
    """After how many seconds the branch shook hands with the new keys; None: not in time."""
    begun = time.monotonic()
    while not one.step("rotate-status")["verified"]:
        if time.monotonic() - begun >= one.hub.wishes.seconds:
            return None
        time.sleep(_ASK_EVERY)
    return time.monotonic() - begun


def _unverified(one: _Tunnel, why: str) -> _Ended:
    """The new keys are in force, because that was forced, and nobody knows whether the branch has them."""
    one.step("rotate-commit", unverified=True)
    print(line("unverified", f"{one.name}: its new keys are in force at the hub; {why}"))
    there = "it cannot come back before it has them; its text"
    if one.hub.wishes.push_with is not None:
        there = "its new text is there; if it does not come back with its line, give it to it again"
    print(line("branch", f"{there}: {one.shown}"), flush=True)
    return _Ended(done=True)


def _taken_back(one: _Tunnel, why: str, *, pushed: bool) -> _Ended:
    try:
        held, unknown = _held(one)
    except KeyboardInterrupt:
        held, unknown = _Held.UNKNOWN, _INTERRUPTED
    if held is _Held.NEW:
        text, mend = "all the same its new keys are in force, and the old ones are gone", ""
        if one.dead:
            mend = f"see that the branch has them, too: {one.shown}"
        return _Ended(why, text, mend, done=True)
    if held is _Held.UNKNOWN:
        because = f" ({unknown})" if unknown not in ("", why) else ""
        text = f"its new keys stand beside the old ones, and the hub's end may have either{because}"
        return _Ended(why, text, f"{one.again} --back for the old ones, or without --back to go on")
    if not pushed:
        return _Ended(why, "its old keys are in force", one.again)
    here = "its old keys are in force at the hub"
    if one.hub.wishes.push_with is None:
        return _Ended(why, here, f"if the branch has the new text already, give it the old one: {one.shown}")
    try:
        bring(one.hub.wishes, one.intent, one.name, one.store.of(one.name), "old")
    except (KeyboardInterrupt, *_FAULTS) as error:
        here += f", and the branch did not get its old text ({str(error) or _INTERRUPTED})"
        return _Ended(why, here, f"give it to the branch: {one.shown}")
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
        present, staged = one.store.of(one.name), one.store.staged(one.name)
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
    holds = ended.holds if ended.why else "its new keys are in force"
    text = "; ".join(filter(None, (ended.why, holds, still)))
    mends = "; ".join(filter(None, (ended.mend, f"pointsman undrain {one.name}" if still else "")))
    print(f"pointsman: {one.name}: {text}", file=sys.stderr)
    if mends:
        print(f"    mend: {mends}", file=sys.stderr)
