"""The commands of an operator, at a control socket: what they print, and how they exit."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from override_rig import FIBER, ME, WIRELESS, Counting, Rig

from hub.cli.main import main
from hub.overrides import keeper as keeper_module
from hub.overrides.counters import Counted

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(keeper_module, "LOOK_SECONDS", 0.01)
    rig = Rig(tmp_path)
    rig.counting = Counting()
    with rig.running():
        yield rig


@pytest.fixture
def pointsman(rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("POINTSMAN_RUN_DIR", str(rig.place))

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main([*arguments])
        except SystemExit as left:
            status = int(str(left.code))
        done = capsys.readouterr()
        return status, done.out, done.err

    return run


def when(rig: Rig, holds: Callable[[], object], then: Callable[[], None]) -> threading.Thread:
    """Let something happen while a command waits."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def idle_for_six_seconds(rig: Rig) -> None:
    begun = rig.core.moment.monotonic
    rig.core.later(0.1)
    rig.core.sees_use_of(WIRELESS)
    assert rig.counting is not None
    rig.counting.told[FIBER] = Counted(begun, rig.core.moment.monotonic, None, None)


def test_drain_says_each_step_and_then_that_it_is_safe(rig: Rig, pointsman: Command) -> None:
    moves = when(rig, lambda: rig.core.overrides.drains, lambda: idle_for_six_seconds(rig))
    status, out, err = pointsman("drain", "bandung/fiber", "--for", "2h", "--reason", "splice")
    moves.join()
    assert (status, err) == (0, "")
    moving, idle, safe = out.splitlines()
    assert re.fullmatch(r"moving     wireless made better; bandung seen to use it \.\.\.\. \d\.\d s", moving)
    assert idle == "idle       0 packets on bandung/fiber for 6.0 s, both directions"
    assert safe == (
        "safe to work on bandung/fiber until 14:00 (sooner: pointsman undrain bandung/fiber; "
        "longer: pointsman drain bandung/fiber --extend 1h)"
    )


def test_drain_that_is_not_reached_in_time_stays_and_exits_4(rig: Rig, pointsman: Command) -> None:
    status, out, err = pointsman("drain", "bandung/fiber", "--timeout", "0.3s")
    assert (status, out) == (4, "")
    assert re.fullmatch(
        r"pointsman: drain 1 of bandung/fiber is in force, but it is not safe to work after \d+ s: "
        r"bandung/fiber: the hub still sends to bandung by it\n"
        r'    mend: "pointsman drain 1" waits on; "pointsman why bandung" says what it does now\n',
        err,
    )
    assert len(rig.core.overrides.drains) == 1


def test_drain_of_a_number_waits_for_that_drain(rig: Rig, pointsman: Command) -> None:
    assert pointsman("drain", "bandung/fiber", "--no-wait")[0] == 0
    assert pointsman("drain", "1", "--timeout", "0.3s")[0] == 4
    idle_for_six_seconds(rig)
    status, out, _ = pointsman("drain", "1")
    assert status == 0
    assert "safe to work on bandung/fiber (when it is done: pointsman undrain bandung/fiber)" in out
    assert len(rig.core.overrides.drains) == 1


def test_a_second_drain_of_a_target_is_ended_by_its_number_and_names_the_first(rig: Rig, pointsman: Command) -> None:
    assert pointsman("drain", "bandung/fiber", "--no-wait")[0] == 0
    assert pointsman("drain", "bandung/fiber", "--no-wait", "--for", "1h")[0] == 0
    idle_for_six_seconds(rig)
    assert "(when it is done: pointsman undrain 1; drain 2 stands too)" in pointsman("drain", "1")[1]
    second = pointsman("drain", "2")[1]
    assert "(sooner: pointsman undrain 2; longer: pointsman drain 2 --extend 1h; drain 1 stands too)" in second
    assert pointsman("drain", "2", "--extend", "1h")[0] == 0
    assert pointsman("undrain", "2")[0] == 0


