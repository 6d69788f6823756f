"""The forwarder's own small file: what it needs to go on after a restart before anybody speaks to it.

Written by a thread, into a new file that replaces the old one; a file that can't be read is a problem and an empty
start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Condition, Thread

from hub.forwarder import messages
from hub.forwarder.classes import LARGEST_EPOCH, ForwardingClass
from hub.forwarder.fields import LONGEST_TEXT, FieldError, Fields
from hub.forwarder.liveness.model import SessionMemory, TunnelSpec
from hub.forwarder.orders import (
    Probe,
    parse_interface,
    parse_order,
    parse_prefix,
    parse_prefixes,
    parse_probe,
    parse_tunnel,
)
from hub.forwarder.steps import pieces

VERSION = 2
READABLE = (1, 2)
"""Version 1 knew no IPv6: its tunnels have no `local6` and `remote6`, and its probe no IPv6 prefixes. Older files of
version 2 have no `tables`, and their classes no `sources`."""
LARGEST_FILE = 64 << 20
_PREFIXES_A_PIECE = 1000
_LARGEST_INSTANT = (1 << 63) - 1


class StateFileError(ValueError):
    """The file can't be used: the text says why."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """A SavedState is what is saved. `boot` is the kernel's id of this boot: monotonic times hold only within it.

    `ids` are the pairs of nexthops by class, `tables` the routing tables by source prefix.
    """

    boot: str = ""
    tunnels: tuple[TunnelSpec, ...] = ()
    classes: tuple[ForwardingClass, ...] = ()
    ids: Mapping[str, int] = field(default_factory=dict)
    interfaces: Mapping[str, str] = field(default_factory=dict)
    unreachable: tuple[str, ...] = ()
    probe: Probe = field(default_factory=Probe)
    memory: Mapping[str, SessionMemory] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)


def encode(state: SavedState) -> bytes:
    """The content of the file, made in small pieces: the loop of the process waits while one of them is made."""
    members = {
        "pointsman": _json(VERSION),
        "boot": _json(state.boot),
        "tunnels": _list(_json(messages.tunnel(spec)) for spec in state.tunnels),
        "classes": _list(_encode_class(each) for each in state.classes),
        "ids": _json(dict(state.ids)),
        **({"tables": _json(dict(state.tables))} if state.tables else {}),
        "interfaces": _json(dict(state.interfaces)),
        "unreachable": _prefixes(state.unreachable),
        "probe": _json({"prefixes": list(state.probe.prefixes), "prefer": state.probe.prefer}),
        "memory": _json({name: memory.to_json() for name, memory in state.memory.items()}),
    }
    return _object(members).encode() + b"\n"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _list(members: Iterable[str]) -> str:
    return f"[{','.join(members)}]"


def _object(members: Mapping[str, str]) -> str:
    return f"{{{','.join(f'{_json(key)}:{value}' for key, value in members.items())}}}"


def _prefixes(prefixes: Iterable[str]) -> str:
    return _list(_json(piece)[1:-1] for piece in pieces(prefixes, _PREFIXES_A_PIECE))


def _encode_class(each: ForwardingClass) -> str:
    rest = {
        "name": each.name,
        "branch": each.branch,
        **({"sources": list(each.sources)} if each.sources else {}),
        "order": list(each.order),
        "active": each.active,
        "reason": each.reason,
        "based_on_epoch": each.epoch,
        "since_ns": each.since_ns,
    }
    return _object({**{key: _json(value) for key, value in rest.items()}, "prefixes": _prefixes(each.prefixes)})


def decode(content: bytes) -> SavedState:
    """Read what `encode` wrote.

    Raises:
        StateFileError: it is no such file, of another version, or damaged.
    """
    try:
        fields = Fields(json.loads(content), "")
        _check_version(fields.raw("pointsman"))
        return _decode(fields)
    except FieldError as error:
        raise StateFileError(_plain(str(error))) from error
    except (ValueError, RecursionError) as error:
        raise StateFileError(_plain(f"it is damaged ({str(error)[:80]})")) from error


def _check_version(version: object) -> None:
    if type(version) is not int or version not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise FieldError(f"it is of version {str(version)[:20]}, and this forwarder reads {known}")


def _plain(text: str) -> str:
    """One short line: it may name a key of the file, and a damaged file has any."""
    return "".join(char if char.isprintable() else "?" for char in text[:LONGEST_TEXT])


def _decode(fields: Fields) -> SavedState:
    ids, interfaces = _mapping(fields, "ids"), _mapping(fields, "interfaces")
    tables = _mapping(fields, "tables") if fields.has("tables") else {}
    return SavedState(
        boot=fields.text("boot", empty=True),
        tunnels=fields.each("tunnels", parse_tunnel),
        classes=fields.each("classes", _decode_class),
        ids={name: Fields(ids, "ids").number(name, 1, 0xFFFFFFFF) for name in ids},
        tables={
            parse_prefix(source, "tables"): Fields(tables, "tables").number(source, 1, 0xFFFFFFFF) for source in tables
        },
        interfaces={name: parse_interface(Fields(interfaces, "interfaces"), name) for name in interfaces},
        unreachable=parse_prefixes(fields, "unreachable"),
        probe=parse_probe(fields.raw("probe"), "probe"),
        memory={name: SessionMemory.from_json(value) for name, value in _mapping(fields, "memory").items()},
    )


def _mapping(fields: Fields, key: str) -> dict[str, object]:
    value = fields.raw(key)
    if not isinstance(value, dict):
        raise FieldError(f"{key}: a JSON object is needed")
    return value


def _decode_class(value: object, place: str) -> ForwardingClass:
    if not isinstance(value, dict):
        raise FieldError(f"{place}: a JSON object is needed")
    order = parse_order({key: part for key, part in value.items() if key != "since_ns"}, place)
    return ForwardingClass(
        name=order.name,
        branch=order.branch,
        prefixes=order.prefixes,
        order=order.order,
        active=order.active,
        epoch=Fields(value, place).number("based_on_epoch", 0, LARGEST_EPOCH),
        since_ns=Fields(value, place).number("since_ns", 0, _LARGEST_INSTANT),
        reason=order.reason,
        sources=order.sources,
    )


def after_reboot(saved: SavedState, now_ns: int) -> SavedState:
    """What of it still holds when the machine was started anew: the clock began again, and every session is over."""
    classes = tuple(replace(each, since_ns=now_ns) for each in saved.classes)
    return replace(saved, classes=classes, memory={})


def read(path: Path) -> SavedState:
    """The state that was saved; an empty one when there is no file.

    Raises:
        StateFileError: there is a file, and it can't be used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return SavedState()
    except OSError as error:
        raise StateFileError(f"it can't be read ({error.strerror})") from error
    if len(content) > LARGEST_FILE:
        raise StateFileError("it is far too large")
    return decode(content)


def write(path: Path, content: bytes) -> None:
    """Replace the file in one step; a crash leaves the old one or the new one.

    Raises:
        OSError: the directory is not there, not ours, or full.
    """
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor is no path
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


class Writer:
    """A Writer saves the newest state in a thread of its own; `on_result` is called there, with an error or None."""

    def __init__(self, path: Path, on_result: Callable[[OSError | None], None]) -> None:
        self._path = path
        self._on_result = on_result
        self._wanted: SavedState | None = None
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="state", daemon=True)
        self._thread.start()

    def save(self, state: SavedState) -> None:
        """Save this instead of whatever is still waiting."""
        with self._changed:
            self._wanted = state
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Save what is waiting, for at most so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._wanted is None and not self._closing:
                    self._changed.wait()
                state, self._wanted = self._wanted, None
            if state is None:
                return
            self._on_result(self._write(state))

    def _write(self, state: SavedState) -> OSError | None:
        try:
            write(self._path, encode(state))
        except OSError as error:
            return error
        return None
