"""Reading a script before it runs: what it imports, whether it can be called, and what a pure function cannot do.

This is for people who slip, not against people who mean harm: Python can be talked round any such look. What holds a
script is the process that it runs in (`hub.scripts.confine`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

MODULES = (
    "__future__",
    "calendar",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "itertools",
    "math",
    "operator",
    "policies",
    "re",
    "statistics",
    "typing",
    "zoneinfo",
)
"""What a script may import: pure parts of the standard library, and `policies`."""
REFUSED_NAMES = frozenset({"__import__", "breakpoint", "compile", "eval", "exec", "exit", "input", "open", "quit"})
SIGNATURE = "def adjust(branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:"

_NO_CLOCK = {"now", "today", "utcnow"}
_CHANGING = {
    "add",
    "append",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "update",
}
_MEND_IMPORT = f"import nothing but {', '.join(MODULES[1:])}"
_MEND_STATE = "compute it from branch and network: a script keeps nothing between two calls"
MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Slip:
    """A Slip is one thing that is wrong with a script, where (lines and columns from 1), and the mend."""

    line: int
    column: int
    text: str
    mend: str


def may_import(module: str) -> bool:
    """Whether a script may import this module."""
    return module.partition(".")[0] in MODULES


def examine(text: str) -> tuple[Slip, ...]:
    """All that is wrong with the text of a script, by line."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return (Slip(error.lineno or 1, error.offset or 1, f"is no Python: {error.msg}", "mend the line"),)
    except ValueError as error:  # what a zero byte is to Python 3.11; to later ones it is a SyntaxError
        return (Slip(1, 1, f"is no Python: {error}", "mend the line"),)
    except (RecursionError, MemoryError) as error:
        return (Slip(1, 1, f"cannot be read as Python: {type(error).__name__}", "make it plainer"),)
    slips = {slip for node in ast.walk(tree) for slip in _slips_of(node)}
    slips |= {*_signature(tree), *_kept_state(tree)}
    return tuple(sorted(slips, key=lambda slip: (slip.line, slip.column, slip.text)))[:MOST_PROBLEMS]


def _slip(node: ast.stmt | ast.expr, text: str, mend: str) -> Slip:
    return Slip(node.lineno, node.col_offset + 1, text, mend)


def _slips_of(node: ast.AST) -> Iterator[Slip]:
    match node:
        case ast.Import():
            yield from (_import(node, alias.name) for alias in node.names if not may_import(alias.name))
        case ast.ImportFrom(level=0) if not may_import(node.module or ""):
            yield _import(node, node.module or "")
        case ast.ImportFrom() if node.level:
            yield _import(node, "." * node.level + (node.module or ""))
        case ast.Global():
            yield _slip(node, f"changes the global {', '.join(node.names)}", _MEND_STATE)
        case ast.Call():
            yield from _call(node)
        case ast.Name(ctx=ast.Load()) if node.id in REFUSED_NAMES:
            yield _slip(node, f"uses {node.id}, which a policy script may not", "take it out")
        case _:
            pass


def _import(node: ast.stmt, module: str) -> Slip:
    return _slip(node, f"imports {module}, which a policy script may not", _MEND_IMPORT)


def _call(node: ast.Call) -> Iterator[Slip]:
    match node.func:
        case ast.Attribute(attr=name) if name in _NO_CLOCK:
            yield _slip(node, f"asks for the time by {name}()", "use branch.wall or network.wall")
        case ast.Name(id="hash" | "id"):
            mend = "use steady_number(name) of policies.scripts"
            yield _slip(node, f"calls {node.func.id}(), which is another one in every process", mend)
        case _:
            pass


def _signature(tree: ast.Module) -> Iterator[Slip]:
    """`adjust` must be a plain function of the module that takes two values."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    named = [node for node in found if node.name == "adjust"]
    if not named:
        yield Slip(1, 1, "has no function adjust", f'write "{SIGNATURE}"')
        return
    function = named[-1]
    if isinstance(function, ast.AsyncFunctionDef):
        yield _slip(function, "adjust is async", f'write "{SIGNATURE}"')
        return
    taken = function.args
    positional = [*taken.posonlyargs, *taken.args]
    needed = len(positional) - len(taken.defaults)
    enough = len(positional) >= 2 or taken.vararg is not None
    missing = [one for one, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True) if default is None]
    if needed > 2 or not enough or missing:
        yield _slip(function, "adjust does not take two values, the branch and the network", f'write "{SIGNATURE}"')
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function)):
        yield _slip(function, "adjust yields", "return one Adjustment, or None")


def _kept_state(tree: ast.Module) -> Iterator[Slip]:
    """What functions do to values of the module; the plain ways only."""
    kept = {name for node in tree.body for name in _assigned(node)}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = _own_names(function)
            for node in ast.walk(function):
                changed = _changed_by(node)
                if changed is not None and changed.id in kept - own:
                    yield _slip(changed, f"changes {changed.id}, which belongs to the module", _MEND_STATE)


def _assigned(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            pass


def _own_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    taken = function.args
    arguments = {one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}
    return arguments | {
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _changed_by(node: ast.AST) -> ast.Name | None:
    """The name whose value this changes: `X[…] = …`, `X.y = …`, `del X[…]`, `X.append(…)`."""
    match node:
        case ast.Subscript(ctx=ast.Store() | ast.Del(), value=ast.Name() as name):
            return name
        case ast.Attribute(ctx=ast.Store() | ast.Del(), value=ast.Name() as name):
            return name
        case ast.Call(func=ast.Attribute(attr=method, value=ast.Name() as name)) if method in _CHANGING:
            return name
        case _:
            return None
