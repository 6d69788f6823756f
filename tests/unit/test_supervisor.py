"""The supervisor: whichever process dies is started again, and all end when it is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.control.places import Places
from hub.supervisor import Program, narrowed, programs

SCRIPT = """
import sys
from pathlib import Path
from hub.supervisor import Program, Supervisor
directory = Path(sys.argv[1])
sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
failing = (sys.executable, "-c", "raise SystemExit(3)")
wanted = {"sleeper": Program("one", sleeper), "failing": Program("two", failing)}
sys.exit(Supervisor([wanted[name] for name in sys.argv[2:]], directory).run())
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def supervising(directory: Path, *names: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SCRIPT, str(directory), *names]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as supervisor:
        try:
            yield supervisor
        finally:
            supervisor.kill()


def pid_in(file: Path) -> int:
    return int(file.read_text() or 0) if file.exists() else 0


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    file = tmp_path / "one.pid"
    with supervising(tmp_path, "sleeper"):
        wait_for(lambda: pid_in(file) > 0)
        before = pid_in(file)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: pid_in(file) not in (0, before) and is_there(pid_in(file)))


def test_a_stop_ends_every_process(tmp_path: Path) -> None:
    file = tmp_path / "one.pid"
    with supervising(tmp_path, "sleeper") as supervisor:
        wait_for(lambda: pid_in(file) > 0)
        child = pid_in(file)
        supervisor.terminate()
        assert supervisor.wait(20) == 0
        assert not is_there(child)
        assert not file.exists()


def test_a_process_that_cannot_live_is_tried_again_ever_more_slowly(tmp_path: Path) -> None:
    with supervising(tmp_path, "failing") as supervisor:
        assert supervisor.stderr is not None
        lines = [supervisor.stderr.readline() for _ in range(3)]
        supervisor.terminate()
    assert "two exited with status 3" in lines[0]
    assert [line.split(" in ")[1].strip() for line in lines] == ["0.2 s", "0.4 s", "0.8 s"]


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    file = tmp_path / "one.pid"
    with supervising(tmp_path, "sleeper") as supervisor:
        wait_for(lambda: pid_in(file) > 0)
        child = pid_in(file)
        supervisor.kill()
        wait_for(lambda: not is_there(child))


def test_each_process_may_do_only_what_it_needs() -> None:
    may = {program.name: program.capabilities for program in programs(Places(), [])}
    assert may == {"forwarder": ("net_admin", "net_raw"), "exabgp": ("net_bind_service",), "controller": ()}


def test_what_lies_between_a_death_and_its_announcement_does_not_wait_for_its_turn() -> None:
    priority = {program.name: program.priority for program in programs(Places(), [])}
    assert priority["forwarder"] > priority["exabgp"] > priority["controller"] > 0


def test_a_program_runs_with_its_own_capabilities_only() -> None:
    show = Program("show", ("grep", "CapEff", "/proc/self/status"), ("net_raw",))
    shown = subprocess.run(narrowed(show), capture_output=True, text=True, check=True).stdout
    effective = int(shown.split()[1], 16)
    assert effective & ~(1 << 13) == 0


def test_a_directory_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with supervising(gone, "sleeper", "failing") as supervisor:
        assert supervisor.stderr is not None
        said = ""
        while "starting it again in 0.4 s" not in said:
            line = supervisor.stderr.readline()
            assert line, said
            said += line
        assert f"{gone}: No such file or directory: make it writable" in said
        supervisor.terminate()
        assert supervisor.wait(20) == 0