def test_a_hub_that_was_named_is_named_in_the_commands_that_drain_prints(rig: Rig, pointsman: Command) -> None:
    assert pointsman("drain", "bandung/fiber", "--no-wait")[0] == 0
    named = f"--run-dir {rig.place}"
    _, _, err = pointsman("drain", "1", "--timeout", "0.3s", *named.split())
    assert f'"pointsman drain {named} 1" waits on; "pointsman why {named} bandung" says' in err
    idle_for_six_seconds(rig)
    assert f"(when it is done: pointsman undrain {named} bandung/fiber)" in pointsman("drain", "1", *named.split())[1]


def test_drain_where_nobody_counts_waits_for_the_move_alone_and_exits_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(tmp_path)
    with rig.running():
        rig.core.sees_use_of(WIRELESS)
        status = main(["drain", "bandung/fiber", "--run-dir", str(tmp_path)])
    done = capsys.readouterr()
    assert status == 4
    assert "is in force and its traffic has moved, but nobody counts its packets" in done.err
    assert done.out.startswith("moving     bandung seen to use wireless")


def test_drain_that_somebody_ends_meanwhile_is_refused(rig: Rig, pointsman: Command) -> None:
    def ended() -> None:
        assert main(["undrain", "1", "--run-dir", str(rig.place)]) == 0

    ends = when(rig, lambda: rig.core.overrides.drains, ended)
    status, _, err = pointsman("drain", "bandung/fiber")
    ends.join()
    assert (status, err) == (
        1,
        'pointsman: drain 1 is not there, or is over: "pointsman overrides --all" says which\n',
    )


def test_drain_as_data_is_the_last_that_was_seen(rig: Rig, pointsman: Command) -> None:
    status, out, _ = pointsman("drain", "bandung/fiber", "--json", "--timeout", "0.1s")
    report = json.loads(out)
    assert (status, report["safe"], report["override"]["target"]) == (4, False, "bandung/fiber")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--at", "14:30", "--for", "2h"), "scheduled  drain 1 of bandung/fiber from 14:30 until 16:30 (Asia/Jakarta)"),
        (("--no-wait", "--until", "9:00"), "accepted   drain 1 of bandung/fiber until 2026-11-23 09:00 (Asia/Jakarta)"),
    ],
)
def test_drain_that_is_not_waited_for_says_when_it_is(
    pointsman: Command, arguments: tuple[str, ...], line: str
) -> None:
    assert pointsman("drain", "bandung/fiber", *arguments) == (0, f"{line}\n", "")


def test_drain_is_extended(pointsman: Command) -> None:
    pointsman("drain", "bandung/fiber", "--no-wait", "--for", "1h")
    status, out, _ = pointsman("drain", "bandung/fiber", "--extend", "90m")
    assert (status, out) == (0, "extended   drain 1 of bandung/fiber until 14:30 (Asia/Jakarta)\n")
    assert pointsman("drain", "1", "--extend", "1h", "--reason", "late")[0] == 0
    assert "|15:30|" in rows(pointsman("overrides")[1])[2]
    assert rows(pointsman("overrides")[1])[2].endswith("|late")


