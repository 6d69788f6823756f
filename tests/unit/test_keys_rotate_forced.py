"""`pointsman keys rotate --force`: where nothing else carries the branch's traffic a drain never comes to its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from key_exchange_rig import TUNNEL, RigOf, eight_branches, rigs

from hub.cli import key_exchange
from hub.cli.key_exchange import exchange
from hub.cli.main import main
from policies.model.intent import Intent


@pytest.fixture(scope="module")
def intent() -> Intent:
    return eight_branches()


@pytest.fixture
def rig_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigOf:
    return rigs(tmp_path, monkeypatch)


def test_the_only_tunnel_that_lives_is_exchanged_and_verified_without_waiting_for_it_to_be_idle(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    rig.lives["wireless"] = "down"
    assert exchange(rig.hub("cat >/dev/null", seconds=20, force=True), intent, TUNNEL)
    assert "idle" not in rig.asked
    assert [each.get("unverified") for each in rig.said if each["ask"] == "rotate-commit"] == [None]
    assert "nothing else can carry its traffic" in capsys.readouterr().out


def test_the_only_tunnel_that_lives_has_its_old_keys_where_the_branch_never_shakes_hands(
    rig_of: RigOf, intent: Intent
) -> None:
    rig = rig_of(None)
    rig.lives["wireless"] = "down"
    old = rig.store.of(TUNNEL)
    assert not exchange(rig.hub("cat >/dev/null", force=True), intent, TUNNEL)
    assert rig.store.of(TUNNEL) == old


def test_while_another_tunnel_lives_it_is_drained_first(rig_of: RigOf, intent: Intent) -> None:
    rig = rig_of(2)
    rig.lives["fiber"] = "down"
    assert exchange(rig.hub("cat >/dev/null", seconds=20, force=True), intent, TUNNEL)
    assert "idle" in rig.asked


def test_of_a_dead_branch_the_hub_has_new_keys_at_once_and_what_is_to_be_done_there_is_said(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    old = rig.store.of(TUNNEL)
    assert exchange(rig.hub(None, seconds=900, force=True), intent, TUNNEL)
    assert rig.store.of(TUNNEL) != old
    assert rig.store.staged(TUNNEL) is None
    out = capsys.readouterr().out
    assert "unverified bandung/fiber: its new keys are in force at the hub; no tunnel of bandung lives" in out
    state = rig.store.directory.parent
    assert f"sudo pointsman router print bandung --part wg-quick --with-keys --state-dir {state}" in out
    assert "PrivateKey" not in out


@pytest.mark.parametrize("push_with", [None, "cat >/dev/null"])
@pytest.mark.parametrize("shakes_hands", [False, True])
def test_a_dead_branch_that_comes_back_meanwhile_keeps_its_keys_until_it_shakes_hands_with_the_new_ones(
    rig_of: RigOf, intent: Intent, push_with: str | None, shakes_hands: bool
) -> None:
    rig = rig_of(2 if shakes_hands else None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    rig.comes_back_at = "rotate-begin"
    old = rig.store.of(TUNNEL)
    seconds = 20.0 if shakes_hands else 0.0
    assert exchange(rig.hub(push_with, seconds=seconds, force=True), intent, TUNNEL) == shakes_hands
    assert (rig.store.of(TUNNEL) != old) == shakes_hands
    commits = [each.get("unverified") for each in rig.said if each["ask"] == "rotate-commit"]
    assert commits == ([None] if shakes_hands else [])


def test_it_is_kept_who_forced_it_and_why(rig_of: RigOf, intent: Intent) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    assert exchange(rig.hub(None, force=True), intent, TUNNEL)
    (drain,) = [each for each in rig.said if each["ask"] == "drain"]
    assert (drain["force"], drain["reason"]) == (True, "its keys are exchanged: stolen")


def test_a_dead_branch_that_was_brought_its_text_keeps_it(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    old = rig.store.of(TUNNEL)
    assert exchange(rig.hub("cat >/dev/null", force=True), intent, TUNNEL)
    assert rig.store.of(TUNNEL) != old
    assert "no handshake with the new keys within 0 s" in capsys.readouterr().out


def test_a_dead_branch_that_could_not_be_brought_its_text_has_its_old_keys(rig_of: RigOf, intent: Intent) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    old = rig.store.of(TUNNEL)
    assert not exchange(rig.hub("exit 3", force=True), intent, TUNNEL)
    assert rig.store.of(TUNNEL) == old


def test_the_next_tunnel_of_a_dead_branch_waits_for_nothing(rig_of: RigOf) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    key_exchange.until_live(rig.hub(None, force=True), TUNNEL)
    assert rig.asked == ["status"]


def test_it_needs_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "rotate", "bandung", "--force"])
    assert "--force needs --reason" in capsys.readouterr().err
