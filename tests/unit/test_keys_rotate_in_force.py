"""However an exchange of keys ends, one line says which keys are in force, and one what to run."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from key_exchange_rig import GONE, TUNNEL, RigOf, eight_branches, rigs, told

from hub.cli.key_exchange import exchange
from hub.cli.same_hub import same_hub
from hub.control.client import NotRunningError
from policies.model.intent import Intent


@pytest.fixture(scope="module")
def intent() -> Intent:
    return eight_branches()


@pytest.fixture
def rig_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigOf:
    return rigs(tmp_path, monkeypatch)


def test_new_keys_hold_where_only_the_answer_to_the_last_step_was_lost(
    rig_of: RigOf, intent: Intent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    rig.afterwards["rotate-commit"] = GONE
    assert exchange(rig.hub(f"cat >>{tmp_path}/texts", seconds=20), intent, TUNNEL)
    out, err = capsys.readouterr()
    assert "all the same its new keys are in force" in err
    assert "old keys" not in out + err
    assert (tmp_path / "texts").read_text().count("[Interface]") == 1


def test_a_provisioner_that_is_gone_leaves_both_and_says_so(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.afterwards["rotate-begin"] = GONE
    rig.fails["rotate-rollback"] = GONE
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    said = told(capsys)
    assert "its new keys stand beside the old ones, and the hub's end may have either" in said
    assert "pointsman keys rotate bandung/fiber --back for the old ones" in said
    assert said.count("nobody answers") == 1


def test_a_provisioner_that_was_gone_before_anything_was_begun_has_the_old_keys(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.fails = {"rotate-begin": GONE, "rotate-rollback": GONE}
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    assert "its old keys are in force\n" in told(capsys)


def test_going_back_whose_answer_was_lost_has_the_old_keys(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.afterwards["rotate-rollback"] = GONE
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    assert "its old keys are in force at the hub" in told(capsys)


def test_interrupted_while_it_waits_for_traffic_to_leave_it_is_undrained_and_says_one_thing(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.fails["idle"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked[-1] == "undrain"
    assert told(capsys) == (
        "pointsman: bandung/fiber: interrupted; nothing was changed, its keys are those it had\n"
        "    mend: pointsman keys rotate bandung/fiber"
    )


def test_interrupted_while_it_waits_for_the_branch_it_says_what_to_do_there(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.afterwards["rotate-commit"] = KeyboardInterrupt()
    rig.after = 2
    with pytest.raises(KeyboardInterrupt):
        exchange(rig.hub(None, seconds=20), intent, TUNNEL)
    assert "interrupted; all the same its new keys are in force" in capsys.readouterr().err


def test_interrupted_it_gives_no_false_hope_of_the_branch(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    rig.fails["rotate-commit"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        exchange(rig.hub(None, seconds=20), intent, TUNNEL)
    said = told(capsys)
    assert "interrupted; its old keys are in force at the hub\n" in said
    assert "if the branch has the new text already, give it the old one: sudo pointsman router print" in said


def test_a_controller_that_is_gone_leaves_the_drain_and_says_what_ends_it(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    rig.fails["undrain"] = NotRunningError("nobody answers at control.sock")
    hub = rig.hub("cat >/dev/null", seconds=20)
    named = replace(hub, said=lambda text: same_hub(text, argparse.Namespace(name="newu", run_dir=None)))
    assert not exchange(named, intent, TUNNEL)
    assert told(capsys) == (
        "pointsman: bandung/fiber: its new keys are in force; "
        "its drain 7 could not be ended (nobody answers at control.sock)\n"
        "    mend: pointsman undrain --name newu bandung/fiber"
    )
