"""What an uplink costs, and the word `cheapest`, as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import BANDUNG, reading, said

from hub.config.schema import schema
from policies.changes import branch_changes
from policies.ranking import standing_order

PRICED = BANDUNG.replace("{isp: telkom}", "{isp: telkom, cost: 900}").replace("metered: true", "cost: 12.5")


def test_the_cost_of_an_uplink_ranks_it_where_the_policy_says_cheapest(tmp_path: Path) -> None:
    intent = reading(tmp_path, {"branches/bandung.yaml": f"{PRICED}prefer: [cheapest]\n"}).intent
    assert intent is not None
    assert [(t.id.name, t.uplink.cost) for t in standing_order(intent.branches["bandung"])] == [
        ("wireless", 12.5),
        ("fiber", 900.0),
    ]


def test_another_cost_is_a_change_of_the_branch(tmp_path: Path) -> None:
    before = reading(tmp_path, {"branches/bandung.yaml": PRICED}).intent
    after = reading(tmp_path, {"branches/bandung.yaml": PRICED.replace("900", "950")}).intent
    assert before is not None
    assert after is not None
    (change,) = branch_changes(before.branches["bandung"], after.branches["bandung"])
    assert (change.what, change.now) == ("fiber: uplink", "telkom, fiber, cost 950")


@pytest.mark.parametrize("cost", ["-1", "cheap", "true", ".inf", ".nan", "'5'", "2e9"])
def test_a_cost_is_a_number_from_nothing_on(tmp_path: Path, cost: str) -> None:
    found = reading(tmp_path, {"branches/bandung.yaml": PRICED.replace("900", cost)})
    assert found.intent is None
    assert "cost" in said(found)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"branches/bandung.yaml": f"{BANDUNG}prefer: [cheapest, fiber]\n"},
            'prefer: nothing is left for "fiber": cheapest takes all tunnels that are not named before it',
        ),
        ({"policies/standard.yaml": "prefer: [cheapest, lte]\n"}, 'prefer: nothing is left for "lte"'),
        (
            {"policies/standard.yaml": "rules: [{name: nights, set: {prefer: [cheapest, lte]}}]\n"},
            'prefer: nothing is left for "lte"',
        ),
        ({"branches/bandung.yaml": f"{BANDUNG}prefer: [cheepest]\n"}, 'write "cheapest"'),
        ({"branches/bandung.yaml": BANDUNG.replace("fiber: ", "cheapest: ")}, '"cheapest" is a word of prefer'),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    found = reading(tmp_path, files)
    assert found.intent is None
    assert problem in said(found)


def test_editors_are_told_of_the_cost() -> None:
    uplink = schema("branch")["$defs"]["RawUplink"]["properties"]["cost"]
    assert (uplink["type"], uplink["minimum"]) == ("number", 0)
