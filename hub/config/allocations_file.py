"""allocations.yaml as text: new lines go in their sorted place, the others stay as they are, byte for byte."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hub.config.allocate import Allocation, Allocations
from policies.model.ids import TunnelId

HEADER = """\
# What each tunnel was given: the hub's uplink it goes to, its link (the even address is the hub's), its UDP port.
# Written by "pointsman allocate", kept in version control with the rest. A line never changes, and while it stands
# nobody else gets what it holds: remove it only when the branch is gone for good.
"""

_KEY = re.compile(r"""["']?([a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*)["']?\s*:""")
_ONE_LINE = re.compile(r"(.*:\s*\{)([^{}]*?)(\s*\}\s*(?:#.*)?)")
_INNER_KEY = re.compile(r"""(?:^|,)\s*["']?([a-z0-9-]+)["']?\s*:""")


class NotOneLineError(Exception):
    """An entry that must get something more is spread over several lines; the text says which."""


def render(allocation: Allocation) -> str:
    """The value of one line."""
    return "{" + ", ".join(_parts(allocation).values()) + "}"


def _parts(allocation: Allocation) -> dict[str, str]:
    return {
        key: f"{key}: {text}"
        for key, value, text in (
            ("to", allocation.to, allocation.to),
            ("link", allocation.link, allocation.link),
            ("link-ipv6", allocation.link_ipv6, f'"{allocation.link_ipv6}"'),
            ("port", allocation.port, allocation.port),
            ("loopbacks", allocation.loopbacks, allocation.loopbacks),
            ("process", allocation.process, allocation.process),
        )
        if value
    }


def with_lines(text: str, new: Allocations) -> str:
    """The file's text with these lines added in order of name, or made longer where they are already there.

    Raises:
        NotOneLineError: a line to be made longer is not one line.
    """
    lines = text.splitlines() or HEADER.splitlines()
    if lines and not any(_KEY.match(line) for line in lines) and lines[-1].strip() in ("{}", "..."):
        lines.pop()
    missing = dict(new)
    for number, line in enumerate(lines):
        tunnel = _tunnel(line)
        if tunnel in missing:
            lines[number] = _longer(line, tunnel, missing.pop(tunnel))
    return "\n".join(_merged(lines, missing)) + "\n"


def without_lines(text: str, branch: str) -> tuple[str, dict[TunnelId, str]]:
    """The file's text without the lines of a branch's tunnels, and what these hold; the others stay, byte for byte."""
    kept, gone = [], {}
    for line in text.splitlines(keepends=True):
        tunnel = _tunnel(line)
        if tunnel is not None and tunnel.branch == branch:
            gone[tunnel] = line.partition(":")[2].strip()
        else:
            kept.append(line)
    return "".join(kept), gone


def write(path: Path, text: str) -> None:
    """Replace the file at once: nobody ever sees half of it.

    Raises:
        OSError: it cannot be written; the old one is untouched.
    """
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _tunnel(line: str) -> TunnelId | None:
    key = _KEY.match(line)
    return TunnelId.parse(key[1]) if key else None


def _longer(line: str, tunnel: TunnelId, allocation: Allocation) -> str:
    """The line with what it lacks before its closing brace; the rest of it, comments too, stays as it is."""
    match = _ONE_LINE.fullmatch(line)
    if match is None:
        raise NotOneLineError(str(tunnel))
    before, inside, after = match.groups()
    there = _INNER_KEY.findall(inside)
    more = [part for key, part in _parts(allocation).items() if key not in there]
    kept = inside.rstrip().removesuffix(",")
    return f"{before}{', '.join([kept, *more] if kept.strip() else more)}{after}"


def _merged(lines: list[str], new: Mapping[TunnelId, Allocation]) -> list[str]:
    waiting = sorted(new, reverse=True)
    merged = []
    for line in lines:
        tunnel = _tunnel(line)
        while tunnel and waiting and waiting[-1] < tunnel:
            merged.append(f"{waiting[-1]}: {render(new[waiting[-1]])}")
            waiting.pop()
        merged.append(line)
    merged += [f"{tunnel}: {render(new[tunnel])}" for tunnel in reversed(waiting)]
    return merged
