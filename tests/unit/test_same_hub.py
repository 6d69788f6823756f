"""Printed commands name the hub that the command before them named."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from test_render_plan import text_of

from hub.cli.main import parser
from hub.cli.same_hub import ASKING, OF_FILES, same_hub, same_hub_view
from hub.cli.screen import Parts

NAMED = argparse.Namespace(name="newu", run_dir=None)
SOCKETS = argparse.Namespace(name=None, run_dir=Path("/tmp/a hub"))
NOT_NAMED = argparse.Namespace(name=None, run_dir=None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("do it:  pointsman apply 7f3a", "do it:  pointsman apply --name newu 7f3a"),
        ("x; or: pointsman why bandung; y", "x; or: pointsman why --name newu bandung; y"),
        ("Keep it: pointsman confirm. Otherwise", "Keep it: pointsman confirm --name newu. Otherwise"),
        ('"pointsman plan" shows it', '"pointsman plan --name newu" shows it'),
        (
            "pointsman undrain 1 and pointsman undrain 2",
            "pointsman undrain --name newu 1 and pointsman undrain --name newu 2",
        ),
        ("sudo pointsman keys rotate bandung", "sudo pointsman keys rotate --name newu bandung"),
        ("pointsman router print bandung", "pointsman router print --name newu bandung"),
        ("pointsman lab up --name newu", "pointsman lab up --name newu"),
        ("pointsman plan --name newu", "pointsman plan --name newu"),
        ("pointsman check the files", "pointsman check the files"),
    ],
)
def test_a_command_names_the_hub_again(text: str, said: str) -> None:
    assert same_hub(text, NAMED) == said
    assert same_hub(text, NOT_NAMED) == text


def test_sockets_are_named_where_the_command_has_them() -> None:
    text = "pointsman why bandung; pointsman router print bandung"
    assert same_hub(text, SOCKETS) == "pointsman why --run-dir '/tmp/a hub' bandung; pointsman router print bandung"


def test_it_is_said_wherever_a_view_has_text() -> None:
    table, tree = Table("A"), Tree(Text("a"))
    table.add_row(Parts([Text("pointsman why a"), Text("b")]))
    tree.add(Text("x")).add(Text("mend: pointsman why b"))
    styled = Text.assemble(("pointsman why c", "red"), ("!", "bold"), style="dim")
    shown = text_of(same_hub_view(Group(styled, table, tree), NAMED))
    for branch in "abc":
        assert f"pointsman why --name newu {branch}" in shown
    assert styled.plain == "pointsman why --name newu c!"
    assert styled.style == "dim"
    assert [styled.plain[s.start : s.end] for s in styled.spans if s.style == "bold"] == ["!"]


@pytest.mark.parametrize("command", [*ASKING, *OF_FILES])
def test_every_command_has_the_option_that_is_said(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "--help"])
    usage = capsys.readouterr().out
    assert "--name NAME" in usage
    assert ("--run-dir DIR" in usage) is (command in ASKING)
