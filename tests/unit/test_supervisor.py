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
from typing import IO

import pytest

from hub.control.places import Places
from hub.supervisor import Program, narrowed, programs

SCRIPT = '''
import sys
from pathlib import Path
from hub import supervisor
from hub.supervisor import Program, Supervisor
directory = Path(sys.argv[1])
supervisor.GONE_SECONDS, supervisor.STOP_SECONDS, supervisor.LOOK_SECONDS = 0.6, 0.4, 0.05
supervisor.ORDINARY_SECONDS = 0.5
wait = "import time; time.sleep(60)"
busy = """
import os, time
from pathlib import Path
from speaker.priority import give_way_when_busy
give_way_when_busy()
while os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_RR: time.sleep(0.01)
while os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR: pass
Path(sys.argv[1]).touch()
time.sleep(60)
"""
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'w'); "
wanted = {
    "sleeper": Program("one", (sys.executable, "-c", wait)),
    "failing": Program("two", (sys.executable, "-c", "raise SystemExit(3)")),
    "busy": Program("busy", (sys.executable, "-c", "import sys" + busy, str(directory / "busy.gave-way"))),
    "deaf": Program("deaf", (sys.executable, "-c", "import sys; " + deaf + wait, str(directory / "deaf.ready"))),
}
def programs():
    if (directory / "broken").exists(): raise ZeroDivisionError
    followed = [name for name in (directory / "wanted").read_text().split()] if "followed" in sys.argv else []
    leftover = (directory / "left.sock",)
    extra = [Program(name, (sys.executable, "-c", wait), leftovers=leftover) for name in followed if name != "deaf"]
    return [wanted[name] for name in (*sys.argv[2:], *followed) if name in wanted] + extra
sys.exit(Supervisor(programs, directory).run())
'''


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def supervising(directory: Path, *names: str, log: IO[str] | int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SCRIPT, str(directory), *names]
    with subprocess.Popen(command, stderr=log, text=True) as supervisor:
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


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "one.pid"
    with Path("/dev/full").open("w") as full, supervising(tmp_path, "sleeper", log=full) as supervisor:
        for _ in range(3):
            wait_for(lambda: is_there(pid_in(file)))
            before = pid_in(file)
            os.kill(before, signal.SIGKILL)
            wait_for(lambda before=before: pid_in(file) not in (0, before))
        supervisor.terminate()
        assert supervisor.wait(20) == 0


def test_a_log_that_nobody_reads_any_more_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "one.pid"
    with supervising(tmp_path, "sleeper") as supervisor:
        wait_for(lambda: pid_in(file) > 0)
        assert supervisor.stderr is not None
        supervisor.stderr.close()
        before = pid_in(file)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: pid_in(file) not in (0, before) and is_there(pid_in(file)))
        supervisor.terminate()
        assert supervisor.wait(20) == 0


def test_a_fault_of_its_own_leaves_no_process_behind(tmp_path: Path) -> None:
    with supervising(tmp_path, "deaf") as supervisor:
        wait_for((tmp_path / "deaf.ready").exists)
        wait_for(lambda: pid_in(tmp_path / "deaf.pid") > 0)
        deaf = pid_in(tmp_path / "deaf.pid")
        (tmp_path / "broken").touch()
        assert supervisor.wait(20) == 1
        assert not is_there(deaf)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_process_that_gave_its_priority_up_gets_it_again(tmp_path: Path) -> None:
    with supervising(tmp_path, "busy"):
        wait_for((tmp_path / "busy.gave-way").exists)
        wait_for(lambda: os.sched_getscheduler(pid_in(tmp_path / "busy.pid")) & os.SCHED_RR == os.SCHED_RR)


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


