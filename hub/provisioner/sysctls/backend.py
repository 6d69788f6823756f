"""The slice of sysctls: written below /proc/sys, and remembered in the state directory what they were."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, put_right
from hub.provisioner.ownership import is_ours, write_ours
from hub.provisioner.sysctls.plan import SLICE, Work, changes, dotted
from hub.provisioner.wanted import Wanted

_NOT_THERE = (FileNotFoundError, NotADirectoryError)


_OURS = re.compile(r"net/ipv[46]/(ip_forward|conf/[A-Za-z0-9_.@-]{1,15}/(forwarding|rp_filter|accept_ra))")
_VALUE = re.compile(r"-?[0-9]{1,10}")


class Sysctls:
    """A Sysctls sets what is needed; `state` is the directory of the state, `root` that of the settings."""

    name = SLICE

    def __init__(self, state: Path, root: Path = Path("/proc/sys")) -> None:
        self._memory, self._root = state / "sysctls.json", root

    def plan(self, wanted: Wanted) -> Planned:
        """Read the settings, and say what differs.

        Raises:
            ProvisionError: what they were before cannot be read.
        """
        return Planned(tuple(changes(wanted, self._read, self._remembered())))

    def do(self, change: Change) -> None:
        """Write one setting; that of an interface which is not there is nobody's.

        Raises:
            ProvisionError: it cannot be written, or what it was cannot be remembered.
        """
        if not isinstance(change.how, Work):
            raise ProvisionError(f"{change.target}: this is no change of sysctls")
        self._work(change.how)

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Set again what somebody has changed.

        Raises:
            ProvisionError: what they were before cannot be read.
        """
        return [put_right(self, change) for change in self.plan(wanted).changes if not change.removes]

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """Nothing: what is not as it should be is a change or a finding."""
        del wanted
        return {}

    def put_back(self) -> tuple[str, ...]:
        """Everything to what it was before, for uninstalling: what was put back. What others changed since stays.

        Raises:
            ProvisionError: some cannot be written; the others were, and these stay remembered.
        """
        remembered = self._remembered()
        mine = [(name, before) for name, (before, made) in sorted(remembered.items()) if self._read(name) == made]
        failed: dict[str, ProvisionError] = {}
        for name, before in mine:
            try:
                self._work(Work(name, before, forget=True))
            except ProvisionError as error:
                failed[name] = error
        if remembered:
            self._remember({name: remembered[name] for name in failed})
        if failed:
            text, mends = "; ".join(map(str, failed.values())), "; ".join(each.mend for each in failed.values())
            raise ProvisionError(text, mends)
        return tuple(f"{dotted(name)}={before}" for name, before in mine)

    def _work(self, work: Work) -> None:
        known = self._remembered()
        was = self._read(work.name)
        if was is None:
            return
        if work.remember:  # before it is written: what is remembered and was never done harms nothing
            before = known[work.name][0] if work.name in known else was
            self._remember({**known, work.name: (before, work.value)})
        try:
            (self._root / work.name).write_text(f"{work.value}\n", encoding="ascii")
        except _NOT_THERE:
            return
        except OSError as error:
            mend = f"as root: sysctl -w {dotted(work.name)}={work.value}"
            raise ProvisionError(f"{dotted(work.name)} cannot be set: {error.strerror}", mend) from error
        if work.forget:
            self._remember({name: values for name, values in known.items() if name != work.name})

    def _read(self, name: str) -> str | None:
        try:
            return (self._root / name).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None  # there is no such setting: no IPv6, no such interface

    def _remembered(self) -> dict[str, tuple[str, str]]:
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8") if is_ours(self._memory) else "not ours")
            return {_setting(name): _pair(values) for name, values in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            mend = f"delete {self._memory}: uninstalling will then leave the settings as they are"
            raise ProvisionError(f"{self._memory}: what the settings were cannot be read: {error}", mend) from error

    def _remember(self, known: dict[str, tuple[str, str]]) -> None:
        try:
            write_ours(self._memory, json.dumps(known, indent=1, sort_keys=True) + "\n")
        except OSError as error:
            raise ProvisionError(f"{self._memory}: {error.strerror}", "make room there, and apply again") from error


def _setting(name: object) -> str:
    """The name of a setting such as we change.

    Raises:
        ValueError: it is another one.
    """
    if not isinstance(name, str) or not _OURS.fullmatch(name):
        raise ValueError(f"{str(name)[:60]} is no setting of ours")
    return name


def _pair(values: Iterable[Any]) -> tuple[str, str]:
    before, made = (str(value) for value in values)
    if not (_VALUE.fullmatch(before) and _VALUE.fullmatch(made)):
        raise ValueError("a value is no number")
    return before, made
