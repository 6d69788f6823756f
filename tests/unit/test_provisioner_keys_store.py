"""The store of WireGuard's keys: what it makes, what it does not believe, and how keys are exchanged."""

from __future__ import annotations

import base64
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from branch_keys import made_its_own

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys import completing, making
from hub.provisioner.keys.files import is_key, write_whole
from hub.provisioner.keys.secret import Secret
from hub.provisioner.keys.store import KeyStore

FIBER, WIRELESS = "bandung/fiber", "bandung/wireless"


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte] * 32)).decode()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    """A store whose keys are numbers in order; a public key is its private one with the top bit set."""
    numbers = iter(range(1, 100))

    def pairs(number: int) -> list[tuple[Secret, str]]:
        return [(Secret(key(n)), key(n | 0x80)) for n, _ in zip(numbers, range(number), strict=False)]

    monkeypatch.setattr(completing, "make_pairs", pairs)
    monkeypatch.setattr(completing, "make_preshared", lambda n: [Secret(key(next(numbers))) for _ in range(n)])
    monkeypatch.setattr(completing, "public_half", lambda secret: key(base64.b64decode(secret.reveal())[0] | 0x80))
    return KeyStore(tmp_path / "keys", clock=lambda: 1_800_000_000.0)


def test_nothing_is_there_before_anything_is_made(store: KeyStore) -> None:
    assert (store.of(FIBER), store.public(FIBER), store.staged(FIBER)) == (None, None, None)
    assert (store.tunnels(), store.ages()) == ((), {})


def test_keys_of_both_ends_are_made_once(store: KeyStore) -> None:
    assert store.make([FIBER, WIRELESS], preshared=[WIRELESS]) == (FIBER, WIRELESS)
    first = store.of(FIBER)
    assert first is not None
    assert first.branch is not None
    assert len({first.hub, first.branch, Secret(first.hub_public), Secret(first.branch_public)}) == 4
    assert first.preshared is None
    wireless = store.of(WIRELESS)
    assert wireless is not None
    assert wireless.preshared is not None
    assert store.make([FIBER, WIRELESS], preshared=[WIRELESS]) == ()
    assert store.of(FIBER) == first
    assert store.tunnels() == (FIBER, WIRELESS)
    assert store.public(FIBER) == (first.hub_public, first.branch_public)


