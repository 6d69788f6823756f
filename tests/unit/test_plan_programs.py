"""The text of policy scripts and of checks is part of the configuration: an edit is planned, confirmed and undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from config_directories import BANDUNG, reading, written
from confirming_rig import Waiting, hurry, live
from script_rig import PREFER_LTE
from small_network import a_branch, a_network, moment
from test_render_plan import text_of

from hub.cli.render_plan import plan_view
from hub.control.places import Places
from hub.controller.plan_report import plan_report
from policies.model.policy import RuleChange
from policies.model.view import View
from policies.plan import plan

POLICY = "extends: standard\nscript: even_out.py\n"
FILES = {
    "branches/bandung.yaml": f"{BANDUNG}policy: own\n",
    "policies/own.yaml": POLICY,
    "policies/even_out.py": PREFER_LTE,
    "checks/erp.sh": "exit 0\n",
}
SCRIPTED = a_branch()
SCRIPTED = replace(SCRIPTED, policy=replace(SCRIPTED.policy, script="even_out.py"))
BEFORE = replace(a_network(SCRIPTED), programs={"policies/even_out.py": "aa"})
AFTER = replace(BEFORE, programs={"policies/even_out.py": "bb"})


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", FILES)
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


def test_an_edited_script_is_a_change_and_another_plan() -> None:
    same, edited = (plan(BEFORE, after, View(), moment(1000.0)) for after in (BEFORE, AFTER))
    assert (same.empty, edited.empty) == (True, False)
    assert same.id != edited.id
    assert [change.what for change in edited.programs] == ["policies/even_out.py"]


def test_what_a_changed_script_will_say_is_not_foreseen_and_that_is_said() -> None:
    said = View(adjustments={"bandung": RuleChange(prefer=("fiber",))})
    longer = replace(AFTER, branches={"bandung": replace(SCRIPTED, prefix_limit=7)})
    branch = plan(BEFORE, longer, said, moment(1000.0)).branches[0]
    assert branch.script == "by the last answer of even_out.py, which changes: what it will say is not foreseen"


def test_the_plan_names_the_script_and_what_it_cannot_foresee() -> None:
    lines = text_of(plan_view(plan_report(plan(BEFORE, AFTER, View(), moment(1000.0))), proposal=False)).splitlines()
    assert lines[0] == "script even_out.py changes: what it will say is not foreseen"


@pytest.mark.parametrize("file", ["policies/even_out.py", "checks/erp.sh"])
def test_the_digest_of_a_program_is_that_of_its_text(tmp_path: Path, file: str) -> None:
    first = reading(tmp_path, FILES).intent
    again = reading(tmp_path, FILES).intent
    edited = reading(tmp_path, {**FILES, file: f"{FILES[file]}# a remark\n"}).intent
    assert first is not None
    assert edited is not None
    assert again == first
    assert {name for name, digest in edited.programs.items() if first.programs[name] != digest} == {file}


def test_whether_a_check_can_be_executed_is_part_of_it(tmp_path: Path) -> None:
    first = reading(tmp_path, FILES).intent
    (tmp_path / "checks" / "erp.sh").chmod(0o755)
    assert reading(tmp_path, {}).intent != first


def test_a_script_that_no_policy_in_use_names_is_no_part_of_it(tmp_path: Path) -> None:
    found = reading(tmp_path, {**FILES, "policies/other.py": "x = 1\n"}).intent
    assert found is not None
    assert set(found.programs) == {"policies/even_out.py", "checks/erp.sh"}


@pytest.mark.parametrize("file", ["policies/even_out.py", "checks/erp.sh"])
def test_an_edited_program_is_confirmed_and_gone_back_from(
    places: Places, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    hurry(monkeypatch)
    edited = places.config / file
    was = edited.read_text()

    async def scene(scene: Waiting) -> None:
        await scene.ask(ask="apply")
        edited.write_text(f"{was}# a remark\n")
        planned = await scene.ask(ask="plan")
        assert not planned["empty"]
        assert [change["what"] for change in planned["programs"]] == [file]
        answer = await scene.ask(ask="apply", plan=planned["id"], confirm_within="5m")
        assert answer["configuration"]["confirm"] is not None
        await scene.ask(ask="rollback")
        copy = scene.changing.kept.copy
        assert copy is not None
        assert (copy / file).read_text() == was

    live(places, scene)


def test_an_edit_between_plan_and_apply_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)

    async def scene(scene: Waiting) -> None:
        await scene.ask(ask="apply")
        script = places.config / "policies" / "even_out.py"
        script.write_text(f"{script.read_text()}# seen\n")
        planned = await scene.ask(ask="plan")
        script.write_text(f"{script.read_text()}# not seen\n")
        assert "is not the present plan" in (await scene.ask(ask="apply", plan=planned["id"]))["error"]

    live(places, scene)
