"""`guards` of network.yaml: how much an apply may do before somebody must force it."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from hub.config.fields import Section, reads
from hub.config.scalars import UnreadableError, shown
from policies.model.guards import USUAL_GUARDS, AtMost, Guards

OFF: Final = "off"
_SHARE = r"(100|[1-9]?[0-9](\.[0-9]{1,2})?)%"
_SIZE = r"([0-9]{1,9}(\.[0-9]{1,3})?)(kB|MB|GB|TB)"
_POWERS = {"kB": 3, "MB": 6, "GB": 9, "TB": 12}
_LIKE_AMOUNT = "write a share of the branches like 10%, a number of them like 3, or off"
_LIKE_SIZE = "write it like 500MB or 5GB (a day), or off"
MOST_BRANCHES = 1_000_000

Off = Literal["off"]


def read_amount(value: object) -> AtMost | Off:
    """How many branches: `10%` of them, `3`, or `off` for no limit."""
    if value is False or value == OFF:
        return OFF
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_BRANCHES:
        return AtMost(value)
    if isinstance(value, str) and re.fullmatch(_SHARE, value):
        return AtMost(share=float(value[:-1]) / 100)
    raise UnreadableError(f"{shown(value)} is no number of branches", _LIKE_AMOUNT)


def read_size(value: object) -> int | Off:
    """Bytes with their unit, of which each is 1000 of the one before, `5GB`; or `off` for no limit."""
    if value is False or value == OFF:
        return OFF
    if isinstance(value, int | float) and not isinstance(value, bool):
        mend = f"write {value}GB if gigabytes are meant" if value else _LIKE_SIZE
        raise UnreadableError(f"{value} has no unit: a size is a number and one of kB, MB, GB, TB", mend)
    matched = re.fullmatch(_SIZE, value) if isinstance(value, str) else None
    if matched is None:
        raise UnreadableError(f"{shown(value)} is no size", _LIKE_SIZE)
    return round(float(matched[1]) * 10 ** _POWERS[matched[3]])


Amount = Annotated[
    AtMost | Off,
    reads(read_amount),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "string", "pattern": f"^{_SHARE}$"},
                {"type": "integer", "minimum": 0, "maximum": MOST_BRANCHES},
                {"const": OFF},
            ],
            "examples": ["10%", 3, OFF],
        }
    ),
]
Size = Annotated[
    int | Off,
    reads(read_size),
    WithJsonSchema({"oneOf": [{"type": "string", "pattern": f"^{_SIZE}$"}, {"const": OFF}], "examples": ["5GB", OFF]}),
]


class RawGuards(Section):
    """How much one apply may do without --force."""

    max_moves: Amount | None = Field(
        default=None, description="branches whose traffic moves, at once or later; default 25%, and 10 always"
    )
    max_one_path: Amount | None = Field(
        default=None, description="branches left on one live tunnel of several; default 25%, and 10 always"
    )
    max_metered: Size | None = Field(default=None, description="traffic a day that moves to metered lines; default off")


def guards_of(raw: RawGuards) -> Guards:
    """The limits, with those that are not written as they usually are."""
    usual = USUAL_GUARDS
    return Guards(
        max_moves=_amount(raw.max_moves, usual.max_moves),
        max_one_path=_amount(raw.max_one_path, usual.max_one_path),
        max_metered=usual.max_metered if raw.max_metered is None else _bytes(raw.max_metered),
    )


def _amount(written: AtMost | Off | None, usual: AtMost | None) -> AtMost | None:
    if written is None:
        return usual
    return written if isinstance(written, AtMost) else None


def _bytes(written: int | Off) -> int | None:
    return written if isinstance(written, int) else None
