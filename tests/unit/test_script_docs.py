"""The pages on policy scripts: their examples work, and they name all that there is."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from hub.scripts.examine import MODULES, examine
from policies.scripts import Adjustment, BranchSituation, NetworkSituation, TunnelSituation

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = (DOCS / "how-to" / "write-a-policy-script.md").read_text()
REFERENCE = (DOCS / "reference" / "scripts.md").read_text()


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_the_example_of_the_how_to_passes_its_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, its_test = blocks(HOW_TO)
    assert examine(script) == ()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "slow_evenings.py").write_text(script)
    (tmp_path / "test_slow_evenings.py").write_text(its_test)
    monkeypatch.chdir(tmp_path)
    tests = runpy.run_path(str(tmp_path / "test_slow_evenings.py"))
    named = [test for name, test in tests.items() if name.startswith("test_")]
    assert len(named) == 3
    for test in named:
        test()


def test_the_example_of_the_reference_is_a_script() -> None:
    assert [examine(block) for block in blocks(REFERENCE)] == [()]


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            field.name
            for made in (Adjustment, BranchSituation, NetworkSituation, TunnelSituation)
            for field in fields(made)
        }
        | {"active", "usable"}
        | set(MODULES[1:])
    ),
)
def test_the_reference_names_everything(name: str) -> None:
    assert re.search(rf"`{name}\b", REFERENCE)
