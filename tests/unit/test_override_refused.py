"""Overrides that are refused, and a store that fails: nothing changes, and it is said."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from override_rig import FIBER, INTENT, Rig
from override_values import NOON, a_drain
from small_network import a_branch, a_network
from waiting import until

from hub.overrides import keeper as keeper_module
from hub.overrides.store import Store
from policies.model.overrides import InForce, Override

FROZEN = dict.fromkeys(INTENT.branches, InForce(frozen=True))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(keeper_module, "LOOK_SECONDS", 0.01)
    return Rig(tmp_path)


@pytest.mark.parametrize(
    ("ask", "more", "error"),
    [
        ("drain", {"target": "bandung/fibre"}, "there is no tunnel bandung/fibre: its tunnels are fiber, wireless"),
        ("drain", {}, '"target" is missing'),
        ("drain", {"target": 5}, '"target" is text, written as on the command line'),
        ("drain", {"target": "bandung/fiber", "for": "2"}, '"2" is not a length of time'),
        ("drain", {"target": "bandung/fiber", "for": "2h", "until": "14:00"}, "not both"),
        (
            "drain",
            {"target": "bandung/fiber", "until": "2026-11-22 11:00"},
            "is over: it is 2026-11-22 12:00 in Asia",
        ),
        (
            "drain",
            {"target": "bandung/fiber", "at": "15:00", "until": "2026-11-22 14:00"},
            "it would end (2026-11-22 14:00) before it begins (15:00)",
        ),
        ("drain", {"target": "bandung/fiber", "at": "15:00", "until": "2028-11-22 14:00"}, "lasts 366 days at most"),
        ("drain", {"target": "bandung/fiber", "rate": "fast"}, '"fast" is not a rate'),
        (
            "drain",
            {"target": "isp:isp-fiber", "rate": "2/h", "for": "30m"},
            "at 2 branches an hour the last of its 2 branches, solo, has its turn at 12:30, and the drain ends at",
        ),
        (
            "drain",
            {"target": "isp:isp-fiber", "for": "1s"},
            "has its turn at 12:00, and the drain ends at 12:00: let it",
        ),
        ("drain", {"target": "bandung/fiber", "reason": "a\x1b[31m"}, "a reason is one line of at most 200 characters"),
        ("drain", {"target": "bandung/fiber", "reason": "x" * 201}, "a reason is one line of at most 200 characters"),
        ("drain", {"target": "bandung", "force": True}, "--force needs a --reason"),
        (
            "drain",
            {"target": "bandung"},
            "draining bandung would isolate bandung: all of its tunnels are meant. Use --force with a --reason",
        ),
        ("drain", {"target": "hub:hq"}, "would isolate bandung (all of its tunnels are meant), solo (all of its tunn"),
        ("drain", {"number": 9}, 'drain 9 is not there, or is over: "pointsman overrides --all" says which'),
        ("drain", {"number": "9"}, '"number" is that of an override'),
        ("drain", {"target": "bandung/fiber", "extend": "1h"}, "bandung/fiber is not drained"),
        ("drain", {"target": "bandung/fibre", "extend": "1h"}, "there is no tunnel bandung/fibre"),
        ("undrain", {"target": "bandung/fiber"}, "bandung/fiber is not drained"),
        ("undrain", {"target": "7"}, 'there is no drain 7: "pointsman overrides" names those that there are'),
        ("switch", {"branch": "solo", "to": "fibre"}, "there is no tunnel solo/fibre: its tunnels are fiber, wireless"),
        ("switch", {"branch": "sola", "to": "fiber"}, 'there is no branch "sola"'),
        ("unswitch", {"branch": "solo"}, "solo is not switched: its policy decides"),
        ("unswitch", {"branch": "sola"}, 'there is no branch "sola"'),
        ("unfreeze", {}, "nothing is frozen"),
        ("unfreeze", {"number": 3}, "there is no freeze 3"),
        ("failback", {"branch": "sola"}, 'there is no branch "sola"'),
    ],
)
def test_what_is_not_taken_changes_nothing_and_says_why(rig: Rig, ask: str, more: dict[str, Any], error: str) -> None:
    async def scene() -> None:
        assert error in await rig.refused(ask, **more)
        assert await rig.standing() == []

    rig.play(scene)


@pytest.mark.parametrize(
    ("ask", "field"),
    [("drain", "target"), ("drain", "for"), ("drain", "reason"), ("undrain", "target"), ("unswitch", "branch")],
)
def test_a_word_without_end_is_answered_in_few_words(rig: Rig, ask: str, field: str) -> None:
    async def scene() -> None:
        assert len(await rig.refused(ask, **{"target": "bandung/fiber", field: "x" * 100_000})) < 300

    rig.play(scene)


def test_what_would_isolate_is_done_when_forced_with_a_reason(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung", force=True, reason="moving the office")
        assert rig.core.overrides.drains[0].forced

    rig.play(scene)


def test_a_second_drain_that_would_isolate_with_the_first_is_refused(rig: Rig) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", until="14:00")
        error = await rig.refused("drain", target="bandung/wireless")
        assert "fiber is drained until 14:00 (drain 1)" in error
        await rig.told("drain", target="bandung/wireless", at="14:00")

    rig.play(scene)


def test_a_full_disk_refuses_and_changes_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        await rig.told("drain", target="bandung/fiber", **{"for": "1h"})
        with monkeypatch.context() as full:
            add = Store.add

            def on_full_disk(store: Store, override: Override, **more: Any) -> Override:
                pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
                store._connection.execute(f"PRAGMA max_page_count = {pages}")
                return add(store, replace(override, reason="x" * 20_000), **more)

            full.setattr(Store, "add", on_full_disk)
            error = await rig.refused("freeze")
            assert error == f"{rig.file}: its disk is full: make room there"
        assert await rig.standing() == ["1 drain bandung/fiber"]

    rig.play(scene)


def test_a_damaged_file_is_set_aside_and_the_controller_goes_on(rig: Rig) -> None:
    rig.file.write_bytes(b"spoilt" * 1000)

    async def scene() -> None:
        assert await rig.standing() == []
        await rig.told("freeze")

    rig.play(scene)
    assert any("was damaged and is set aside as controller.db.damaged-" in line for line in rig.said)


def test_a_file_that_cannot_be_read_is_a_problem_until_it_can(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "AGAIN_SECONDS", 0.0)
    drain = a_drain(0, "bandung/fiber")
    kept = Store(rig.file, NOON, rig.said.append)
    kept.add(drain)
    kept.close()
    away = rig.file.rename(rig.file.with_name("away"))
    rig.file.mkdir()

    async def scene() -> None:
        text, _ = rig.core.problems["overrides"]
        assert text.startswith("what operators said before is not known: ")
        for ask in ("freeze", "overrides"):
            assert "cannot be opened for writing" in await rig.refused(ask)
        assert "cannot be opened for writing" in await rig.refused("drain", number=1)
        assert rig.core.view.in_force == FROZEN
        rig.core.intent = a_network(*rig.core.intent.branches.values(), a_branch("tegal", number=3))
        await until(lambda: rig.core.view.overridden("tegal").frozen)
        rig.file.rmdir()
        away.rename(rig.file)
        await until(lambda: rig.core.overrides.drains == (replace(drain, number=1),))
        assert "overrides" not in rig.core.problems
        assert rig.core.view.in_force == {"bandung": InForce(drained=frozenset({FIBER}))}

    rig.play(scene)


def test_a_disk_that_hangs_at_the_start_freezes_all_until_it_answers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "START_SECONDS", 0.05)
    kept = Store(rig.file, NOON, rig.said.append)
    kept.add(a_drain(0, "bandung/fiber"))
    kept.close()
    answers, standing = threading.Event(), Store.standing

    def slow(store: Store) -> tuple[Override, ...]:
        assert answers.wait(20)
        return standing(store)

    monkeypatch.setattr(Store, "standing", slow)

    async def scene() -> None:
        assert rig.core.view.in_force == FROZEN
        assert "its disk does not answer for 0.05 s" in rig.core.problems["overrides"][0]
        assert "does not answer" in await rig.refused("drain", number=1)
        answers.set()
        await until(lambda: rig.core.view.in_force == {"bandung": InForce(drained=frozenset({FIBER}))})
        assert "overrides" not in rig.core.problems

    rig.play(scene)


def test_what_was_kept_is_read_before_a_command_is_judged(rig: Rig) -> None:
    kept = Store(rig.file, NOON, rig.said.append)
    kept.add(a_drain(0, "bandung/fiber"))
    kept.close()
    away = rig.file.rename(rig.file.with_name("away"))
    rig.file.mkdir()

    async def scene() -> None:
        rig.file.rmdir()
        away.rename(rig.file)
        assert "fiber is drained (drain 1)" in (await rig.ask("drain", target="bandung/wireless"))["error"]

    rig.play(scene)


def test_so_many_at_a_time_and_no_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.overrides.commands.MOST", 2)

    async def scene() -> None:
        await rig.told("freeze")
        await rig.told("freeze")
        assert "there are 2 overrides already" in await rig.refused("freeze")

    rig.play(scene)
