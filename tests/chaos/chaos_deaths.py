"""Which deaths of the hub's processes the faults of an episode explain, and which they don't. Pure.

No process of the hub may die but by the fault that kills it, and nothing may write a traceback.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from chaos_faults import PROCESSES, Fault, Kind

_DEATH = re.compile(r"^pointsman: (\S+) (was ended by SIG\w+|exited with status \d+) after ", re.MULTILINE)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(.*)", re.MULTILINE)
_HOW = {Kind.KILL: "was ended by SIGKILL", Kind.RESTART: "exited with status 0"}


def unexplained(log: str, faults: Sequence[Fault], before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """What the hub's log of an episode, and its processes before and after it (by name), show that no fault did."""
    return [*_deaths(log, faults), *_tracebacks(log), *_other_processes(faults, before, after)]


def _deaths(log: str, faults: Sequence[Fault]) -> Iterator[str]:
    wanted = Counter((fault.target, _HOW[fault.kind]) for fault in faults if fault.kind in _HOW)
    seen = Counter((name, how) for name, how in _DEATH.findall(log))
    for (name, how), times in (seen - wanted).items():
        yield f"{name} {how} {times} more times than a fault did it"


def _tracebacks(log: str) -> Iterator[str]:
    for last in _TRACEBACK.findall(log):
        yield f"a traceback in the hub's log: {last}"


def _other_processes(faults: Sequence[Fault], before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    struck = _struck(faults)
    for name in PROCESSES:
        if name not in struck and before.get(name) != after.get(name):
            yield f"{name} is another process than before, and no fault ended it"


def _struck(faults: Sequence[Fault]) -> set[str]:
    if any(fault.kind is Kind.KILL_ALL for fault in faults):
        return set(PROCESSES)
    struck = {fault.target for fault in faults if fault.kind in _HOW}
    return struck | ({"relay"} if "exabgp-1" in struck else set())
