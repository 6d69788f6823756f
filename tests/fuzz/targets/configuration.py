"""A configuration directory in which anything is spoilt: it is read, or every problem names a file and a line in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from config_directories import ALLOCATIONS, BANDUNG, NETWORK
from draw import Draw, check_message
from nearly import ABSENT, ODD_FILES, PLACES, set_at

from hub.config import Configuration, read
from hub.config.allocation import RefusedError, plan_allocations
from hub.config.problems import Problem, has_errors

_FILES = {
    "network.yaml": NETWORK.replace("ports:", 'links-ipv6: "fd00:255::/64", ports:')
    .replace("10.0.0.0/16]", '10.0.0.0/16, "fd00:a::/48"]')
    .replace("  uplinks:", "  session: {password-file: all.password}\n  between-branches: [10.0.0.0/8]\n  uplinks:"),
    "branches/bandung.yaml": BANDUNG.replace("/24]", '/24, "fd00:1::/64"]')
    + "liveness: {active: fast, idle: {interval: 1s}}\ntunnels: {fiber: {port: 51000}}\nrouter: {kind: routeros}\n",
    "branches/bogor.yaml": (
        "bgp: ibgp\nprefixes: [10.2.0.0/24]\nuplinks: {fiber: {isp: telkom}, backup: {isp: biznet}}\n"
        "session: {password-file: false, ttl-security: true}\npolicy: night\n"
    ),
    "allocations.yaml": ALLOCATIONS.replace("port: 51000", 'link-ipv6: "fd00:255::/127", port: 51000').replace(
        "port: 51001", 'link-ipv6: "fd00:255::2/127", port: 51001'
    )
    + "bogor/fiber: {to: telkom, link: 10.255.0.4/31, port: 51002, process: 2}\n"
    + "bogor/backup: {to: biznet, link: 10.255.0.6/31, port: 51003}\n",
    "policies/night.yaml": (
        "extends: standard\nprefer: [fiber]\nmetered: allowed\nfailback: {mode: automatic, hold: 60s}\n"
        "announce: {first: 1000, step: 10}\n"
    ),
}
_NAMES = sorted(_FILES)
_VALUES: list[Any] = [
    "as", "prefixes", "uplinks", "tunnels", "liveness", "prefer", "policy", "hub", "hubs", "pools", "extends", "to",
    "announce", "fiber", "wireless", "telkom", "biznet", "standard", "night", "bandung/fiber", "active", "interval",
    "60s", "50ms", "fast", "icmp", "51000-54999", "10.255.0.0/31", "Asia/Jakarta", "timezone", "kind", "metered",
    "link", "port", "bgp", "ibgp", "router", "endpoint", "interface", "eth0", "multiplier", "method", "hq", 65000,
    4294967295, "ibgp", "session", "password-file", "ttl-security", "router", "routeros", "process",
    "links-ipv6", "bogor",
    "link-ipv6",
    "between-branches", "fd00:1::/64", "fd00:255::/127", "bogor/fiber", "password", "backup",
]  # fmt: skip
_SCRAPS = (
    "", "null", "[]", "{}", "yes", "-1", "1e999", ".inf", "0/0", "::", "*a", "&a ", "? ", "\t", "x: y", "\n", "- ", "#",
    "'", '"', "|\n", ">-\n", "!!str ", "---\n", "...\n", "%YAML 1.1\n", "<<: ", "\x85", "\u2028", "\x1b[2J", "\x00",
    "\ufeff", "{a: [", "]}", ": ", ", ", "018", "18:00", "2001:db8::/32", '"a\\nb"', "fe80::1%\"x\"", "9" * 30,
)  # fmt: skip
WORDS = tuple(str(word).encode() for word in (*_VALUES, *_SCRAPS))

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_directory = Path(tempfile.mkdtemp(prefix="fuzz-configuration-"))
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
_written: dict[str, bytes | None] = {}
_trees: dict[bytes, Any] = {text.encode(): yaml.safe_load(text) for text in _FILES.values()}
"""The files as values."""


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    right = {name: text.encode() for name, text in _FILES.items()}
    for _ in range(draw.number(1, 3)):
        name = draw.choice(_NAMES)
        right[name] = spoilt(right[name], draw)
    files: dict[str, bytes | None] = {**right}
    allocate = draw.flag()
    for _ in range(draw.number(0, 6)):
        vary(files, draw)
    write(files)
    check(read(_directory, secrets=_directory / "secrets"), files)
    if allocate:
        check_allocation(files)


def vary(files: dict[str, bytes | None], draw: Draw) -> None:
    """Another value that nearly fits, now and then another file, or one that is gone or a directory (None)."""
    name = draw.choice(_NAMES)
    match draw.byte() % 16:
        case 0:
            files.pop(name, None)
        case 1:
            files[name] = None
        case 2 | 3:
            files[draw.choice(ODD_FILES)] = files.get(name)
        case _:
            path, values = draw.choice(PLACES[name])
            value = draw.choice([*values, ABSENT])
            if content := files.get(name):
                files[name] = with_value(content, path, value)


def with_value(content: bytes, path: tuple[str, ...], value: Any) -> bytes:
    """The file with this value there; as it was if it cannot be read."""
    try:
        document = parsed(content)
        set_at(document, path, value)
        return dumped(document)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return content


def write(files: dict[str, bytes | None]) -> None:
    """Make the directory so; most files are in most runs what they were in the run before, and are left."""
    for name in [name for name in _written if name not in files or _written[name] != files[name]]:
        remove(name)
    for name, content in files.items():
        if name not in _written:
            place(name, content)


def place(name: str, content: bytes | None) -> None:
    """Make a file, or a directory."""
    path = _directory / name
    path.parent.mkdir(exist_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    _written[name] = content


def remove(name: str) -> None:
    """Take away a file or directory."""
    path = _directory / name
    if _written.pop(name) is None:
        path.rmdir()
    else:
        path.unlink()


def spoilt(content: bytes, draw: Draw) -> bytes:
    """A file in which something is different."""
    match draw.byte() % 8:
        case 0:
            return draw.raw(draw.number(0, 300))
        case 1 | 2:
            return tree(content, draw)
        case 3:
            lines = content.split(b"\n")
            at, other = draw.number(0, len(lines) - 1), draw.number(0, len(lines) - 1)
            return b"\n".join([*lines[:at], lines[other], *lines[at + draw.number(0, 1) :]])
        case _:
            at, length = draw.number(0, len(content)), draw.number(0, 12)
            scrap = draw.choice(_SCRAPS).encode() if draw.flag() else draw.text(30).encode()
            return content[:at] + scrap + content[at + length :]


def tree(content: bytes, draw: Draw) -> bytes:
    """The file's values with a few places spoilt, written anew."""
    try:
        value = draw.spoilt(parsed(content), _VALUES)
        return dumped(value, flow=draw.flag())
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return b""


