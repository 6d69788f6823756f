"""What the state directory knows of the configuration in force: at every moment, also of a crash or a power cut."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from config_directories import BANDUNG, written

from hub.config import read
from hub.config.applied import in_force, put_in_force, stage
from hub.config.provenance import (
    UNKNOWN,
    Confirmation,
    GoneBack,
    Provenance,
    onto_the_disk,
    read_provenance,
    write_provenance,
)
from hub.config.starting import put_files_in_force, staying
from hub.controller.kept import Kept, Staged

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAITED = Confirmation(NOW + timedelta(minutes=5), timedelta(minutes=5))
FULL = Provenance("7f3a91c2", NOW, "root", "applied-1", AWAITED, GoneBack("5e0d1f22", "nobody confirmed it"))
OLD, NEW = 65001, 65009


@pytest.mark.parametrize("provenance", [UNKNOWN, FULL, Provenance("7f3a91c2", NOW, "SIGHUP")])
def test_it_is_read_as_it_was_written(tmp_path: Path, provenance: Provenance) -> None:
    write_provenance(tmp_path, provenance)
    assert read_provenance(tmp_path) == provenance
    assert [file.name for file in tmp_path.iterdir()] == ["provenance.json"]


def test_a_copy_of_a_release_before_has_none(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) == UNKNOWN


@pytest.mark.parametrize(
    "spoilt",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"version": 1}',
        {"version": 2},
        {"before": "../../etc"},
        {"before": 7},
        {"at": "yesterday"},
        {"confirm": {}},
        {"confirm": []},
        {"confirm": {"until": "2026-11-21T12:00:00", "within": 300.0}},
        {"confirm": {"until": "2026-11-21T12:00:00+00:00", "within": "long"}},
        {"gone-back": "yes"},
    ],
    ids=lambda spoilt: str(spoilt)[:40],
)
def test_a_spoilt_one_is_refused_by_its_name(tmp_path: Path, spoilt: str | dict[str, Any]) -> None:
    write_provenance(tmp_path, FULL)
    file = tmp_path / "provenance.json"
    file.write_text(spoilt if isinstance(spoilt, str) else json.dumps({**json.loads(file.read_text()), **spoilt}))
    with pytest.raises(ValueError, match=r"provenance\.json: "):
        read_provenance(tmp_path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return written(tmp_path / "config", {})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def write(directory: Path, asn: int) -> None:
    (directory / "branches" / "bandung.yaml").write_text(BANDUNG.replace("65001", str(asn)))


def asn(copy: Path | None) -> int:
    """The number in a copy that can be used as it is."""
    assert copy is not None
    intent = read(copy).intent
    assert intent is not None
    return intent.branches["bandung"].asn


def test_what_is_in_force_and_what_it_came_after_stay_where_they_are_however_often_it_is_replaced(
    directory: Path, state: Path
) -> None:
    before: str | None = None
    for number in range(65001, 65008):
        write(directory, number)
        staged = stage(directory, state)
        write_provenance(staged, Provenance(before=before))
        place = put_in_force(staged)
        assert in_force(directory, state) == place
        assert asn(place) == number
        if before is not None:
            assert asn(state / before) == number - 1
        before = place.name
    assert len([path for path in state.iterdir() if not path.is_symlink()]) <= 3


def test_the_provenance_is_on_the_disk_before_the_configuration_counts(
    directory: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[Path] = set()
    rename = Path.rename

    def fsync(descriptor: int) -> None:
        flushed.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    def watched(path: Path, target: Path) -> Path:
        if path.name == "applied.new":
            assert {*path.rglob("*"), path} <= flushed
            assert path / "provenance.json" in flushed
        if path in flushed:
            flushed.add(target)
        flushed.discard(path.parent)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", watched)
    staged = stage(directory, state)
    write_provenance(staged, FULL)
    assert staged in flushed
    put_in_force(staged)
    assert state in flushed


class Killed(BaseException):
    """The process is gone at this step."""


class Death:
    """A Death comes before the nth change of the disk below a directory, and nothing is done after it.

    Of a file that is written it leaves nothing: it comes after the opening and before the first byte.
    """

    def __init__(self) -> None:
        self.below: Path | None = None
        self.steps = -1

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.below is None or not _changes(event, arguments) or str(self.below) not in str(arguments[0]):
            return
        if self.steps == 0:
            self.below = None
            if event == "open" and isinstance(arguments[0], str):
                Path(arguments[0]).write_bytes(b"")
            raise Killed
        self.steps -= 1


def _changes(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in {"os.rename", "os.remove", "os.mkdir", "os.symlink", "os.rmdir", "os.chmod", "os.truncate"}


DEATH = Death()


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    """There is no way to take an audit hook back (sys.addaudithook): it does nothing unless a test arms it."""
    sys.addaudithook(DEATH)


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, int, Callable[[], object]], bool]]:
    monkeypatch.setattr(os, "fsync", lambda _: None)

    def dies_at(below: Path, step: int, work: Callable[[], object]) -> bool:
        DEATH.below, DEATH.steps = below, step
        try:
            work()
        except Killed:
            return True
        finally:
            DEATH.below = None
        return False

    yield dies_at
    DEATH.below = None


def apply(directory: Path, state: Path) -> None:
    """What Changing does with the disk when somebody must confirm."""
    kept = Kept(directory, state)
    staged = kept.stage_files()
    assert kept.keep(staged, Provenance("new", NOW, "root", kept.place, AWAITED)) == []


def go_back(directory: Path, state: Path) -> None:
    kept = Kept(directory, state)
    was = kept.came_before()
    staged = kept.stage_before()
    gone_back = GoneBack(kept.provenance.plan, "nobody confirmed it")
    assert kept.keep(staged, Provenance(was.plan, NOW, gone_back=gone_back)) == []


def old_is_in_force(kept: Kept) -> bool:
    return asn(kept._place) == OLD and kept.provenance == Provenance("old", NOW)


def awaits(kept: Kept) -> bool:
    return kept.provenance.confirmation == AWAITED and asn(kept.before) == OLD and asn(kept._place) == NEW


def is_confirmed(kept: Kept) -> bool:
    provenance = kept.provenance
    return provenance.confirmation is None and provenance.plan == "new" and asn(kept.before) == OLD


def has_gone_back(kept: Kept) -> bool:
    provenance = kept.provenance
    gone = provenance.gone_back is not None and provenance.gone_back.plan == "new"
    return gone and provenance.confirmation is None and asn(kept._place) == OLD


Step = tuple[Callable[[Path, Path], object], Callable[[Kept], bool], Callable[[Kept], bool]]
STEPS: dict[str, Step] = {
    "apply": (apply, old_is_in_force, awaits),
    "confirm": (lambda directory, state: Kept(directory, state).confirm(), awaits, is_confirmed),
    "go back": (go_back, awaits, has_gone_back),
}


@pytest.mark.parametrize("what", STEPS)
def test_killed_at_any_step_the_disk_says_what_was_or_what_is_to_be_and_never_half_of_it(
    directory: Path, state: Path, tmp_path: Path, dies: Callable[[Path, int, Callable[[], object]], bool], what: str
) -> None:
    work, before, after = STEPS[what]
    put_old_in_force(directory, state)
    write(directory, NEW)
    if what != "apply":
        apply(directory, state)
    shutil.copytree(state, tmp_path / "begun", symlinks=True)
    seen, step, died = set(), 0, True
    while died:
        shutil.rmtree(state)
        shutil.copytree(tmp_path / "begun", state, symlinks=True)
        died = dies(state, step, lambda: work(directory, state))
        kept = Kept(directory, state)
        assert kept.problem is None
        assert before(kept) or after(kept), step
        seen.add(after(kept))
        if not after(kept):
            work(directory, state)
            assert after(Kept(directory, state)), f"not the second time either, after {step}"
        step += 1
    assert seen == {False, True}
    assert step > 2


def put_old_in_force(directory: Path, state: Path) -> None:
    write(directory, OLD)
    staged = stage(directory, state)
    write_provenance(staged, Provenance("old", NOW))
    put_in_force(staged)


def test_without_room_for_another_copy_the_one_before_is_used_where_it_is(
    directory: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_in_force(directory, state)
    write(directory, NEW)
    apply(directory, state)
    kept = Kept(directory, state)

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device", str(state / "applied.new"))

    monkeypatch.setattr("hub.controller.kept.stage", full)
    staged = kept.stage_before()
    assert asn(staged.copy) == OLD
    (problem,) = kept.keep(staged, Provenance("old", NOW, gone_back=GoneBack("new", "")))
    assert "No space left on device: a restarted controller would have to go back once more" in problem
    assert asn(kept._place) == OLD
    assert awaits(Kept(directory, state))


def test_a_configuration_before_that_is_gone_cannot_be_gone_back_to(directory: Path, state: Path) -> None:
    put_old_in_force(directory, state)
    apply(directory, state)
    kept = Kept(directory, state)
    assert kept.before is not None
    shutil.rmtree(kept.before)
    with pytest.raises(OSError, match="the configuration before is not there any more"):
        kept.stage_before()


def test_what_cannot_be_written_is_remembered_for_this_life(
    directory: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_in_force(directory, state)
    kept = Kept(directory, state)

    def full(_: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hub.controller.kept.put_in_force", full)
    (problem,) = kept.keep(kept.stage_files(), Provenance("new", NOW, "root", kept.place, AWAITED))
    assert "would go back to the configuration before" in problem
    assert kept.provenance.confirmation == AWAITED
    assert asn(kept.before) == OLD
    kept.confirm()
    assert kept.provenance.confirmation is None


@pytest.mark.parametrize(
    "held", [Provenance("new", NOW, confirmation=AWAITED), Provenance("old", NOW, gone_back=FULL.gone_back)]
)
def test_a_start_leaves_in_force_what_was_not_confirmed_or_gone_back_to(
    directory: Path, state: Path, held: Provenance
) -> None:
    staged = stage(directory, state)
    write_provenance(staged, held)
    place = put_in_force(staged)
    write(directory, NEW)
    assert staying(directory, state) == (place, held)
    assert staying(directory / "elsewhere", state) is None


def test_a_start_with_other_files_takes_them_and_remembers_what_was_before(directory: Path, state: Path) -> None:
    put_old_in_force(directory, state)
    write(directory, NEW)
    assert staying(directory, state) is None
    put_files_in_force(directory, state, NOW, "pointsman run")
    kept = Kept(directory, state)
    assert asn(kept._place) == NEW
    assert asn(kept.before) == OLD


def test_a_start_with_the_same_files_changes_nothing_of_what_can_be_gone_back_to(directory: Path, state: Path) -> None:
    put_old_in_force(directory, state)
    write(directory, NEW)
    put_files_in_force(directory, state, NOW, "pointsman run")
    put_files_in_force(directory, state, NOW, "pointsman run")
    assert asn(Kept(directory, state).before) == OLD


def test_a_copy_that_is_only_staged_leaves_no_trace_in_what_is_kept(directory: Path, state: Path) -> None:
    put_old_in_force(directory, state)
    kept = Kept(directory, state)
    assert kept.stage_files() == Staged(state / "applied.new")
    onto_the_disk(state)
    assert Kept(directory, state).provenance == Provenance("old", NOW)
