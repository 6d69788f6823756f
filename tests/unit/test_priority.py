"""Real-time priority gives way to the rest of the machine when a process is busy for long."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

BUSY = """
import os
from speaker.priority import give_way_when_busy
give_way_when_busy()
while os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER:
    pass
print("gave way", flush=True)
"""
TWICE = f"{BUSY}os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2)){BUSY}"
TIDIES_UP = """
import time
from speaker.priority import give_way_when_busy
give_way_when_busy()
class Much:
    def __del__(self, now=time.process_time):
        until = now() + 1
        while now() < until:
            pass
much = Much()
"""
TAKES_IT_BACK = f"""
import resource, sys, time
import speaker.priority
speaker.priority.ORDINARY_SECONDS = 0.1
limit, of = int(sys.argv[1]), resource.getrlimit
resource.getrlimit = lambda kind: (limit, limit) if kind == resource.RLIMIT_RTPRIO else of(kind)
{BUSY}
until = time.monotonic() + (20 if limit > 1 else 0.5)
while os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_RR and time.monotonic() < until:
    time.sleep(0.01)
print(os.sched_getparam(0).sched_priority, bool(os.sched_getscheduler(0) & os.SCHED_RESET_ON_FORK))
"""
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")


def in_real_time(flag: int = 0) -> None:
    resource.setrlimit(resource.RLIMIT_RTTIME, (5_000_000, 5_000_000))
    os.sched_setscheduler(0, os.SCHED_RR | flag, os.sched_param(2))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_busy_process_becomes_an_ordinary_one_each_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], preexec_fn=in_real_time, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "gave way\n" * 2, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("flag", [0, os.SCHED_RESET_ON_FORK])
def test_it_needs_no_capability_to_become_an_ordinary_one(flag: int) -> None:
    done = subprocess.run(
        [*WITHOUT_CAPABILITIES, sys.executable, "-c", BUSY],
        preexec_fn=lambda: in_real_time(flag),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "gave way\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    ("limit", "flag", "after"),
    [(2, 0, "2 False"), (2, os.SCHED_RESET_ON_FORK, "2 True"), (1, 0, "0 False"), (0, 0, "0 False")],
)
def test_where_its_limit_allows_that_it_takes_its_priority_back_after_a_while(
    limit: int, flag: int, after: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKES_IT_BACK, str(limit)],
        preexec_fn=lambda: in_real_time(flag),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"gave way\n{after}\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_process_that_has_much_to_tidy_up_at_its_end_ends_by_itself() -> None:
    done = subprocess.run([sys.executable, "-c", TIDIES_UP], preexec_fn=in_real_time, timeout=30, check=False)
    assert done.returncode == 0


def test_a_process_without_such_a_priority_is_not_disturbed() -> None:
    idle = "from speaker.priority import give_way_when_busy; give_way_when_busy(); print('well')"
    done = subprocess.run([sys.executable, "-c", idle], capture_output=True, text=True, timeout=30)
    assert done.stdout == "well\n", done.stderr
