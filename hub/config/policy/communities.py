"""BGP communities as a user writes them: `65000:100`, `graceful-shutdown`, `65000:1:200`."""

from __future__ import annotations

import re

from hub.config.names import write_instead
from hub.config.scalars import UnreadableError, read_text

WELL_KNOWN = {
    "graceful-shutdown": (65535, 0),
    "no-export": (65535, 65281),
    "no-advertise": (65535, 65282),
    "no-peer": (65535, 65284),
}
"""RFC 8326, RFC 1997 and RFC 3765."""
COMMUNITY = rf"([0-9]{{1,5}}:[0-9]{{1,5}}|{'|'.join(WELL_KNOWN)})"
LARGE_COMMUNITY = r"[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}"


def read_community(value: object) -> tuple[int, int]:
    """A community (RFC 1997): two numbers up to 65535, or the name of a well-known one."""
    text = _text(value)
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    if re.fullmatch(LARGE_COMMUNITY, text):
        raise UnreadableError(f'"{text}" has three numbers', f'write it as large-communities: ["{text}"]')
    if not re.fullmatch(r"[0-9]{1,5}:[0-9]{1,5}", text):
        mend = write_instead(text, WELL_KNOWN) or 'write two numbers in quotes, like "65000:100"'
        raise UnreadableError(f'"{text[:60]}" is no community', mend)
    first, second = map(int, text.split(":"))
    if max(first, second) > 65535:
        raise UnreadableError(
            f'"{text}" has a number above 65535', "three numbers, under large-communities, may be larger"
        )
    return first, second


def read_large_community(value: object) -> tuple[int, int, int]:
    """A large community (RFC 8092): three numbers up to 4294967295."""
    text = _text(value)
    if not re.fullmatch(LARGE_COMMUNITY, text):
        mend = 'write three numbers in quotes, like "65000:1:200"'
        raise UnreadableError(f'"{text[:60]}" is no large community', mend)
    first, second, third = map(int, text.split(":"))
    if max(first, second, third) > 4294967295:
        raise UnreadableError(f'"{text}" has a number above 4294967295')
    return first, second, third


def _text(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnreadableError(f"{value} is one number, a community has two", 'write them in quotes, like "65000:100"')
    return read_text(value)
