"""The tables of docs/reference/policy.md, made of the models that read the files: each key, its meaning, an example.

`python -m hub.config.policy.reference docs/reference/policy.md` writes them anew between their marks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from hub.config.fields import Section
from hub.config.policy import written
from hub.config.policy.build import build
from hub.config.policy.built_in import STANDARD, built_in_layers, built_in_names, built_in_text

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 +%./_-]*")
_MARK = re.compile(r"(<!-- made of the model: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

_RULE: dict[str, Any] = {"name": "nights", "set": {"metered": "allowed"}}
_SECTIONS: dict[str, tuple[type[Section], tuple[str, ...]]] = {
    "policy": (written.RawPolicy, ()),
    "health": (written.RawHealth, ("health", "default")),
    "limits": (written.RawLeaving, ("health", "default", "degraded-when-any")),
    "failback": (written.RawFailback, ("failback",)),
    "damping": (written.RawDamping, ("damping",)),
    "announce": (written.RawAnnounce, ("announce",)),
    "marks": (written.RawMarks, ("announce", "drained")),
    "rule": (written.RawRule, ("rules",)),
    "when": (written.RawWhen, ("rules", "when")),
    "set": (written.RawSet, ("rules", "set")),
}
_BESIDE: dict[tuple[str, ...], dict[str, Any]] = {("failback", "windows"): {"mode": "window"}}
"""What an example needs beside it."""


def refreshed(page: str) -> str:
    """The page with what stands between its marks made anew."""
    return _MARK.sub(lambda found: f"{found[1]}{_made(found[2])}{found[3]}", page)


def _made(name: str) -> str:
    if name == "built-in":
        return "".join(_built_in(policy) for policy in (STANDARD, *sorted(built_in_names() - {STANDARD})))
    return "\n".join(_table(*_SECTIONS[name])) + "\n"


def _built_in(name: str) -> str:
    return f"```yaml\n# {name}\n{built_in_text(name)}```\n\n"


def _table(section: type[Section], path: tuple[str, ...]) -> Iterator[str]:
    standard = build(STANDARD, built_in_layers(STANDARD)).said
    shows = path in ((), ("failback",), ("announce",), ("damping",))
    yield "| key | meaning | example |" + (" in `standard` |" if shows else "")
    yield "|---|---|---|" + ("---|" if shows else "")
    own = section.__annotations__  # before what it has of the section that it extends
    for name, field in sorted(section.model_fields.items(), key=lambda each: each[0] not in own):
        key = field.alias or name
        example = flow(_nested((*path, key), (field.examples or [None])[0]), outermost=True)
        cell = f" {_in_standard(_inside(standard, path).get(key))} |" if shows else ""
        yield f"| `{key}` | {_meaning(field)} | `{example}` |{cell}"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _inside(said: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for part in path:
        said = said.get(part, {})
    return said


def _in_standard(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "see below" if isinstance(value, dict) else f"`{flow(value)}`"


def _nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A whole policy in which this key has this value."""
    said: dict[str, Any]
    if path[0] == "rules" and len(path) > 1:
        said = {path[1]: value if len(path) == 2 else {path[-1]: value}}
        return {"rules": [{key: {**_RULE, **said}[key] for key in ("name", "when", "set") if key in {**_RULE, **said}}]}
    said = {**_BESIDE.get(path, {}), path[-1]: value}
    for part in reversed(path[:-1]):
        said = {part: said}
    return said


def flow(value: object, *, outermost: bool = False) -> str:
    """A value as YAML in one line; the outermost map without its braces."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            inside = ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items())
            return inside if outermost else f"{{{inside}}}"
        case list() | tuple():
            return f"[{', '.join(map(flow, value))}]"
        case str() if not _PLAIN.fullmatch(value):
            return f'"{value}"'
        case _:
            return str(value)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(refreshed(file.read_text(encoding="utf-8")), encoding="utf-8")
