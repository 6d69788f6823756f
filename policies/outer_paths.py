"""outer_paths: the routers that two tunnels of a branch both come through, near the branch. Pure.

Everything that leaves the hub by one uplink begins alike, so that a router on both paths says something of the branch
only if it is near the branch's end. What is near is told from the far end: the last `NEAR` routers that answered. Of
these do not count

- by one uplink of the hub, those on a path to another branch; and what both paths begin with, unless so many other
  branches are known that what is not on their paths is not the hub's own;
- by different uplinks, what both paths begin with: they leave through a router of the hub's own;
- private and shared addresses, which every network has, unless the router right beside is the same public one in both;
- who is silent, and the two ends themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from policies.model.ids import TunnelId
from policies.model.outer_path import OuterPath, Trace

NEAR = 3
"""So many of the routers that answered last are near the far end."""
REMEMBERED = 4
"""Traces that are read together: a router that limits its answers is silent now and then, and still there."""
OTHERS = 3
"""Paths to so many other branches by one uplink tell what is the hub's own part of it, and what is not."""
_NOBODY_S = (
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")),
    *map(ip_network, ("fc00::/7", "fe80::/10")),
)
"""Private use (RFC 1918, RFC 4193), shared by customers (RFC 6598), link-local: every network has the same ones."""


@dataclass(frozen=True, slots=True)
class SharedRouter:
    """A SharedRouter is one on two paths. `left` has how many answer from it to the end of each: 1 is the last one."""

    address: str
    left: tuple[int, int]


def together(newest_first: Sequence[Trace]) -> Trace:
    """What traces of one way say together: of each distance who answered last.

    Where the end answered lately, and the newest trace saw nothing beyond, the way is that long.
    """
    newest = newest_first[0]
    end = next((each for each in newest_first if each.reached and len(each.hops) >= len(newest.hops)), None)
    length = max(len(each.hops) for each in newest_first) if end is None else len(end.hops)
    hops = tuple(_last_answer(newest_first, index) for index in range(length))
    return Trace(newest.to, hops, end is not None)


class Passed:
    """A Passed knows to which branches the paths lead that go by an uplink of the hub, and through a router by it."""

    def __init__(self, paths: Mapping[TunnelId, OuterPath]) -> None:
        self._paths = paths

    @cached_property
    def _by_uplink(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for tunnel, path in self._paths.items():
            found.setdefault(path.hub_uplink, set()).add(tunnel.branch)
        return found

    @cached_property
    def _by_router(self) -> Mapping[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        for tunnel, path in self._paths.items():
            for hop in path.trace.hops:
                if hop is not None:
                    found.setdefault((path.hub_uplink, hop), set()).add(tunnel.branch)
        return found

    def others(self, uplink: str, branch: str) -> int:
        """To how many other branches a path by this uplink is known."""
        return len(self._by_uplink.get(uplink, set()) - {branch})

    def others_through(self, router: str, uplink: str, branch: str) -> int:
        """To how many of them it leads through this router."""
        return len(self._by_router.get((uplink, router), set()) - {branch})


def shared_router(branch: str, here: OuterPath, there: OuterPath, passed: Passed) -> SharedRouter | None:
    """The router nearest to the far end of two tunnels of a branch that is on both their paths, if that says anything.

    `passed` is of the paths of all tunnels.
    """
    ends = {here.trace.to, there.trace.to}
    left, right = _near(here.trace, ends), _near(there.trace, ends)
    common = [address for address in left if address in right]
    if not common:
        return None
    uplink = here.hub_uplink if here.hub_uplink == there.hub_uplink else None
    begins = _beginning(here.trace, there.trace, silence_fits=uplink is not None)
    for address in sorted(common, key=lambda each: left[each] + right[each]):
        if uplink is None:
            is_the_hub_s = address in begins
        else:
            is_unclear = address in begins and passed.others(uplink, branch) < OTHERS
            is_the_hub_s = is_unclear or passed.others_through(address, uplink, branch) > 0
        if is_the_hub_s:
            continue
        if not is_nobody_s(address) or _is_beside_the_same(address, here.trace, there.trace, begins):
            return SharedRouter(address, (left[address], right[address]))
    return None


def last_router(path: OuterPath, other: OuterPath) -> str | None:
    """The router before the far end, None where it is not known which that is.

    By the uplink of the hub that the other tunnel uses too it must be seen to be the last: what answered last may
    otherwise be of the hub's own provider, which both have, however different the branch's are.
    """
    hops = path.trace.hops
    if path.hub_uplink == other.hub_uplink:
        return hops[-1] if path.trace.reached and hops else None
    begins = _beginning(path.trace, other.trace, silence_fits=False)
    last = next((hop for hop in reversed(hops) if hop is not None), None)
    return None if last in begins else last


def is_nobody_s(address: str) -> bool:
    """Whether many networks have this address, so that it names no router."""
    found = ip_address(address)
    return any(found in network for network in _NOBODY_S if network.version == found.version)


def _last_answer(newest_first: Iterable[Trace], index: int) -> str | None:
    at = (each.hops[index] for each in newest_first if index < len(each.hops))
    return next((hop for hop in at if hop is not None), None)


def _near(trace: Trace, ends: Collection[str]) -> dict[str, int]:
    """The last routers that answered, each with how many answer from it to the end."""
    near: dict[str, int] = {}
    for hop in reversed(trace.hops):
        if hop is not None and hop not in ends:
            near.setdefault(hop, len(near) + 1)
        if len(near) == NEAR:
            break
    return near


def _beginning(here: Trace, there: Trace, *, silence_fits: bool) -> frozenset[str]:
    """The routers that both paths begin with. By one uplink who is silent is taken for the same; else it ends there."""
    common = set()
    for one, other in zip(here.hops, there.hops, strict=False):
        if one is None or other is None:
            if not silence_fits:
                break
        elif one != other:
            break
        else:
            common.add(one)
    return frozenset(common)


def _is_beside_the_same(address: str, here: Trace, there: Trace, begins: Collection[str]) -> bool:
    """Whether a public router right before or after this address is the same one in both, and not the hub's own."""
    neighbors = [{hop for hop in _beside(address, trace) if hop not in begins} for trace in (here, there)]
    return any(not is_nobody_s(hop) for hop in neighbors[0] & neighbors[1])


def _beside(address: str, trace: Trace) -> Iterator[str]:
    for index, hop in enumerate(trace.hops):
        if hop == address:
            around = (*trace.hops[max(index - 1, 0) : index], *trace.hops[index + 1 : index + 2])
            yield from (each for each in around if each is not None)
