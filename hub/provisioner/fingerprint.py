"""What a table of nftables carries to be known as ours, and to be seen whole or changed: text and objects, pure.

`nft` shows a ruleset in other words than it was written in, and in others again in its next version. So what it showed
right after the table was made is noted in the table itself: what it shows later is either that, or somebody changed it.
The note is two comments in a chain that nothing jumps to.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FAMILY = "inet"
FINGERPRINT = "fingerprint"
MARK = "made by pointsman"
_SEAL = "seen as"
_BY_ITSELF = frozenset({"handle", "packets", "bytes"})

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """A Look is a table as it is: whether it is there and ours, and the digest of the body that was put into it.

    `intact`: it is as it was right after that. `objects` are what `nft` shows of it (libnftables-json(5)).
    """

    there: bool = False
    ours: bool = False
    body: str | None = None
    intact: bool = False
    objects: tuple[Json, ...] = ()


def digest(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def script(name: str, body: str) -> str:
    """What puts this body in force in place of all that the table holds, in one transaction or not at all."""
    whole = f"{FAMILY} {name}"
    made = f"table {whole} {{\n{body}}}\nadd chain {whole} {FINGERPRINT}\n"
    return removal(name) + made + _noted(name, f"{MARK}: {digest(body)}")


def removal(name: str) -> str:
    """What removes the table, also where there is none."""
    return f"add table {FAMILY} {name}\ndelete table {FAMILY} {name}\n"


def seal(name: str, shown: str) -> str:
    """What notes in the table how it was shown, by its digest."""
    return _noted(name, f"{_SEAL}: {shown}")


def _noted(name: str, comment: str) -> str:
    return f'add rule {FAMILY} {name} {FINGERPRINT} return comment "{comment}"\n'


def read(objects: Iterable[Json] | None, counting: frozenset[str] = frozenset()) -> Look:
    """The objects of a table; None where there is none. `counting` are its sets whose elements packets add."""
    if objects is None:
        return Look()
    every = tuple(objects)
    rules = [rule for each in every if isinstance(rule := each.get("rule"), Mapping)]
    comments = [str(rule.get("comment", "")) for rule in rules if rule.get("chain") == FINGERPRINT]
    marks = [match[1] for comment in comments if (match := re.fullmatch(rf"{MARK}: ([0-9a-f]+)", comment))]
    seals = [match[1] for comment in comments if (match := re.fullmatch(rf"{_SEAL}: ([0-9a-f]+)", comment))]
    return Look(
        there=True,
        ours=bool(marks),
        body=marks[0] if len(marks) == 1 else None,
        intact=len(comments) == 2 and seals == [shown_digest(every, counting)],
        objects=every,
    )


def shown_digest(objects: Iterable[Json], counting: frozenset[str] = frozenset()) -> str:
    """A short name of what is shown, but for the fingerprint itself and what changes by itself."""
    rules, others = [], []
    for each in objects:
        rule = each.get("rule")
        if isinstance(rule, Mapping) and rule.get("chain") != FINGERPRINT:
            rules.append((str(rule.get("chain")), json.dumps(_still(each, counting), sort_keys=True)))
        elif rule is None and "metainfo" not in each:
            others.append(json.dumps(_still(each, counting), sort_keys=True))
    rules.sort(key=lambda rule: rule[0])  # within a chain the order counts, and stays
    return digest("\n".join([*sorted(others), *(text for _, text in rules)]))


def _still(shown: Any, counting: frozenset[str]) -> Any:
    """Without what changes by itself: handles, counters, elements that packets added, the order of elements."""
    if isinstance(shown, list):
        return [_still(each, counting) for each in shown]
    if not isinstance(shown, Mapping):
        return shown
    left_out = _BY_ITSELF | {"elem"} if shown.get("name") in counting else _BY_ITSELF
    still = {key: _still(value, counting) for key, value in shown.items() if key not in left_out}
    if isinstance(still.get("elem"), list):
        still["elem"] = sorted(still["elem"], key=json.dumps)
    return still
