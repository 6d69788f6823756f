"""The shape of the code: files of one idea, functions that fit in a head, folders that say what they are for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RINGS = ("policies", "speaker", "hub")
MODULES = sorted(path for ring in RINGS for path in (ROOT / ring).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_file_fits_in_a_head(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))


def test_no_name_is_vague() -> None:
    assert not [path for path in MODULES if VAGUE & set(path.stem.split("_"))]


def test_every_folder_is_a_package_with_a_word_on_itself() -> None:
    folders = {path.parent for path in MODULES}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_public_functions_and_classes_are_documented() -> None:
    silent = [
        f"{name(module)}: {node.name}"
        for module in MODULES
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent
