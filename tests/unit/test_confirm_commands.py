"""apply with a way back, confirm and rollback: as they are typed, and what they and status say."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from config_directories import written
from small_network import moment
from test_plan import BEFORE, NOW, only, view, with_bandung
from test_render_plan import text_of

from hub.cli.main import main
from hub.cli.render_configuration import configuration_line
from hub.cli.render_plan import applied_view, plan_view
from hub.cli.render_status import status_view
from hub.config.applied import put_in_force, stage
from hub.config.provenance import Confirmation, GoneBack, Provenance, write_provenance
from hub.config.starting import staying
from hub.control.confirm_within import read_confirm_within
from hub.controller.ending import Applied
from hub.controller.plan_report import applied_report, plan_report
from hub.controller.report import Surroundings, network_report
from policies.model.clock import Instant
from policies.plan import plan

TODAY = datetime.now(UTC).date().isoformat()
UNTOUCHED: dict[str, Any] = {
    "plan": "7f3a91c2",
    "at": f"{TODAY}T14:32:00+00:00",
    "by": "root",
    "confirm": None,
    "gone_back": None,
    "files_differ": None,
    "can_go_back": True,
}
AWAITED = {**UNTOUCHED, "confirm": {"until": f"{TODAY}T14:37:00+00:00", "within": 300.0, "left": 252.0}}
OVERDUE = {**UNTOUCHED, "confirm": {"until": f"{TODAY}T14:37:00+00:00", "within": 300.0, "left": 0.0}}
GONE_BACK = {
    **UNTOUCHED,
    "plan": "5e0d1f22",
    "at": f"{TODAY}T14:37:00+00:00",
    "gone_back": {"from": "7f3a91c2", "why": "nobody confirmed it within 5m"},
    "files_differ": True,
}
PLANNED = plan(BEFORE, with_bandung(only("wireless")), view(), NOW)
WAY_BACK = "Keep it: pointsman confirm. Otherwise it goes back at 14:37 (now: pointsman rollback)"


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (None, None),
        (UNTOUCHED, None),
        (
            AWAITED,
            (
                "configuration 7f3a91c2, applied by root, goes back at 14:37 (in 4m 12s) "
                "unless confirmed: pointsman confirm (now: pointsman rollback)"
            ),
        ),
        (OVERDUE, "configuration 7f3a91c2 was not confirmed by 14:37: going back"),
        (
            GONE_BACK,
            (
                "gone back from configuration 7f3a91c2 at 14:37: nobody confirmed it within 5m; "
                "the files are not what is in force: pointsman plan"
            ),
        ),
        ({**GONE_BACK, "files_differ": False}, None),
        (
            {**GONE_BACK, "gone_back": {"from": "", "why": "root asked for it"}},
            (
                "gone back from the configuration of a start at 14:37: root asked for it; "
                "the files are not what is in force: pointsman plan"
            ),
        ),
    ],
)
def test_what_becomes_of_the_configuration_is_one_line(report: dict[str, Any] | None, line: str | None) -> None:
    assert configuration_line(report) == line


def test_status_has_that_line_above_the_branches() -> None:
    around = Surroundings("/etc/pointsman", Instant(0.0))
    report = {**network_report(BEFORE, view(), {}, around, moment(1.0)), "configuration": AWAITED}
    lines = text_of(status_view(report)).splitlines()
    assert lines[2].startswith("configuration 7f3a91c2, applied by root, goes back at 14:37")
    assert lines[3].startswith("BRANCH")


def applied_text(configuration: dict[str, Any], *moved: tuple[str, str | None], **more: Any) -> list[str]:
    report = applied_report(Applied(PLANNED, moved=moved, **more))
    return text_of(applied_view({**report, "configuration": configuration})).splitlines()


def test_an_apply_says_where_the_branches_are_and_how_to_keep_it() -> None:
    assert applied_text(AWAITED, ("bandung", "wireless")) == [
        f"{PLANNED.id} is in force: 1 branch changed, 1 branch moves, 1 left on one path",
        "bandung on wireless",
        WAY_BACK,
    ]


def test_without_a_way_back_there_is_nothing_to_keep() -> None:
    assert WAY_BACK not in applied_text(UNTOUCHED, ("bandung", "wireless"))


def test_a_branch_that_has_not_moved_yet_is_named_with_where_to_look() -> None:
    assert "bandung still on fiber: pointsman why bandung" in applied_text(AWAITED, ("bandung", "fiber"))


def test_of_many_branches_some_are_named_and_the_rest_counted() -> None:
    moves = [{"branch": f"b{number:03}", "to": "wireless", "moves": []} for number in range(100)]
    report = applied_report(Applied(PLANNED))
    report["plan"]["branches"] = moves
    report["moved"] = [{"branch": m["branch"], "on": "fiber" if m["branch"] == "b099" else "wireless"} for m in moves]
    lines = text_of(applied_view({**report, "configuration": AWAITED})).splitlines()
    assert len(lines) == 1 + 20 + 1 + 1
    assert lines[-2] == "and 80 more, 79 of them where they were to go"


def test_going_back_says_what_is_in_force_again_and_that_the_files_are_as_they_were() -> None:
    assert applied_text(GONE_BACK, ("bandung", "wireless")) == [
        (
            "configuration 5e0d1f22 is in force again, not configuration 7f3a91c2: "
            "1 branch changed, 1 branch moves, 1 left on one path"
        ),
        "bandung on wireless",
        "The files are as they were: pointsman plan shows them as a difference again.",
    ]


def test_a_guard_that_did_not_hold_it_up_is_said() -> None:
    report = applied_report(Applied(PLANNED))
    report["plan"]["guards"] = ["bandung would be cut off"]
    text = text_of(applied_view({**report, "configuration": GONE_BACK}))
    assert "not held up by: bandung would be cut off" in text


@pytest.mark.parametrize(
    ("configuration", "how"),
    [
        (
            UNTOUCHED,
            (
                f"do it:  pointsman apply {PLANNED.id}              "
                f"with a way back:  pointsman apply {PLANNED.id} --confirm-within 5m"
            ),
        ),
        (AWAITED, f"do it:  first pointsman confirm, or pointsman rollback; then pointsman apply {PLANNED.id}"),
    ],
)
def test_a_plan_says_how_to_do_it_and_what_comes_first(configuration: dict[str, Any], how: str) -> None:
    report = {**plan_report(PLANNED), "configuration": configuration}
    assert text_of(plan_view(report, proposal=False)).splitlines()[-1] == how


def test_a_plan_of_going_back_says_how_to_do_that() -> None:
    report = {**plan_report(PLANNED), "configuration": UNTOUCHED}
    assert text_of(plan_view(report, proposal=False, back=True)).splitlines()[-1] == "do it:  pointsman rollback"


def test_a_plan_after_going_back_says_that_the_files_are_not_in_force() -> None:
    report = {**plan_report(PLANNED), "configuration": GONE_BACK}
    assert "the files are not what is in force" in text_of(plan_view(report, proposal=False)).splitlines()[0]


@contextmanager
def answering(run: Path, answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A controller that answers all questions so; what it was asked."""
    asked: list[dict[str, Any]] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.readline()))
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def whole() -> None:
        server = await asyncio.start_unix_server(serve, str(run / "control.sock"))
        ready.set()
        while not stop.is_set():  # noqa: ASYNC110  it is set by another thread
            await asyncio.sleep(0.01)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(whole(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield asked
    finally:
        stop.set()
        thread.join()


DONE_APPLY = {**applied_report(Applied(PLANNED)), "configuration": AWAITED}


@pytest.mark.parametrize(
    ("typed", "question", "answer", "status", "said"),
    [
        (
            ["apply", PLANNED.id, "--confirm-within", "5m"],
            {"ask": "apply", "plan": PLANNED.id, "force": False, "confirm_within": "5m"},
            {"answer": DONE_APPLY},
            0,
            WAY_BACK,
        ),
        (["apply"], {"ask": "apply", "plan": None, "force": False}, {"answer": DONE_APPLY}, 0, "is in force"),
        (
            ["confirm"],
            {"ask": "confirm", "plan": None},
            {"answer": {"configuration": UNTOUCHED}},
            0,
            "configuration 7f3a91c2 stays in force",
        ),
        (["confirm", "7f3a91c2"], {"ask": "confirm", "plan": "7f3a91c2"}, {"error": "nothing waits"}, 1, ""),
        (["confirm", "--json"], {"ask": "confirm", "plan": None}, {"answer": {"configuration": UNTOUCHED}}, 0, '"by"'),
        (["rollback"], {"ask": "rollback"}, {"answer": {**DONE_APPLY, "configuration": GONE_BACK}}, 0, "again, not"),
        (
            ["rollback"],
            {"ask": "rollback"},
            {"answer": {**DONE_APPLY, "waiting": ["bandung/fiber"]}},
            4,
            "still carries",
        ),
        (["rollback", "--json"], {"ask": "rollback"}, {"answer": DONE_APPLY}, 0, '"moved"'),
        (["rollback"], {"ask": "rollback"}, {"error": "there is none"}, 1, ""),
        (
            ["plan", "--rollback"],
            {"ask": "plan", "back": True},
            {"answer": plan_report(PLANNED)},
            0,
            "do it:  pointsman",
        ),
    ],
)
def test_a_command_asks_says_and_ends_as_its_help_has_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    typed: list[str],
    question: dict[str, Any],
    answer: dict[str, Any],
    status: int,
    said: str,
) -> None:
    with answering(tmp_path, answer) as asked:
        assert main([*typed, "--run-dir", str(tmp_path)]) == status
    assert asked == [question]
    captured = capsys.readouterr()
    assert said in captured.out.replace(f" --run-dir {tmp_path}", "")
    assert (captured.err == "") is ("error" not in answer)


@pytest.mark.parametrize("typed", [["apply", "--confirm-within", "5"], ["plan", "somewhere", "--rollback"]])
def test_what_makes_no_sense_is_wrong_usage(capsys: pytest.CaptureFixture[str], typed: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    assert "pointsman" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["confirm", "rollback"])
def test_where_no_hub_runs_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--run-dir", str(tmp_path)]) == 3
    assert "is running here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        (
            Provenance(
                "7f3a91c2", confirmation=Confirmation(datetime(2026, 11, 21, 12, tzinfo=UTC), read_confirm_within("5m"))
            ),
            "configuration 7f3a91c2 stays in force, and goes back at",
        ),
        (Provenance(gone_back=GoneBack("7f3a91c2", "")), "gone back to from configuration 7f3a91c2 stays in force"),
    ],
)
def test_a_start_says_what_stays_in_force_and_leaves_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    provenance: Provenance,
    said: str,
) -> None:
    config, state = written(tmp_path / "config", {}), tmp_path / "state"
    staged = stage(config, state)
    write_provenance(staged, provenance)
    place = put_in_force(staged)
    (config / "branches" / "bandung.yaml").write_text("as: nonsense\n")
    monkeypatch.setattr("hub.cli.run._missing_capabilities", list)
    monkeypatch.setattr("hub.supervisor.Supervisor.run", lambda _: 0)
    assert main(["run", "--config", str(config), "--run-dir", str(tmp_path / "run"), "--state-dir", str(state)]) == 0
    assert said in capsys.readouterr().err
    assert staying(config, state) == (place, provenance)
