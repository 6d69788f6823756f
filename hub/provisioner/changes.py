"""What a slice of the provisioner says and does: changes, refusals, findings, and the form of a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.provisioner.wanted import Wanted


class ProvisionError(Exception):
    """A change could not be made; the text says what and why, `mend` what helps."""

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Change:
    """A Change is one thing to do: of which slice, for which target (`bandung/fiber`, `uplink telkom`), in words.

    `removes` are done after all others, and in the opposite order of slices. What is `at_once` is done before all
    others, whether it removes or not, also where only more is to be made: somebody may be locked out until then. `how`
    is the slice's own, never shown.
    """

    slice: str
    target: str
    text: str
    removes: bool = False
    at_once: bool = False
    how: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Refusal is what is wanted and will not be done, as long as this stands in the way; nothing is touched."""

    slice: str
    target: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A Finding is what continuous verification saw amiss; `repaired` if it has been put right at once."""

    slice: str
    target: str
    text: str
    mend: str = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A Planned is what one slice, or all, would do."""

    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Slice(Protocol):
    """A Slice cares for one kind of thing on this machine."""

    @property
    def name(self) -> str:
        """One word: `wireguard`, `ipsec`, `uplinks`, `sysctls`, `firewall`."""

    def plan(self, wanted: Wanted) -> Planned:
        """Look at the machine, and say what differs.

        Raises:
            ProvisionError: the machine cannot be looked at.
        """

    def do(self, change: Change) -> None:
        """Make one change; doing it twice is doing it once.

        Raises:
            ProvisionError: it failed; nothing else was touched.
        """

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Look again, some time later, at what is to be so continuously; put right what can be without harm.

        Raises:
            ProvisionError: the machine cannot be looked at.
        """

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """What is known of each tunnel or uplink, by its target, as plain data without secrets.

        Raises:
            ProvisionError: the machine cannot be looked at.
        """


def put_right(each: Slice, change: Change) -> Finding:
    """Make a change that verification found missing; what was found, and whether it is right now."""
    try:
        each.do(change)
    except ProvisionError as error:
        return Finding(each.name, change.target, str(error), error.mend)
    return Finding(each.name, change.target, change.text, repaired=True)