def parsed(content: bytes) -> Any:
    """The value of a file, which may be changed. Raises what PyYAML raises."""
    if content not in _trees:
        return yaml.load(content, _LOADER)  # noqa: S506  both loaders are safe
    return deepcopy(_trees[content])


def dumped(value: Any, *, flow: bool = False) -> bytes:
    """A value as a file."""
    text = yaml.dump(value, Dumper=_DUMPER, allow_unicode=True, default_flow_style=flow)
    return str(text).encode("utf-8", "replace")


def check(configuration: Configuration, files: dict[str, bytes | None]) -> None:
    """An intent or errors, not both and not neither; and every problem is one that a user can act on."""
    assert (configuration.intent is None) == has_errors(configuration.problems)
    for problem in configuration.problems:
        check_problem(problem, files)
    if configuration.intent is not None:
        tunnels = configuration.intent.tunnels()
        assert len({tunnel.link.hub for tunnel in tunnels.values()}) == len(tunnels)
        assert len({tunnel.port for tunnel in tunnels.values()}) == len(tunnels)
        assert all(branch.tunnels and branch.prefixes for branch in configuration.intent.branches.values())


def check_problem(problem: Problem, files: dict[str, bytes | None]) -> None:
    """It names a file and a line of it, in one printable line, and its mend is one too."""
    shown = {"".join(letter if letter.isprintable() else "?" for letter in name) for name in files}
    assert problem.file in {*shown, *_FILES, "branches", "policies"}, problem
    lines = (files.get(problem.file) or b"").decode("utf-8", "replace")
    assert problem.line <= len(lines.splitlines()) + 1, f"there is no such line: {problem}"
    check_message(problem.text)
    if problem.mend is not None:
        check_message(problem.mend)


def check_allocation(files: dict[str, bytes | None]) -> None:
    """Allocating refuses with problems, or makes a file in which nothing is missing."""
    try:
        plan = plan_allocations(_directory)
    except RefusedError as refused:
        for problem in refused.problems:
            check_problem(problem, files)
        return
    write(files | {"allocations.yaml": plan.text.encode()})
    again = plan_allocations(_directory)
    assert not again.new, f"allocated anew: {again.new} after {plan.text}"
