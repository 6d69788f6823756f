"""Labs come and go: killed half-way, two at once, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab_world import EXAMPLE, answers, lab_of, network, unique_place, wait_until

from hub.lab import build, disturb, record
from hub.lab.names import LabError, LabPlace, NotUpError
from hub.lab.namespaces import existing, processes

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

POINTSMAN = str(Path(sys.executable).with_name("pointsman"))


def pointsman(place: LabPlace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `pointsman lab …` for this lab to its end."""
    command = [POINTSMAN, "lab", *arguments, "--name", place.name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def assert_nothing_left(place: LabPlace) -> None:
    """No namespace, no directory, no process that was started for the lab."""
    assert existing(place) == []
    assert not place.directory.exists()
    assert not place.lock.exists()
    wanted = f"{place.directory}/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                assert wanted not in (entry / "cmdline").read_bytes()
            except OSError:
                continue


def test_down_leaves_nothing() -> None:
    with lab_of("down", "bandung") as lab:
        assert processes(existing(lab.place))
        done = pointsman(lab.place, "down")
        assert (done.returncode, done.stdout) == (0, f'lab "{lab.place.name}" is gone\n')
        assert_nothing_left(lab.place)
        assert pointsman(lab.place, "status").returncode == 3


def test_up_of_a_lab_that_is_up_is_refused_and_changes_nothing() -> None:
    with lab_of("twice", "bandung") as lab:
        with pytest.raises(LabError, match="is up already"):
            build.up(network("bandung"), lab.place, configuration=EXAMPLE, with_hub=False)
        assert answers(lab, "bandung")


@pytest.mark.parametrize("namespaces", [1, 12, 22])
def test_a_lab_killed_while_it_was_built_is_cleaned_by_down(namespaces: int) -> None:
    place = unique_place(f"kill{namespaces}")
    try:
        _build_and_kill(place, namespaces)
        with pytest.raises(NotUpError):
            record.load(place)
        assert pointsman(place, "down").returncode == 0
        assert_nothing_left(place)
    finally:
        build.down(place)


def test_a_lab_killed_while_it_was_built_is_cleaned_by_the_next_up() -> None:
    place = unique_place("again")
    try:
        _build_and_kill(place, 5)
        lab = build.up(network("bandung"), place, configuration=EXAMPLE, with_hub=False)
        assert set(existing(place)) == {place.namespace(node) for node in lab.network.nodes()}
    finally:
        build.down(place)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_demonstration_that_is_ended_by_a_signal_leaves_nothing(number: signal.Signals) -> None:
    place = unique_place("end")
    try:
        process = subprocess.Popen([POINTSMAN, "lab", "demo", "--name", place.name], stdout=subprocess.DEVNULL)
        wait_until(lambda: len(existing(place)) >= 12)
        process.send_signal(number)
        assert process.wait(60) == 1
        assert_nothing_left(place)
    finally:
        build.down(place)


def _build_and_kill(place: LabPlace, namespaces: int) -> None:
    command = [POINTSMAN, "lab", "up", "--no-hub", "--name", place.name]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(existing(place)) >= namespaces)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_step_that_fails_is_said_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    place = unique_place("fail")
    broken = tmp_path / "wg"
    broken.write_text(
        '#!/bin/sh\n[ "$1" != setconf ] || { echo "no such thing" >&2; exit 1; }\nexec /usr/bin/wg "$@"\n'
    )
    broken.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [POINTSMAN, "lab", "up", "--no-hub", "--name", place.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no such thing" in done.stderr
    assert_nothing_left(place)


def test_two_labs_do_not_disturb_each_other() -> None:
    with lab_of("a", "bandung") as first, lab_of("a-b", "bandung") as second:
        disturb.cut(first, "isp:telkom")
        assert not answers(first, "bandung")
        assert answers(second, "bandung")
        build.down(first.place)
        assert_nothing_left(first.place)
        assert answers(second, "bandung")
