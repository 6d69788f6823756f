"""Why a configuration was not taken."""

from __future__ import annotations


class NotAppliedError(Exception):
    """The configuration in force is the one that was; the text says why, the mend, and what is left of the attempt."""


class NothingBeforeError(NotAppliedError):
    """There is no configuration to go back to."""


class GuardedError(NotAppliedError):
    """Nothing was changed because these guards speak against it, and nobody said `--force`."""

    def __init__(self, guards: tuple[str, ...]) -> None:
        self.reason = "; ".join(guards)
        super().__init__(f"{self.reason}. Use --force to do it all the same")
