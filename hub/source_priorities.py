"""The priorities of the hub's `ip rule`s for packets from a prefix of its own. Set by the forwarder, said by `why`."""

from __future__ import annotations

FIRST_PRIORITY = 11_200
"""That of the rules of sources of /32 (IPv6: /128); those of each shorter length have one more, so that the longest
source comes first, and the main table (32,766) after all. Sources of one length have no address in common, so they may
share a priority."""
LAST_PRIORITY = FIRST_PRIORITY + 128


def priority_of(length: int, longest: int) -> int:
    """That of the rule of a source of this prefix length; `longest` is that of an address, 32 or 128."""
    return FIRST_PRIORITY + longest - length