def test_only_the_owner_can_look_at_them(store: KeyStore) -> None:
    os.umask(0o022)
    store.make([FIBER], preshared=[FIBER])
    assert {path.stat().st_mode & 0o777 for path in store.directory.rglob("*") if path.is_file()} == {0o600}
    directories = [store.directory, *(path for path in store.directory.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in directories} == {0o700}


def test_a_file_is_named_for_what_is_in_it(store: KeyStore) -> None:
    store.make([FIBER], preshared=[FIBER])
    names = {path.name for path in (store.directory / FIBER).iterdir()}
    assert names == {"hub.key", "hub.pub", "branch.key", "branch.pub", "preshared.key", "made"}
    assert (store.directory / FIBER / "made").read_text() == "2027-01-15T08:00:00+00:00\n"


def test_a_preshared_key_that_is_wanted_later_is_made_beside_the_others(store: KeyStore) -> None:
    store.make([FIBER])
    before = store.of(FIBER)
    assert store.make([FIBER], preshared=[FIBER]) == (FIBER,)
    after = store.of(FIBER)
    assert before is not None
    assert after is not None
    assert (after.hub, after.branch_public) == (before.hub, before.branch_public)
    assert after.preshared is not None


@pytest.mark.parametrize("lost", ["hub.pub", "branch.pub", "made"])
def test_making_that_was_interrupted_is_finished_with_the_same_keys(store: KeyStore, lost: str) -> None:
    store.make([FIBER])
    before = store.of(FIBER)
    (store.directory / FIBER / lost).unlink()
    if lost != "made":
        assert store.of(FIBER) is None
    store.make([FIBER])
    after = store.of(FIBER)
    assert before is not None
    assert after is not None
    assert (after.hub, after.hub_public, after.branch_public) == (before.hub, before.hub_public, before.branch_public)


def empty(path: Path) -> None:
    path.write_text("")


def half_written(path: Path) -> None:
    path.write_text(path.read_text()[:20])


def no_key(path: Path) -> None:
    path.write_text("hunter2\n")


def readable(path: Path) -> None:
    path.chmod(0o640)


def somebody_elses(path: Path) -> None:
    os.chown(path, 65534, 65534)


def a_link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS = [
    (empty, "hub.key is empty"),
    (half_written, "hub.key holds no WireGuard key (44 characters of base64)"),
    (no_key, "hub.key holds no WireGuard key (44 characters of base64)"),
    (readable, "hub.key can be read by others (mode 0640)"),
    (a_link, "hub.key cannot be read: Too many levels of symbolic links"),
    (a_directory, "hub.key is no ordinary file"),
    (Path.unlink, "hub.key is missing, and its public half is there"),
]


@pytest.mark.parametrize(("spoil", "text"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_file_that_is_wrong_is_named_with_a_mend_and_is_not_replaced(
    store: KeyStore, spoil: Callable[[Path], None], text: str
) -> None:
    store.make([FIBER, WIRELESS])
    path = store.directory / FIBER / "hub.key"
    spoil(path)
    for ask in (store.of, lambda tunnel: store.make([tunnel]), store.begin_rotation):
        with pytest.raises(ProvisionError) as caught:
            ask(FIBER)
        assert str(caught.value) == f"{store.directory}/{FIBER}/{text}"
        assert caught.value.mend
    assert store.of(WIRELESS) is not None
    assert store.ages()[FIBER].fault is not None
    assert store.ages()[WIRELESS].fault is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_believed(store: KeyStore) -> None:
    store.make([FIBER])
    somebody_elses(store.directory / FIBER / "branch.pub")
    with pytest.raises(ProvisionError, match=r"branch\.pub belongs to user 65534, and not to root"):
        store.of(FIBER)


def test_a_directory_that_is_open_to_others_is_not_used(store: KeyStore) -> None:
    store.make([FIBER])
    store.directory.chmod(0o750)
    for ask in (store.of, lambda tunnel: store.make([tunnel])):
        with pytest.raises(ProvisionError, match=r"keys is open to others \(mode 0750\)") as caught:
            ask(FIBER)
        assert caught.value.mend.startswith("chmod 700")


@pytest.mark.parametrize(
    "name", ["../etc/passwd", "bandung", "bandung/../x", "/etc/x", "bandung/fiber/next", "A/b", ""]
)
def test_a_name_leads_nowhere_else(store: KeyStore, name: str) -> None:
    with pytest.raises(ProvisionError, match="is no tunnel"):
        store.of(name)


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_text("before")
    with pytest.raises(ProvisionError, match="cannot be written: File name too long"):
        write_whole(path.with_name("x" * 250), "after")
    write_whole(path, "after")
    assert path.read_text() == "after"
    assert [each.name for each in tmp_path.iterdir()] == ["made"]


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hub.key"
    path.write_text("before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProvisionError, match="cannot be written: No space left on device") as caught:
        write_whole(path, "after")
    assert caught.value.mend == "make room on that disk"
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["hub.key"]


class TestABranchThatMadeItsOwnKey:
    def test_only_the_public_half_is_here(self, store: KeyStore) -> None:
        store.make([FIBER])
        made_its_own(store, FIBER, key(0x77))
        found = store.of(FIBER)
        assert found is not None
        assert (found.branch, found.branch_public) == (None, key(0x77))
        assert not (store.directory / FIBER / "branch.key").exists()
        assert store.ages()[FIBER].branch_made_its_own
        assert store.make([FIBER]) == ()

    @pytest.mark.parametrize("text", ["", "x", key(1)[:-4], key(0), "A" * 44])
    def test_what_is_no_key_is_not_believed(self, store: KeyStore, text: str) -> None:
        store.make([FIBER])
        made_its_own(store, FIBER, text)
        with pytest.raises(ProvisionError, match=r"branch\.pub (is empty|holds no WireGuard key)"):
            store.of(FIBER)

    def test_it_keeps_its_key_when_keys_are_exchanged(self, store: KeyStore) -> None:
        store.make([FIBER])
        made_its_own(store, FIBER, key(0x77))
        new, old = store.begin_rotation(FIBER), store.of(FIBER)
        assert old is not None
        assert (new.branch, new.branch_public) == (None, key(0x77))
        assert new.hub != old.hub


class TestExchangingKeys:
    def test_new_ones_stand_beside_those_in_force(self, store: KeyStore) -> None:
        store.make([FIBER], preshared=[FIBER])
        old = store.of(FIBER)
        new = store.begin_rotation(FIBER)
        assert store.of(FIBER) == old
        assert store.staged(FIBER) == new
        assert old is not None
        assert not {new.hub, new.branch, new.preshared} & {old.hub, old.branch, old.preshared}
        assert store.ages()[FIBER].exchanging_since == 1_800_000_000.0

    def test_beginning_twice_is_beginning_once(self, store: KeyStore) -> None:
        store.make([FIBER])
        assert store.begin_rotation(FIBER) == store.begin_rotation(FIBER)

    def test_there_must_be_keys_to_exchange(self, store: KeyStore) -> None:
        with pytest.raises(ProvisionError, match="has no keys to exchange"):
            store.begin_rotation(FIBER)

    def test_after_commit_the_new_ones_are_in_force_and_the_old_ones_gone(self, store: KeyStore) -> None:
        store.make([FIBER], preshared=[FIBER])
        new = store.begin_rotation(FIBER)
        store.mark_switched(FIBER, 5.5)
        assert store.switched(FIBER) == 5.5
        store.commit_rotation(FIBER)
        assert (store.of(FIBER), store.staged(FIBER), store.switched(FIBER)) == (new, None, None)
        assert len(list((store.directory / FIBER).iterdir())) == 6

    def test_abandoned_they_are_gone(self, store: KeyStore) -> None:
        store.make([FIBER])
        old = store.of(FIBER)
        store.begin_rotation(FIBER)
        store.abandon_rotation(FIBER)
        assert (store.of(FIBER), store.staged(FIBER)) == (old, None)
        assert len(list((store.directory / FIBER).iterdir())) == 5

    def test_nothing_is_done_without_new_ones(self, store: KeyStore) -> None:
        store.make([FIBER])
        old = store.of(FIBER)
        store.commit_rotation(FIBER)
        store.abandon_rotation(FIBER)
        assert store.of(FIBER) == old

    @pytest.mark.parametrize("moved", range(6))
    def test_a_commit_that_was_interrupted_is_done_for_whoever_reads(self, store: KeyStore, moved: int) -> None:
        store.make([FIBER], preshared=[FIBER])
        new = store.begin_rotation(FIBER)
        place = store.directory / FIBER
        (place / "next").rename(place / "taken")
        for name in ("hub.key", "hub.pub", "branch.key", "branch.pub", "preshared.key")[:moved]:
            (place / "taken" / name).rename(place / name)
        assert (store.of(FIBER), store.staged(FIBER)) == (new, None)
        store.make([FIBER])
        assert store.of(FIBER) == new
        assert not (place / "taken").exists()

    def test_one_that_was_interrupted_before_all_new_keys_were_made_begins_anew(self, store: KeyStore) -> None:
        store.make([FIBER])
        unfinished = store.directory / FIBER / "unfinished"
        unfinished.mkdir(mode=0o700)
        (unfinished / "hub.key").write_text("half")
        assert store.begin_rotation(FIBER) == store.staged(FIBER)
        assert not unfinished.exists()


def test_a_tunnel_that_is_no_more_is_forgotten(store: KeyStore) -> None:
    store.make([FIBER, WIRELESS])
    assert store.forget(FIBER)
    assert not store.forget(FIBER)
    assert store.tunnels() == (WIRELESS,)
    assert store.forget(WIRELESS)
    assert list(store.directory.iterdir()) == []


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert (secret.reveal(), secret.reveal_bytes()) == ("hunter2", b"hunter2")
    assert Secret(b"\xff").reveal_bytes() == b"\xff"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.skipif(shutil.which("wg") is None, reason="needs wireguard-tools")
class TestMakingByWg:
    def test_a_public_half_is_what_wg_says_of_the_private_one(self) -> None:
        (first, public), (second, _) = making.make_pairs(2)
        assert first != second
        done = subprocess.run(["wg", "pubkey"], input=first.reveal(), capture_output=True, text=True, check=True)
        assert done.stdout.strip() == public == making.public_half(first)

    def test_preshared_keys_are_keys(self) -> None:
        first, second = making.make_preshared(2)
        assert is_key(first.reveal())
        assert first != second

    def test_without_wg_the_mend_is_to_install_it(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "sh").symlink_to("/bin/sh")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(ProvisionError, match="wg is not here") as caught:
            making.make_pairs(1)
        assert caught.value.mend == "install wireguard-tools"
