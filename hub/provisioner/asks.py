"""What is asked of the provisioner: plan, apply, status. Requests are typed, and nothing in an answer is secret."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hub.control.lines import Message
from hub.control.lock import AlreadyRunningError
from hub.control.plain import NotPlainError, from_plain
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.checked import checked
from hub.provisioner.provisioner import Outcome, Provisioner, plan_number
from hub.provisioner.remembered import Remembered
from hub.provisioner.wanted import Wanted

Ask = Callable[[Message], Message]
OPEN = frozenset({"status", "keys"})
"""What whoever may connect may ask: it changes nothing."""
ENDING = frozenset({"rotate-commit", "rotate-rollback"})
"""What ends something that verification finds amiss while it lasts."""
AGAIN_SECONDS = 5.0
"""How long after something else was changing tunnels it is tried again to make what was wanted last."""
CONTROLLER = "pointsman"
"""The user as whom the controller runs under systemd (config/sysusers.d)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A Standing is what verification saw last, and when by the wall clock; what was refused at the last apply."""

    at: float | None = None
    findings: tuple[Finding, ...] = ()
    refused: tuple[Refusal, ...] = ()
    failed: tuple[Mapping[str, str], ...] = ()


class Asks:
    """An Asks answers one request after the other; `more` are the asks of slices."""

    def __init__(
        self,
        provisioner: Provisioner,
        remembered: Remembered,
        say: Callable[[str], None],
        more: Mapping[str, Ask] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provisioner = provisioner
        self._remembered = remembered
        self._say = say
        self._wall = wall
        self._standing = Standing()
        self._again_at: float | None = None
        self._asks: dict[str, Ask] = {
            "plan": self._plan,
            "apply": self._apply,
            "status": self._status,
            **(more or {}),
        }

    def answer(self, message: Message, uid: int = 0) -> Message:
        """The answer to this user, or the error that says that nothing was changed."""
        asked = str(message.get("ask"))[:60]
        ask = self._asks.get(asked)
        if ask is None:
            return {"error": f'"{asked}" is no question: ask one of {", ".join(self._asks)}'}
        if asked not in OPEN and not may_change(uid):
            return {"error": f"{asked}: only root and the controller may change tunnels: sudo, or pointsman apply"}
        try:
            return {"answer": self._ended(asked, ask(message))}
        except NotPlainError as error:
            return {"error": f"what is wanted cannot be read: {error}: are both of one version?"}
        except ProvisionError as error:
            return {"error": f"{error}: {error.mend}" if error.mend else str(error)}
        except AlreadyRunningError as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": f"{error.filename or asked}: {error.strerror}: make room there, or make it writable"}
        except Exception as error:  # noqa: BLE001 - one request must not end what makes all tunnels
            self._say(f"{asked}: a fault of Pointsman: {type(error).__name__}: {error}")
            return {"error": f"{asked}: a fault of Pointsman itself ({type(error).__name__}): please report it"}

    def _ended(self, asked: str, answer: Message) -> Message:
        if asked in ENDING:
            self.verify()  # what was found while it lasted is over
        return answer

    def make_again(self, now: float) -> None:
        """After a start: what was wanted last is made, as far as it is missing. Nothing is removed.

        While somebody else changes things, `look_again` does it later. `now` is in seconds of any steady clock.
        """
        wanted, self._again_at = self._remembered.wanted, None
        if wanted is None:
            return
        try:
            self._took(self._provisioner.apply(wanted, grow_only=True, said=self._say))
        except AlreadyRunningError as error:
            self._again_at = now + AGAIN_SECONDS
            self._say(f"what was wanted last is not made yet: {error}: tried again in {AGAIN_SECONDS:g} s")

    def look_again(self, now: float) -> None:
        """Make what was wanted last, if that could not be done before and its time has come."""
        if self._again_at is not None and now >= self._again_at:
            self.make_again(now)

    def verify(self) -> None:
        """Look again at what is to be so continuously; say what is new."""
        wanted = self._remembered.wanted
        if wanted is None:
            return
        try:
            findings = self._provisioner.verify(wanted)
        except AlreadyRunningError:
            return
        known = {finding.text for finding in self._standing.findings}
        for finding in findings:
            if finding.text not in known or finding.repaired:
                self._say(f"{finding.target}: {finding.text}{' (put right)' if finding.repaired else ''}")
        self._standing = Standing(self._wall(), findings, self._standing.refused, self._standing.failed)

    def _plan(self, message: Message) -> Message:
        planned = self._provisioner.plan(_wanted(message))
        return plan_report(planned)

    def _apply(self, message: Message) -> Message:
        wanted, number = _wanted(message), message.get("plan")
        problems: list[str] = []

        def keep() -> None:  # first: who dies in between goes on with it
            if (problem := self._remembered.keep(wanted)) is not None:
                problems.append(problem)

        outcome = self._provisioner.apply(
            wanted,
            number=None if number is None else str(number),
            grow_only=message.get("grow_only") is True,
            begins=keep,
            said=self._say,
        )
        self._took(outcome)
        return {**outcome_report(outcome), "problems": problems}

    def _took(self, outcome: Outcome) -> None:
        self._again_at = None
        failed = outcome_report(outcome)["failed"]
        self._standing = Standing(self._standing.at, self._standing.findings, outcome.refused, tuple(failed))

    def _status(self, _message: Message) -> Message:
        wanted, standing = self._remembered.wanted, self._standing
        return {
            "network": None if wanted is None else wanted.network,
            "verified_at": standing.at,
            "findings": [asdict(finding) for finding in standing.findings],
            "refused": [asdict(refusal) for refusal in standing.refused],
            "failed": list(standing.failed),
            "targets": {} if wanted is None else self._provisioner.report(wanted),
        }


def may_change(uid: int) -> bool:
    """Whether a user may have the provisioner, which is root, change something: root, itself, and the controller.

    Others of the group that may connect ask the controller, which takes only what the files say.
    """
    if uid in (0, os.geteuid()):
        return True
    try:
        return pwd.getpwnam(CONTROLLER).pw_uid == uid
    except KeyError:
        return False


def plan_report(planned: Planned) -> dict[str, Any]:
    """A plan as plain data."""
    return {
        "id": plan_number(planned),
        "changes": [_change(change) for change in planned.changes],
        "refused": [asdict(refusal) for refusal in planned.refusals],
    }


def outcome_report(outcome: Outcome) -> dict[str, Any]:
    """How an apply ended, as plain data."""
    return {
        "done": [_change(change) for change in outcome.done],
        "failed": [{**_change(each.change), "error": each.text, "mend": each.mend} for each in outcome.failed],
        "refused": [asdict(refusal) for refusal in outcome.refused],
    }


def _change(change: Change) -> dict[str, Any]:
    return {"slice": change.slice, "target": change.target, "text": change.text, "removes": change.removes}


def _wanted(message: Message) -> Wanted:
    return checked(from_plain(Wanted, message.get("wanted")))
