"""A script as code: loaded once, then called with one situation after the other."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import sys
import traceback
import zoneinfo
from collections.abc import Callable
from types import CodeType, ModuleType

from hub.scripts.examine import MODULES, REFUSED_NAMES, Slip, examine, may_import
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation
from policies.scripts.judge import nonsense

_OF_DATETIME = ("_strptime", "time")
"""What `strptime` and `strftime` import, by the `__import__` of whoever calls them."""
LONGEST_TEXT = 300
"""Characters of what an exception says."""

Adjust = Callable[[BranchSituation, NetworkSituation], object]


class UnusableError(Exception):
    """A script cannot be loaded; `slips` say why."""

    def __init__(self, slips: tuple[Slip, ...]) -> None:
        self.slips = slips
        super().__init__("; ".join(f"line {slip.line}: {slip.text}" for slip in slips))


class FailedError(Exception):
    """A script raised, or returned nonsense; `line` is where, 0 if that is not known."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text
        super().__init__(text)


class Script:
    """A Script is loaded code. `label` is how its file is called in messages."""

    def __init__(self, label: str, text: str, seal: Callable[[], None] = lambda: None) -> None:
        """Load it. `seal` is called before its first line runs, when all files that it may need have been read.

        Raises:
            UnusableError: it is no Python, imports what it may not, has no `adjust`, or raises while it is loaded.
        """
        self._label = label
        slips = examine(text)
        if slips:
            raise UnusableError(slips)
        try:
            self._adjust = _load(label, text, seal)
        except BaseException as error:  # noqa: BLE001 - whatever a script raises, SystemExit too, is its own fault
            line = _line(error, label) or 1
            raise UnusableError((Slip(line, 1, f"cannot be loaded: {_said(error)}", "mend the line"),)) from None

    def adjust(self, branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:
        """What the script says.

        Raises:
            FailedError: it raised, or returned what is no adjustment for this branch.
        """
        try:
            returned = self._adjust(branch, network)
            wrong = nonsense(returned, branch)
        except BaseException as error:  # noqa: BLE001 - whatever a script raises, SystemExit too, is its own fault
            raise FailedError(_line(error, self._label), f"adjust raised {_said(error)}") from None
        if wrong is not None:
            raise FailedError(self._begins(), f"adjust {wrong}")
        return returned  # type: ignore[return-value]  # nonsense() has seen that it is one

    def _begins(self) -> int:
        code = getattr(self._adjust, "__code__", None)
        return code.co_firstlineno if isinstance(code, CodeType) and code.co_filename == self._label else 0


def _load(label: str, text: str, seal: Callable[[], None]) -> Adjust:
    tree = ast.parse(text)
    _read_modules(tree)
    _read_zones(tree)
    seal()
    module = ModuleType("policy_script")
    module.__dict__["__builtins__"] = _builtins()
    # Dataclasses look their module up by name while they are made.
    before, sys.modules[module.__name__] = sys.modules.get(module.__name__), module
    try:
        exec(compile(text, label, "exec"), module.__dict__)  # noqa: S102 - running scripts is what this is for
    finally:
        if before is not None:
            sys.modules[module.__name__] = before
    adjust: Adjust = module.__dict__["adjust"]
    return adjust


def _builtins() -> dict[str, object]:
    names = {name: value for name, value in vars(builtins).items() if name not in REFUSED_NAMES}
    return names | {"__import__": _import}


def _import(
    name: str,
    globals: dict[str, object] | None = None,  # noqa: A002 - Python's own names
    locals: dict[str, object] | None = None,  # noqa: A002
    fromlist: tuple[str, ...] = (),
    level: int = 0,
) -> ModuleType:
    if level or not (may_import(name) or name in _OF_DATETIME):
        raise ImportError(f"a policy script may not import {name}, only {', '.join(MODULES[1:])}")
    return __import__(name, globals, locals, fromlist, level)


def _read_modules(tree: ast.Module) -> None:
    """Have every module that the script imports in memory. One that is not there is missed when the script runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in named:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def _read_zones(tree: ast.Module) -> None:
    """Have every time zone that the script names in the memory of `zoneinfo`."""
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for name in sorted(named):
        if len(name) < 40 and name.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum():
            with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                _ZONES[name] = zoneinfo.ZoneInfo(name)


_ZONES: dict[str, zoneinfo.ZoneInfo] = {}
"""Held so that `zoneinfo`, which only remembers what is in use, forgets none."""


def _line(error: BaseException, label: str) -> int:
    """The innermost line of the script itself in which it was raised; 0 if none is known."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == label]
    return lines[-1] if lines else 0


def _said(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except BaseException:  # noqa: BLE001 - an exception of the script's own, whose __str__ raises
        text = type(error).__name__
    return " ".join(text.split())[:LONGEST_TEXT]
