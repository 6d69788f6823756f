"""What `nft -j list table` shows of our table (libnftables-json(5)), read into what counts of it: pure.

Counters and the elements that the kernel itself adds (who shook hands lately) always differ; handles say nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.provisioner.firewall.rules import FINGERPRINT, MARK

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A Seen is the table as it is: whether it is there and ours, the digest of the rules that were put into it.

    `intact`: it is as it was right after that. `dropped` are packets by reason.
    """

    there: bool = False
    ours: bool = False
    rules: str | None = None
    intact: bool = False
    dropped: Mapping[str, int] = field(default_factory=dict)


def read(objects: Iterable[Json] | None) -> Seen:
    """The objects of the listing; None where there is no table."""
    if objects is None:
        return Seen()
    every = list(objects)
    comments = [str(rule.get("comment", "")) for rule in _parts(every, "rule") if rule.get("chain") == FINGERPRINT]
    marks = [match[1] for comment in comments if (match := re.fullmatch(rf"{MARK}: ([0-9a-f]+)", comment))]
    seals = [match[1] for comment in comments if (match := re.fullmatch(r"seen as: ([0-9a-f]+)", comment))]
    return Seen(
        there=True,
        ours=bool(marks),
        rules=marks[0] if len(marks) == 1 else None,
        intact=len(comments) == 2 and seals == [listing_digest(every)],
        dropped={str(each.get("name")): int(each.get("packets", 0)) for each in _parts(every, "counter")},
    )


def listing_digest(objects: Iterable[Json]) -> str:
    """A short name of what the kernel shows, but for the fingerprint itself and what changes by itself."""
    rules, others = [], []
    for each in objects:
        kind, part = next(((kind, part) for kind, part in each.items() if isinstance(part, dict)), ("", {}))
        if kind == "rule" and part.get("chain") != FINGERPRINT:
            rules.append(json.dumps([part.get("chain"), _still(part.get("expr")), part.get("comment")], sort_keys=True))
        elif kind not in ("rule", "metainfo"):
            others.append(json.dumps([kind, _object(kind, part)], sort_keys=True))
    text = "\n".join([*sorted(others), *_by_chain(rules)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _by_chain(rules: list[str]) -> list[str]:
    """In order of chains; within a chain the order counts, and stays."""
    return sorted(rules, key=lambda rule: str(json.loads(rule)[0]))


def _object(kind: str, part: Json) -> Any:
    kept = {key: value for key, value in part.items() if key != "handle"}
    if kind == "counter":
        return {key: value for key, value in kept.items() if key not in ("packets", "bytes")}
    if kind == "set":
        passing = "timeout" in kept.get("flags", ())  # nft 1.0 says nothing of `dynamic` here
        kept["elem"] = None if passing else sorted(json.dumps(one, sort_keys=True) for one in kept.get("elem", ()))
    return _still(kept)


def _still(value: Any) -> Any:
    """Without the figures of counters that are part of a rule."""
    if isinstance(value, dict):
        return {
            key: None if key == "counter" and isinstance(each, dict) else _still(each) for key, each in value.items()
        }
    return [_still(each) for each in value] if isinstance(value, list) else value


def _parts(objects: Iterable[Json], kind: str) -> list[Json]:
    return [each[kind] for each in objects if isinstance(each.get(kind), dict)]
