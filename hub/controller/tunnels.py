"""The tunnels themselves, as far as the controller has to do with them: the provisioner makes what it says is wanted.

A tunnel is there before its session is, and goes when nothing uses it any more. Where no provisioner runs, tunnels are
somebody else's, and nothing is said about it but when asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.control.client import BusyError, NotRunningError, RefusedError, ask_controller
from hub.control.lines import Message
from hub.control.places import refusal_beside
from hub.control.plain import to_plain
from hub.control.provisioner_silence import silence
from hub.controller.loop import Loop
from hub.controller.missing_interfaces import OF_THE_MACHINE
from hub.provisioner.from_intent import wanted_of
from hub.provisioner.kept_keys import kept_of
from policies.key_ages import KeptKey, old_keys
from policies.model.intent import Intent

LOOK_SECONDS = 5.0
"""How often the provisioner is asked how things are."""
WORKING_SECONDS = 60.0
"""For so long it is not said that the provisioner hangs while it makes what we told it, one thing after the other."""
TAKEN_SECONDS = 120.0
"""How long it may take to make what is wanted: 200 tunnels take half a minute where the kernel has no WireGuard."""
PLANNED_SECONDS = 20.0
KEYS_SECONDS = 600.0
"""How often the provisioner is asked how old keys are: that is told in days."""
_PROBLEM = "tunnels"
_LONGEST_REFUSAL = 1000


@dataclass(frozen=True, slots=True)
class Took:
    """A Took is how the provisioner took what is wanted; neither `answered` nor silent for a reason: there is none.

    `done` are the changes that it made, as it tells of them. `failed` is what could not be done, or why nothing was;
    `refused` what is wanted and was not begun.
    """

    answered: bool = False
    done: tuple[Message, ...] = ()
    failed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """All that went wrong."""
        return (*self.failed, *self.refused)


NO_ANSWER = Took()
"""Nobody was there to ask."""


class Tunnels:
    """A Tunnels has the provisioner follow the intent."""

    def __init__(
        self, socket: Path, loop: Loop, say: Callable[[str], None], wall: Callable[[], float] = time.time
    ) -> None:
        self._socket = socket
        self._loop = loop
        self._say = say
        self._untold: tuple[Intent, bool] | None = (loop.intent, True)
        self._working_since: float | None = None
        self._wall = wall
        self._keys: tuple[KeptKey, ...] = ()
        self._keys_due = 0.0

    async def take(self, intent: Intent, *, grow_only: bool, within: float = TAKEN_SECONDS) -> Took:
        """Have the tunnels of this intent made, and with `grow_only` none removed; how that went.

        `within` are the seconds that it may take. What was not answered is said again, until it was or another intent
        took its place.
        """
        untold = self._untold = (intent, grow_only)
        try:
            answer = await self.apply(intent, None, grow_only=grow_only, within=within)
        except BusyError as error:
            return Took(failed=(f"tunnels: the provisioner {error}: tried again",))
        except NotRunningError as error:
            text = f"tunnels: the provisioner stopped meanwhile: {error}: tried again"
            return Took(failed=(text,)) if self.is_there() else NO_ANSWER
        except RefusedError as error:
            return Took(failed=(f"tunnels: {error}",))
        if self._untold is untold:  # else somebody wants another one meanwhile
            self._untold = None
        failed = (*map(_failed, answer["failed"]), *answer["problems"])
        refused = tuple(map(_refused, answer["refused"]))
        return Took(answered=True, done=tuple(answer["done"]), failed=failed, refused=refused)

    async def apply(
        self, intent: Intent, number: str | None, *, grow_only: bool, within: float = TAKEN_SECONDS
    ) -> Message:
        """Have it made within so many seconds; the provisioner's own answer.

        Raises:
            NotRunningError: no provisioner answers.
            RefusedError: it refuses, as when that is not what the plan of this number showed.
        """
        wanted = to_plain(wanted_of(intent))
        question = {"ask": "apply", "wanted": wanted, "plan": number, "grow_only": grow_only}
        self._working_since = time.monotonic()
        try:
            return await self._ask(question, within)
        finally:
            self._working_since = None

    async def planned(self, intent: Intent) -> Message:
        """What would be done to tunnels, uplinks and filters.

        Raises:
            NotRunningError: no provisioner answers.
            RefusedError: it cannot look.
        """
        return await self._ask({"ask": "plan", "wanted": to_plain(wanted_of(intent))}, PLANNED_SECONDS)

    async def run(self) -> None:
        """Say what is wanted until it was taken, and ask how things are, for ever.

        Beside each other: to be taken may take minutes, and by then it is known that nobody answers.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_telling())
            both.create_task(self._keep_looking())

    async def _keep_telling(self) -> None:
        while True:
            if self._untold is not None:
                intent, grow_only = self._untold
                for problem in (await self.take(intent, grow_only=grow_only)).problems:
                    self._say(problem)
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        try:
            answer = await self._ask({"ask": "status"}, PLANNED_SECONDS)
        except (NotRunningError, RefusedError, KeyError) as error:
            if (refusal := await asyncio.to_thread(self._refusal)) is not None:
                self._tell({f"{OF_THE_MACHINE}begin": (f"the provisioner does not begin: {refusal}", "")})
                self._loop.made = {}
            elif isinstance(error, BusyError) and self._is_at_work():
                return  # it does one thing after the other
            elif self.is_there():  # what was wrong before is not right because nobody says so
                silent = _silent(error)
                self._loop.problems.pop(f"{OF_THE_MACHINE}begin", None)
                self._loop.problems[f"{_PROBLEM}:silent"] = silent
            else:
                self._tell({})
                self._loop.made = {}
            return
        self._loop.made = _with_hindrances(answer)
        self._tell({**_problems(answer), **await self._old_keys()})

    async def _old_keys(self) -> Mapping[str, tuple[str, str]]:
        """What is wrong with the age of keys; how old they are is asked seldom, by what limit is as configured now."""
        now = self._wall()
        if not self._keys_due - KEYS_SECONDS <= now < self._keys_due:  # due, or the clock was set
            with contextlib.suppress(NotRunningError, RefusedError):
                self._keys = kept_of((await self._ask({"ask": "keys"}, PLANNED_SECONDS)).get("keys"))
                self._keys_due = now + KEYS_SECONDS
        found = old_keys(self._keys, self._loop.intent.security.key_age, now)
        return {f"{_PROBLEM}:{each.key}": (each.text, each.mend) for each in found}

    def _tell(self, found: Mapping[str, tuple[str, str]]) -> None:
        problems = self._loop.problems
        for key in [key for key in problems if key.startswith(f"{_PROBLEM}:") and key not in found]:
            del problems[key]
        problems.update(found)

    def _refusal(self) -> str | None:
        """Why the provisioner does not begin, by its own word."""
        try:
            with refusal_beside(self._socket).open("rb") as file:
                return file.read(_LONGEST_REFUSAL).decode(errors="replace")
        except OSError:
            return None

    def _is_at_work(self) -> bool:
        """Whether it makes what we told it, and not for longer than that takes."""
        return self._working_since is not None and time.monotonic() - self._working_since < WORKING_SECONDS

    def is_there(self) -> bool:
        """Whether a provisioner has its socket here, be it heard or not."""
        return self._socket.is_socket()

    async def _ask(self, question: Message, patience: float) -> Message:
        if not self.is_there():
            raise NotRunningError(f"nobody listens at {self._socket}")
        return await asyncio.to_thread(ask_controller, self._socket, question, patience)


