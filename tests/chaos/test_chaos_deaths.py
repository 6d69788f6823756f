"""Which deaths of the hub's processes the faults of an episode explain, and which they don't."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from chaos_deaths import unexplained
from chaos_faults import PROCESSES, Fault, Kind

SAME = {name: 100 + number for number, name in enumerate(PROCESSES)}
KILLED = "pointsman: controller was ended by SIGKILL after 9.0 s: starting it again\n"
STOPPED = "pointsman: controller exited with status 0 after 9.0 s: starting it again\n"
FAILED = "pointsman: controller exited with status 1 after 9.0 s: starting it again\n"
TRACEBACK = """\
Traceback (most recent call last):
  File "main.py", line 1, in <module>
    main()

PermissionError: [Errno 1] Operation not permitted
bird/fiber: up: BFD up
"""


def fault(kind: Kind, target: str) -> Fault:
    return Fault(kind, target, 1.0, 2.0)


def other(*names: str) -> Mapping[str, int]:
    return {name: pid + 1000 * (name in names) for name, pid in SAME.items()}


@pytest.mark.parametrize(
    ("log", "faults", "after"),
    [
        ("", [], SAME),
        ("", [fault(Kind.STOP, "controller")], SAME),
        (KILLED, [fault(Kind.KILL, "controller")], other("controller")),
        (STOPPED, [fault(Kind.RESTART, "controller")], other("controller")),
        ("", [fault(Kind.KILL, "relay")], other("relay")),
        (KILLED.replace("controller", "exabgp-1"), [fault(Kind.KILL, "exabgp-1")], other("exabgp-1", "relay")),
        ("", [fault(Kind.KILL_ALL, "hub")], other(*PROCESSES)),
    ],
)
def test_what_a_fault_ended_is_explained(log: str, faults: list[Fault], after: Mapping[str, int]) -> None:
    assert unexplained(log, faults, SAME, after) == []


@pytest.mark.parametrize(
    ("log", "faults", "after", "said"),
    [
        (KILLED, [], other("controller"), "controller was ended by SIGKILL"),
        (KILLED + KILLED, [fault(Kind.KILL, "controller")], other("controller"), "controller was ended by SIGKILL"),
        (FAILED, [fault(Kind.KILL, "controller")], other("controller"), "controller exited with status 1"),
        (FAILED, [fault(Kind.STOP, "controller")], SAME, "controller exited with status 1"),
        (KILLED, [fault(Kind.KILL, "forwarder")], SAME, "controller was ended by SIGKILL"),
        (FAILED, [fault(Kind.KILL_ALL, "hub")], other(*PROCESSES), "controller exited with status 1"),
        ("", [fault(Kind.CUT, "bird/fiber")], other("relay"), "relay is another process than before"),
        (TRACEBACK, [], SAME, "a traceback in the hub's log: PermissionError: [Errno 1] Operation not permitted"),
    ],
)
def test_what_no_fault_ended_is_told(log: str, faults: list[Fault], after: Mapping[str, int], said: str) -> None:
    assert [text[: len(said)] for text in unexplained(log, faults, SAME, after)][:1] == [said]