def test_what_would_isolate_is_refused_by_name(pointsman: Command) -> None:
    status, out, err = pointsman("drain", "bandung")
    assert (status, out) == (1, "")
    assert err == (
        "pointsman: draining bandung would isolate bandung: all of its tunnels are meant. "
        "Use --force with a --reason to do it all the same\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("drain", "bandung", "--force"), "--force needs --reason"),
        (("drain", "bandung/fiber", "--for", "2"), '"2" is not a length of time: write a number and a unit'),
        (("drain", "bandung/fiber", "--for", "2h", "--until", "14:00"), "not allowed with argument"),
        (("drain", "bandung/fiber", "--extend", "1h", "--at", "14:00"), "--extend changes when a drain ends"),
        (("drain", "bandung/fiber", "--extend", "1h", "--no-wait"), "--extend changes when a drain ends"),
        (("drain", "bandung/fiber", "--extend", "1h", "--timeout", "5s"), "--extend changes when a drain ends"),
        (("drain", "bandung/fiber", "--extend", "1h", "--rate", "all"), "--extend changes when a drain ends"),
        (("drain", "bandung/fiber", "--rate", "5"), '"5" is not a rate: write so many branches a minute'),
        (("drain",), "the following arguments are required: TARGET"),
        (("switch", "solo"), "the following arguments are required: --to"),
        (("unfreeze", "x"), "invalid int value"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_write(pointsman: Command, arguments: tuple[str, ...], error: str) -> None:
    status, out, err = pointsman(*arguments)
    assert (status, out) == (2, "")
    assert error in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("drain", "bandung/fiber"),
        ("undrain", "bandung/fiber"),
        ("switch", "solo", "--to", "fiber"),
        ("unswitch", "solo"),
        ("freeze",),
        ("unfreeze",),
        ("failback", "solo"),
        ("overrides",),
    ],
)
def test_where_no_hub_runs_every_command_exits_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main([*arguments, "--run-dir", str(tmp_path)]) == 3
    assert "mend: start it with" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["drain", "undrain", "switch", "unswitch", "freeze", "unfreeze", "failback", "overrides"]
)
def test_help_has_examples_and_the_exit_status(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    text = capsys.readouterr().out
    assert f"examples:\n  pointsman {name}" in text
    assert "exit status: 0" in text


def test_each_command_says_what_it_did(pointsman: Command) -> None:
    said = f"said 12:00 by {ME}"
    assert pointsman("switch", "solo", "--to", "wireless", "--for", "2h", "--reason", "slow")[:2] == (
        0,
        f"said       1 switch solo to wireless until 14:00, {said}: slow\n",
    )
    assert pointsman("freeze", "--until", "2026-11-23 08:00")[:2] == (
        0,
        f"said       2 freeze until 2026-11-23 08:00, {said}\n",
    )
    status, out, _ = pointsman("failback", "bandung")
    assert (status, out.splitlines()) == (
        0,
        [
            f"said       3 failback bandung until 12:10, {said}",
            "note       moves are frozen by freeze 2: it waits for that",
        ],
    )
    assert pointsman("unfreeze")[:2] == (0, f"ended      2 freeze until 2026-11-23 08:00, {said}\n")
    assert pointsman("unswitch", "solo")[:2] == (
        0,
        f"ended      1 switch solo to wireless until 14:00, {said}: slow\n",
    )
    assert pointsman("drain", "isp:isp-fiber", "--rate", "5/min", "--at", "13:00")[0] == 0
    assert pointsman("undrain", "isp:isp-fiber")[:2] == (
        0,
        f"ended      4 drain isp:isp-fiber (5 branches a minute), {said}\n",
    )


def rows(text: str) -> list[str]:
    return [re.sub(r" {2,}", "|", line) for line in text.splitlines()]


def test_overrides_lists_what_stands_and_all_what_is_over_too(pointsman: Command) -> None:
    assert pointsman("overrides")[:2] == (
        0,
        'nothing is drained, switched or frozen ("pointsman overrides --all" has those that are over)\n',
    )
    pointsman("drain", "bandung/fiber", "--for", "2h", "--reason", "splice [red]4411", "--no-wait")
    pointsman("drain", "isp:isp-fiber", "--at", "2026-11-23 01:00")
    pointsman("freeze")
    pointsman("unfreeze")
    listed = rows(pointsman("overrides")[1])
    assert listed[0] == "NO|WHAT|STATE|FROM|UNTIL|WHO|WHY"
    assert listed[2] == f"1|drain bandung/fiber|in force|12:00|14:00|{ME}|splice [red]4411"
    assert listed[3] == f"2|drain isp:isp-fiber (60 branches a minute)|scheduled|2026-11-23 01:00|{ME}"
    assert listed[4:] == ["times are of Asia/Jakarta"]
    assert rows(pointsman("overrides", "--all")[1])[4] == f"3|freeze|over|12:00|12:00 unfrozen|{ME}"
    assert [one["number"] for one in json.loads(pointsman("overrides", "--json")[1])["overrides"]] == [1, 2]


def test_no_colours_in_a_pipe(pointsman: Command) -> None:
    pointsman("drain", "bandung/fiber", "--at", "13:00")
    assert "\x1b" not in pointsman("overrides", "--all")[1]
