"""What a network proposes for its next branch: the AS and the prefixes that come after those of the others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise

from hub.config.identity import PRIVATE_AS
from policies.model.ids import Prefix, lies_within

PRIVATE: tuple[Prefix, ...] = (
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    IPv6Network("fc00::/7"),
)
"""RFC 1918, RFC 6598, RFC 4193: a row of prefixes does not leave the one that it is in."""
_MOST_STEPS = 4096


def next_as(hub: int, branches: Iterable[int]) -> int | None:
    """The private AS after the highest of the branches, else the lowest free one; None: none is free."""
    taken = {hub, *branches}
    highest = max((asn for asn in branches if _private(asn)), default=max(hub, 65000))
    after = next((asn for asn in range(highest + 1, highest + 1 + len(taken) + 1) if asn not in taken), None)
    if after is not None and _private(after):
        return after
    return next((asn for asn in PRIVATE_AS[0] if asn not in taken), None)


def _private(asn: int) -> bool:
    return any(asn in private for private in PRIVATE_AS)


def next_prefix(rows: Sequence[Prefix], taken: Iterable[Prefix]) -> Prefix | None:
    """The next prefix of a row, one of each branch, that collides with nothing; None: they follow no pattern.

    They do if all are of one length and version, and most of the steps from one to the next are the same, all others a
    multiple of it: a branch that is gone leaves a gap. `taken` is everything that it must be apart from.
    """
    ordered = sorted(set(rows), key=lambda prefix: int(prefix.network_address))
    if len(ordered) < 2 or len({(prefix.version, prefix.prefixlen) for prefix in ordered}) > 1:
        return None
    steps = [int(b.network_address) - int(a.network_address) for a, b in pairwise(ordered)]
    step, often = Counter(steps).most_common(1)[0]
    if often * 2 < len(steps) or any(each % step for each in steps):
        return None
    held = tuple(taken)
    return next((each for each in _after(ordered[-1], step) if not _collides(each, held)), None)


def _after(last: Prefix, step: int) -> Iterator[Prefix]:
    """Those that come after, as long as they stay in the private network that they are in, if they are in one."""
    around = next((private for private in PRIVATE if lies_within(last, (private,))), None)
    bits = 32 if last.version == 4 else 128
    for n in range(1, _MOST_STEPS):
        address = int(last.network_address) + n * step
        if address >> bits:
            return
        made = ip_network((address, last.prefixlen))
        if around is not None and not lies_within(made, (around,)):
            return
        yield made


def _collides(prefix: Prefix, held: Iterable[Prefix]) -> bool:
    """Whether it is in another, or another in it; a default route stands round everything, rightly."""
    return any(
        lies_within(prefix, (each,)) or lies_within(each, (prefix,))
        for each in held
        if each.version == prefix.version and each.prefixlen
    )
