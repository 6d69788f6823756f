"""What is wrong with one script now: with its file, with the code that runs, with single branches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from hub.scripts.lines import Failure

STANDS = "the last good decision stands"


class Faults:
    """A Faults knows the faults of one script, says each new one once, and counts them."""

    def __init__(self, label: str, say: Callable[[str], None]) -> None:
        self._label = label
        self._say = say
        self._file: tuple[str, str] | None = None
        self._script: str | None = None
        self._branches: dict[str, Failure] = {}
        self._said: str | None = None
        self.counters: Counter[str] = Counter()

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Each with its mend, by key: `script:policies/even_out.py`."""
        found = {}
        if self._file is not None:
            found[f"script:{self._label}:file"] = self._file
        text = self._running()
        if text is not None:
            found[f"script:{self._label}"] = (text, _MEND)
        return found

    def file_is_wrong(self, line: int, text: str, mend: str, *, code_before: bool) -> None:
        """The file cannot be loaded; the code before it goes on, if there was any."""
        goes_on = "the code before it goes on" if code_before else "its branches are decided without it"
        fault = (f"{self._place(line)}: {text}: {goes_on}", mend)
        if fault != self._file:
            self._file = fault
            self.counters["script files not loaded"] += 1
            self._say(f"{fault[0]}; mend: {mend}")

    def file_is_right(self) -> None:
        """The file is what runs."""
        self._file = None

    def script_is_wrong(self, failure: Failure) -> None:
        """The script cannot be used now: it was ended, died, or is not to be believed."""
        self.counters["script faults"] += 1
        self._script = f"{self._place(failure.line)}: {failure.text}: {STANDS}"
        self._tell()

    def answered(self, good: frozenset[str], failed: Mapping[str, Failure]) -> None:
        """It answered: well for some branches, not for others."""
        self._script = None
        self.counters["script faults"] += len(failed)
        self._branches = {name: one for name, one in self._branches.items() if name not in good} | dict(failed)
        self._tell()

    def forget(self) -> None:
        """There is other code: what was wrong with the one before counts no more."""
        self._script, self._branches, self._said = None, {}, None

    def keep(self, branches: frozenset[str]) -> None:
        """Only these branches are under the script."""
        self._branches = {name: one for name, one in self._branches.items() if name in branches}

    def _running(self) -> str | None:
        if self._script is not None:
            return self._script
        if not self._branches:
            return None
        name, failure = min(self._branches.items())
        more = len(self._branches) - 1
        others = f" and {more} more" if more else ""
        return f"{self._place(failure.line)}: {failure.text}, for {name}{others}: {STANDS}"

    def _tell(self) -> None:
        text = self._running()
        if text is not None and text != self._said:
            self._say(text)
        self._said = text

    def _place(self, line: int) -> str:
        return f"{self._label}:{line}" if line else self._label


_MEND = "mend the file: it is read again as soon as it has changed"
