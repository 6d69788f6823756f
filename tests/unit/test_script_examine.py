"""The look at a script's text: what is found before it runs, with its place and mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from script_rig import HEAD, NETWORK, PREFER_LTE, a_branch

from hub.scripts.code import Script, UnusableError
from hub.scripts.examine import examine
from hub.scripts.trying import ScriptError, run_script

ADJUST = "def adjust(branch, network):\n    return None\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("def adjust(branch, network:\n", 1, 11, "is no Python: '(' was never closed"),
        ("import os\n" + ADJUST, 1, 1, "imports os, which a policy script may not"),
        ("import math, os.path\n" + ADJUST, 1, 1, "imports os.path, which a policy script may not"),
        ("from hub.config import read\n" + ADJUST, 1, 1, "imports hub.config, which a policy script may not"),
        ("from . import neighbours\n" + ADJUST, 1, 1, "imports ., which a policy script may not"),
        ("from ..x import y\n" + ADJUST, 1, 1, "imports ..x, which a policy script may not"),
        ("def adjust(branch, network):\n    import time\n", 2, 5, "imports time, which a policy script may not"),
        ("def adjusts(branch, network):\n    pass\n", 1, 1, "has no function adjust"),
        ("class A:\n    def adjust(self, branch): pass\n", 1, 1, "has no function adjust"),
        ("async def adjust(branch, network): pass\n", 1, 1, "adjust is async"),
        ("def adjust(branch, network): yield\n", 1, 1, "adjust yields"),
        ("def adjust(branch): pass\n", 1, 1, "adjust does not take two values, the branch and the network"),
        ("def adjust(a, b, c): pass\n", 1, 1, "adjust does not take two values, the branch and the network"),
        ("def adjust(a, b, *, c): pass\n", 1, 1, "adjust does not take two values, the branch and the network"),
        (ADJUST + "X = eval('1')\n", 3, 5, "uses eval, which a policy script may not"),
        ("def adjust(branch, network):\n    open('x')\n", 2, 5, "uses open, which a policy script may not"),
        ("def adjust(branch, network):\n    hash('x')\n", 2, 5, "calls hash(), which is another one in every process"),
        ("def adjust(branch, network):\n    datetime.now()\n", 2, 5, "asks for the time by now()"),
        ("def adjust(branch, network):\n    date.today()\n", 2, 5, "asks for the time by today()"),
        ("N = 0\ndef adjust(branch, network):\n    global N\n    N += 1\n", 3, 5, "changes the global N"),
        ("S = {}\ndef adjust(branch, network):\n    S[1] = 2\n", 3, 5, "changes S, which belongs to the module"),
        ("S: set = set()\ndef adjust(b, n):\n    S.add(1)\n", 3, 5, "changes S, which belongs to the module"),
        ("S = {}\ndef adjust(b, n):\n    del S[1]\n", 3, 9, "changes S, which belongs to the module"),
        ("S = []\ndef f():\n    S.append(1)\n" + ADJUST, 3, 5, "changes S, which belongs to the module"),
    ],
)
def test_what_a_script_may_not_has_its_place(text: str, line: int, column: int, what: str) -> None:
    found = examine(text)
    assert [(slip.line, slip.column, slip.text) for slip in found] == [(line, column, what)]
    assert found[0].mend


@pytest.mark.parametrize(
    "text",
    [
        ADJUST,
        PREFER_LTE,
        "from __future__ import annotations\nimport math, statistics\nfrom collections.abc import Mapping\n" + ADJUST,
        "from policies.scripts.examples.even_out import places\n" + ADJUST,
        "def adjust(branch, network, more=1): pass\n",
        "def adjust(*both): pass\n",
        "S = {}\ndef adjust(branch, network):\n    S = {}\n    S[1] = 2\n",
        "S = {}\nS[1] = 2\ndef adjust(S, network):\n    S.add(1)\n",
        "def adjust(branch, network):\n    seen = []\n    seen.append(1)\n",
    ],
)
def test_what_a_script_may(text: str) -> None:
    assert examine(text) == ()


def test_all_that_is_wrong_is_said_at_once_in_order() -> None:
    found = examine("import os\nimport sys\ndef adjust(branch):\n    open('x')\n")
    assert [slip.line for slip in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("depth", [500, 5000])
def test_text_that_is_too_deep_for_python_is_refused(depth: int) -> None:
    assert len(examine("X = " + "(" * depth + ")" * depth + "\n" + ADJUST)) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (ADJUST + "getattr(__builtins__, '__imp' + 'ort__')\n", "cannot be loaded"),
        (
            ADJUST + "__builtins__['__import__']('os')\n",
            "cannot be loaded: ImportError: a policy script may not import",
        ),
        (ADJUST + "raise KeyboardInterrupt\n", "cannot be loaded: KeyboardInterrupt"),
        ("adjust = None\n" + ADJUST + "del adjust\n", "cannot be loaded: KeyError: 'adjust'"),
    ],
)
def test_what_the_look_does_not_find_fails_when_the_script_is_loaded(text: str, what: str) -> None:
    with pytest.raises(UnusableError) as caught:
        Script("policies/x.py", text)
    assert caught.value.slips[0].text.startswith(what)


def test_a_script_may_have_dataclasses_and_enums(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom enum import Enum\n"
        "class Colour(Enum):\n    RED = 1\n"
        "@dataclass(frozen=True)\nclass Wish:\n    colour: Colour\n"
    )
    file = tmp_path / "x.py"
    file.write_text(text + PREFER_LTE.replace('"always lte"', "Wish(Colour.RED).colour.name"))
    with pytest.raises(ScriptError, match="from __future__ imports must occur"):
        run_script(_prefixed(file, HEAD), a_branch(), NETWORK)
    adjustment = run_script(file, a_branch(), NETWORK)
    assert adjustment is not None
    assert adjustment.reason == "RED"


def _prefixed(file: Path, text: str) -> Path:
    other = file.with_name("y.py")
    other.write_text(text + file.read_text())
    return other


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import os\n" + ADJUST, "{file}:1:1: imports os, which a policy script may not; mend: import nothing but"),
        ("def adjust(branch, network):\n    return 1 / 0\n", "{file}:2: adjust raised ZeroDivisionError"),
        ("\ndef adjust(branch, network):\n    return 1\n", "{file}:2: adjust returned a int, not an Adjustment"),
    ],
)
def test_a_script_run_for_a_test_says_what_is_wrong_and_where(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "x.py"
    file.write_text(text)
    with pytest.raises(ScriptError) as caught:
        run_script(file, a_branch(), NETWORK)
    assert str(caught.value).startswith(what.format(file=file))
