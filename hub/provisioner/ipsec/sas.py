"""What charon says of an SA (`list-sas`), as plain data without keys. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]


def reported(sa: Message, wall: float) -> dict[str, Any]:
    """An IKE SA and its child SA; `wall` is the time, in Unix seconds, from which charon's ages are counted."""
    children = list(sa.get("child-sas", {}).values())
    installed = [child for child in children if _text(child, "state") in ("INSTALLED", "REKEYED", "REKEYING")]
    child = max(installed, key=lambda each: -(_number(each, "install-time") or 0), default=None)
    return {
        "state": _text(sa, "state").lower(),
        "since": _past(sa, "established", wall),
        "remote": f"{_text(sa, 'remote-host')}:{_text(sa, 'remote-port')}",
        "local": f"{_text(sa, 'local-host')}:{_text(sa, 'local-port')}",
        "nat": _text(sa, "nat-remote") == "yes",
        "ike": _algorithms(sa),
        "rekey_at": _future(sa, "rekey-time", wall),
        "child": None if child is None else _child(child, wall),
    }


def _child(child: Message, wall: float) -> dict[str, Any]:
    return {
        "state": _text(child, "state").lower(),
        "since": _past(child, "install-time", wall),
        "encapsulated": _text(child, "encap") == "yes",
        "esp": _algorithms(child),
        "bytes_in": _number(child, "bytes-in") or 0,
        "bytes_out": _number(child, "bytes-out") or 0,
        "packets_in": _number(child, "packets-in") or 0,
        "packets_out": _number(child, "packets-out") or 0,
        "rekey_at": _future(child, "rekey-time", wall),
    }


def best(sas: list[Message]) -> Message | None:
    """Of several SAs of one connection the one that counts: established before others, then the youngest."""
    return max(sas, key=lambda sa: (_text(sa, "state") == "ESTABLISHED", _number(sa, "uniqueid") or 0), default=None)


def state_of(sa: Message) -> str:
    """Its state in charon's words: `CONNECTING`, `ESTABLISHED`, `REKEYING`, `REKEYED`, `DELETING`."""
    return _text(sa, "state")


def number_of(sa: Message) -> int:
    """charon's own number of an IKE SA: each new one has a larger one, as long as the daemon runs."""
    return _number(sa, "uniqueid") or 0


def is_established(sa: Message) -> bool:
    """Whether both ends have authenticated each other, and it is in use."""
    return state_of(sa) in ("ESTABLISHED", "REKEYING")


def has_heard(sa: Message) -> bool:
    """Whether a packet of the other end came through one of its child SAs."""
    return any(_number(child, "packets-in") for child in sa.get("child-sas", {}).values())


def _algorithms(message: Message) -> str:
    encryption = _text(message, "encr-alg")
    if size := _text(message, "encr-keysize"):
        encryption += f"-{size}"
    rest = (_text(message, key) for key in ("integ-alg", "prf-alg", "dh-group"))
    return "/".join((encryption, *(each for each in rest if each)))


def _past(message: Message, key: str, wall: float) -> float | None:
    seconds = _number(message, key)
    return None if seconds is None else wall - seconds


def _future(message: Message, key: str, wall: float) -> float | None:
    seconds = _number(message, key)
    return None if seconds is None else wall + seconds


def _number(message: Message, key: str) -> int | None:
    text = _text(message, key)
    return int(text) if text.lstrip("-").isdigit() else None


def _text(message: Message, key: str) -> str:
    value = message.get(key, b"")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