def _silent(error: Exception) -> tuple[str, str]:
    if isinstance(error, BusyError):
        text, mend = silence(error)
        return f"{text}: it hangs, or is at work that takes long", mend
    return f"the provisioner does not answer: {error}", "see its log: journalctl -u pointsman-provisioner"


def _problems(answer: Message) -> dict[str, tuple[str, str]]:
    """What stands in `status`: what is refused, what failed, and what verification finds and could not put right."""
    found = {}
    for each in (*answer["refused"], *(f for f in answer["findings"] if not f["repaired"])):
        key = f"{_PROBLEM}:{each['slice']}:{each['target']}"
        text = each["text"] if key.startswith(OF_THE_MACHINE) else f"{each['target']}: {each['text']}"
        found[key] = (text, each["mend"])
    for each in answer["failed"]:
        found[f"{_PROBLEM}:{each['slice']}:{each['target']}"] = (_failed(each), each["mend"])
    return found


def _with_hindrances(answer: Message) -> dict[str, dict[str, Any]]:
    """What is known of each target, with `hindered`: what kept the provisioner from making a tunnel, and the mend."""
    hindered = {each["target"]: {"text": each["text"], "mend": each["mend"]} for each in answer["refused"]}
    for each in answer["failed"]:
        hindered.setdefault(each["target"], {"text": f"{each['text']}: {each['error']}", "mend": each["mend"]})
    return {
        name: {**facts, "hindered": hindered[name]} if name in hindered else facts
        for name, facts in answer["targets"].items()
    }


def _failed(each: Mapping[str, Any]) -> str:
    return f"{each['target']}: {each['text']}: {each['error']}"


def _refused(each: Mapping[str, Any]) -> str:
    return f"{each['target']}: {each['text']}: {each['mend']}"
