"""What differs between two directories is said in the words of the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, written

from hub.config.file_changes import FileChange, file_changes

POLICY = """\
prefer: [fiber, wireless]
health:
  default: {degraded-when-any: {loss: 3% over 5s}}
rules:
  - {name: nights, when: {time: "22:00-05:00"}, set: {metered: allowed}}
  - {name: work, when: {health: degraded}, set: {ignore: [degraded]}}
"""


def changes(
    tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> list[tuple[str, str, str | None, str | None]]:
    found = file_changes(written(tmp_path / "before", before), written(tmp_path / "after", after))
    return [(each.file, each.what, each.was, each.now) for each in found]


def of_policy(tmp_path: Path, text: str, by: str) -> list[tuple[str, str | None, str | None]]:
    assert text in POLICY
    after = {"policies/offices.yaml": POLICY.replace(text, by)}
    return [(what, was, now) for _, what, was, now in changes(tmp_path, {"policies/offices.yaml": POLICY}, after)]


def test_the_same_files_differ_in_nothing(tmp_path: Path) -> None:
    assert changes(tmp_path, {}, {}) == []


@pytest.mark.parametrize(
    ("text", "by", "expected"),
    [
        ("3% over", "2% over", ("health default degraded-when-any loss", "3% over 5s", "2% over 5s")),
        ("[fiber, wireless]", "[wireless]", ("prefer", "[fiber, wireless]", "[wireless]")),
        ("metered: allowed", "metered: last-resort", ('rules "nights" set metered', "allowed", "last-resort")),
        ("prefer: [fiber, wireless]\n", "", ("prefer", "[fiber, wireless]", None)),
        (
            "prefer: [fiber, wireless]\n",
            "prefer: [fiber, wireless]\ndamping: {suppress: 4}\n",
            ("damping", None, "{suppress: 4}"),
        ),
        (
            "  - {name: work, when: {health: degraded}, set: {ignore: [degraded]}}\n",
            "",
            ('rules "work"', "{when: {health: degraded}, set: {ignore: [degraded]}}", None),
        ),
    ],
)
def test_each_value_is_said_with_its_keys(
    tmp_path: Path, text: str, by: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert of_policy(tmp_path, text, by) == [expected]


def test_rules_in_another_order_are_a_change(tmp_path: Path) -> None:
    head, nights, work = POLICY.partition("  - {name: nights")[0], *POLICY.splitlines()[-2:]
    after = {"policies/offices.yaml": f"{head}{work}\n{nights}\n"}
    assert changes(tmp_path, {"policies/offices.yaml": POLICY}, after) == [
        ("policies/offices.yaml", "rules order", '"nights", "work"', '"work", "nights"')
    ]


def test_files_that_come_and_go_are_named(tmp_path: Path) -> None:
    assert changes(tmp_path, {"policies/a.yaml": "prefer: [lte]\n"}, {"policies/b.py": "x = 1\n"}) == [
        ("policies/a.yaml", "", "a file", None),
        ("policies/b.py", "", None, "a file"),
    ]


def test_of_a_script_only_that_it_changed_is_said(tmp_path: Path) -> None:
    found = changes(tmp_path, {"policies/b.py": "x = 1\n"}, {"policies/b.py": "x = 2\ny = 3\n"})
    assert found == [("policies/b.py", "", "1 line (9e26bf36)", "2 lines (ec252d1d)")]


def test_comments_and_order_of_keys_are_no_change(tmp_path: Path) -> None:
    after = {"branches/bandung.yaml": f"# looked at\n{BANDUNG}"}
    assert changes(tmp_path, {}, after) == []


def test_every_file_is_looked_at(tmp_path: Path) -> None:
    after = {
        "network.yaml": NETWORK.replace("65000", "65009"),
        "branches/bandung.yaml": BANDUNG.replace("isp: telkom", "isp: biznet"),
        "allocations.yaml": ALLOCATIONS.replace("51001", "51009"),
    }
    assert changes(tmp_path, {}, after) == [
        ("allocations.yaml", "bandung/wireless port", "51001", "51009"),
        ("branches/bandung.yaml", "uplinks fiber isp", "telkom", "biznet"),
        ("network.yaml", "hub as", "65000", "65009"),
    ]


def test_a_long_value_is_cut_short(tmp_path: Path) -> None:
    before, after = ({"policies/a.yaml": f"prefer: [{', '.join([name] * 90)}]\n"} for name in ("lte", "fiber"))
    ((_, _, was, now),) = changes(tmp_path, before, after)
    assert was is not None
    assert now is not None
    assert (len(was), len(now), now[-1]) == (120, 120, "…")


def test_against_a_directory_that_is_not_there_every_file_goes(tmp_path: Path) -> None:
    directory = written(tmp_path / "before", {})
    assert file_changes(directory, tmp_path / "nowhere")[0] == FileChange("allocations.yaml", "", "a file", None)