@contextmanager
def following(directory: Path, *wanted: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of the sleeper, and of what the file `wanted` names."""
    want(directory, *wanted)
    with supervising(directory, "sleeper", "followed") as supervisor:
        for name in ("one", *wanted):
            wait_for(lambda name=name: pid_in(directory / f"{name}.pid") > 0)
        yield supervisor


def want(directory: Path, *names: str) -> None:
    fresh = directory / "fresh"
    fresh.write_text(" ".join(names))
    fresh.replace(directory / "wanted")


def test_what_becomes_wanted_is_started(tmp_path: Path) -> None:
    with following(tmp_path):
        want(tmp_path, "three")
        wait_for(lambda: pid_in(tmp_path / "three.pid") > 0)
        assert is_there(pid_in(tmp_path / "three.pid"))


def test_what_is_wanted_no_more_is_stopped_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with following(tmp_path, "three"):
        one, three = pid_in(tmp_path / "one.pid"), pid_in(tmp_path / "three.pid")
        (tmp_path / "left.sock").touch()
        want(tmp_path)
        wait_for(lambda: not (tmp_path / "three.pid").exists() and not (tmp_path / "left.sock").exists())
        assert not is_there(three)
        assert is_there(one)


def test_what_does_not_stop_when_it_is_wanted_no_more_is_killed(tmp_path: Path) -> None:
    with following(tmp_path, "deaf"):
        deaf = pid_in(tmp_path / "deaf.pid")
        wait_for((tmp_path / "deaf.ready").exists)
        want(tmp_path)
        wait_for(lambda: not is_there(deaf))


def test_what_is_unwanted_for_a_moment_only_is_not_stopped(tmp_path: Path) -> None:
    with following(tmp_path, "three"):
        before = pid_in(tmp_path / "three.pid")
        want(tmp_path)
        time.sleep(0.2)
        want(tmp_path, "three")
        want(tmp_path, "three", "four")
        wait_for(lambda: pid_in(tmp_path / "four.pid") > 0)
        time.sleep(1.0)  # longer than what is unwanted is waited for
        assert pid_in(tmp_path / "three.pid") == before
        assert is_there(before)


def test_what_comes_back_while_it_is_being_stopped_is_started_again(tmp_path: Path) -> None:
    with following(tmp_path, "deaf") as supervisor:
        before = pid_in(tmp_path / "deaf.pid")
        wait_for((tmp_path / "deaf.ready").exists)
        want(tmp_path)
        assert supervisor.stderr is not None
        assert "deaf is wanted no more" in supervisor.stderr.readline()
        want(tmp_path, "deaf")
        wait_for(lambda: pid_in(tmp_path / "deaf.pid") not in (0, before))
        assert not is_there(before)


def test_while_it_cannot_be_known_what_is_wanted_nothing_is_stopped(tmp_path: Path) -> None:
    with following(tmp_path, "three"):
        before = pid_in(tmp_path / "three.pid")
        (tmp_path / "wanted").unlink()
        time.sleep(1.0)  # longer than what is unwanted is waited for
        assert pid_in(tmp_path / "three.pid") == before
        assert is_there(before)


def test_a_process_may_open_files_for_a_thousand_neighbors(tmp_path: Path) -> None:
    with following(tmp_path):
        limits = Path(f"/proc/{pid_in(tmp_path / 'one.pid')}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(line.split()[3]) >= 4096


def places_with(directory: Path, *processes: int) -> Places:
    """A runtime directory with the configurations of these ExaBGP processes, and other files."""
    for process in processes:
        Places(run=directory).exabgp_config(process).touch()
    for other in ("exabgp-9.conf.new", "exabgp-0.conf", "exabgp-.conf", "exabgp-7.sock", "exabgp-8.conf~"):
        (directory / other).touch()
    return Places(run=directory)


def test_there_is_an_exabgp_for_each_configuration_and_always_the_first(tmp_path: Path) -> None:
    names = [program.name for program in programs(places_with(tmp_path, 2, 10), [])]
    assert names == ["provisioner", "forwarder", "exabgp-1", "exabgp-2", "exabgp-10", "controller"]


def test_the_controller_stops_first_and_the_forwarder_last(tmp_path: Path) -> None:
    stage = {program.name: program.stage for program in programs(places_with(tmp_path, 2), [])}
    assert stage["provisioner"] > stage["controller"] > stage["exabgp-1"] == stage["exabgp-2"] > stage["forwarder"]


def test_each_process_may_do_only_what_it_needs(tmp_path: Path) -> None:
    may = {each.name: each.capabilities for each in programs(places_with(tmp_path), []) if each.narrowed}
    assert may == {"forwarder": ("net_admin", "net_raw"), "exabgp-1": ("net_bind_service",), "controller": ()}


def test_what_lies_between_a_death_and_its_announcement_does_not_wait_for_its_turn(tmp_path: Path) -> None:
    priority = {program.name: program.priority for program in programs(places_with(tmp_path), [])}
    assert priority["forwarder"] > priority["exabgp-1"] > priority["controller"] > priority["provisioner"] == 0


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
