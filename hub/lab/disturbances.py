"""What is cut and degraded in the lab: targets, directions, and the packet filter that does it. Pure.

Everything happens inside an ISP, silently: no link goes down and no ICMP error tells anybody.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from hub.lab.names import LabError
from hub.lab.network import HUB, Isp, Network, Uplink

TABLE = "pointsman_lab"
STAGE_INTERFACE = "pmstage"
"""What the userspace delay stages' interfaces begin with."""

_OUT_OF = 100_000
_LOSS = re.compile(r"(\d+(?:\.\d+)?)%")


class Direction(Enum):
    """Which way packets are disturbed; the way to a branch, or the way to the hub."""

    TO_BRANCH = "to-branch"
    TO_HUB = "to-hub"
    BOTH = "both"

    @property
    def ways(self) -> tuple[Direction, ...]:
        """The single directions in this one."""
        return (Direction.TO_BRANCH, Direction.TO_HUB) if self is Direction.BOTH else (self,)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A Disturbance is what one target suffers one way: loss from 0 to 1 (1 is a cut), delay and jitter in ms.

    `number` tells it from the others of this lab for as long as it lasts; it is the firewall mark of its packets.
    """

    number: int
    target: str
    way: Direction
    loss: float
    delay_ms: float = 0.0
    jitter_ms: float = 0.0

    @property
    def cut(self) -> bool:
        """Whether nothing gets through."""
        return self.loss >= 1

    @property
    def delayed(self) -> bool:
        """Whether packets have to wait somewhere."""
        return self.delay_ms > 0 or self.jitter_ms > 0

    def describe(self) -> str:
        """A few words for people, without target and direction."""
        parts = [
            f"loss {self.loss * 100:g}%" if self.loss else "",
            f"delay {self.delay_ms:g}ms" if self.delay_ms else "",
            f"jitter {self.jitter_ms:g}ms" if self.jitter_ms else "",
        ]
        return "cut" if self.cut else ", ".join(part for part in parts if part)


def disturbed(
    present: Sequence[Disturbance],
    target: str,
    direction: Direction,
    *,
    loss: float,
    delay_ms: float = 0.0,
    jitter_ms: float = 0.0,
) -> tuple[Disturbance, ...]:
    """What is disturbed when this is added; it takes the place of the same kind on the same target and way.

    A cut and a degradation of one target stand side by side: healing the target ends both.
    """
    cut = loss >= 1
    replaced = {(target, way, cut) for way in direction.ways}
    kept = [one for one in present if (one.target, one.way, one.cut) not in replaced]
    free = (number for number in range(1, len(present) + 3) if number not in {one.number for one in kept})
    added = [Disturbance(next(free), target, way, loss, delay_ms, jitter_ms) for way in direction.ways]
    return (*kept, *added)


def healed(present: Sequence[Disturbance], target: str) -> tuple[Disturbance, ...]:
    """What is still disturbed when this target is healed; `all` heals everything."""
    return tuple(one for one in present if target not in (one.target, "all"))


def summary(present: Sequence[Disturbance]) -> list[str]:
    """One line a target and kind: `bandung/fiber: cut`, `bogor/fiber: loss 5% (to-hub)`."""
    ways: dict[tuple[str, str], list[Direction]] = {}
    for one in present:
        ways.setdefault((one.target, one.describe()), []).append(one.way)
    return [
        f"{target}: {what}" + ("" if len(seen) > 1 else f" ({seen[0].value})") for (target, what), seen in ways.items()
    ]


@dataclass(frozen=True, slots=True)
class Spot:
    """A Spot is where a disturbance acts: the uplinks of the named sites, inside one ISP."""

    isp: Isp
    branch_uplinks: tuple[Uplink, ...]
    hub_uplinks: tuple[Uplink, ...]


def spots(network: Network, target: str) -> tuple[Spot, ...]:
    """Where the target is: `bandung/fiber`, `bandung`, `isp:telkom` or `hub:telkom`.

    Raises:
        LabError: there is no such thing in this lab.
    """
    chosen = _customers(network, target)
    if not chosen:
        raise LabError(f'"{target}" is not in this lab: {meant(target, _targets(network))}{_what_there_is(network)}')
    found = (
        Spot(
            isp,
            tuple(uplink for site, uplink in chosen if uplink.isp == isp.name and site != HUB),
            tuple(uplink for site, uplink in chosen if uplink.isp == isp.name and site == HUB),
        )
        for isp in network.isps
    )
    return tuple(spot for spot in found if spot.branch_uplinks or spot.hub_uplinks)


def _customers(network: Network, target: str) -> list[tuple[str, Uplink]]:
    customers = list(network.customers())
    kind, colon, name = target.partition(":")
    if colon and kind == "isp":
        return [(site, uplink) for site, uplink in customers if uplink.isp == name]
    if colon and kind == "hub":
        wanted = name.removeprefix(f"{network.hub.name}/")
        return [(site, uplink) for site, uplink in customers if site == HUB and uplink.name == wanted]
    branch, slash, part = target.partition("/")
    tunnels = {tunnel.name: tunnel.uplink for _, tunnel in network.tunnels()}
    part = tunnels.get(target, part)
    return [
        (site, uplink)
        for site, uplink in customers
        if site == branch and site != HUB and (not slash or uplink.name == part)
    ]


def meant(written: str, names: Iterable[str]) -> str:
    """`did you mean "bandung"? `, if one of the names is like what was written; else nothing."""
    close = difflib.get_close_matches(written[:80], list(names), n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


def _targets(network: Network) -> Iterator[str]:
    yield from (branch.name for branch in network.branches)
    yield from (f"{site}/{uplink.name}" for site, uplink in network.customers() if site != HUB)
    yield from (tunnel.name for _, tunnel in network.tunnels())
    yield from _shared(network)


def _shared(network: Network) -> Iterator[str]:
    """The targets that many branches have in common."""
    yield from (f"isp:{isp.name}" for isp in network.isps)
    yield from (f"hub:{uplink.name}" for uplink in network.hub.uplinks)


def _what_there_is(network: Network) -> str:
    branches = ", ".join(branch.name for branch in network.branches)
    example = next((tunnel.name for _, tunnel in network.tunnels()), "BRANCH/UPLINK")
    return f"write {example} or another BRANCH/UPLINK ({branches}), or one of {', '.join(_shared(network))}"


def fraction(text: str) -> float:
    """Read a loss: `5%` is 0.05.

    Raises:
        ValueError: it is no percentage from 0 to 100.
    """
    match = _LOSS.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise ValueError(f'"{text}" is not a loss: write a percentage from 0% to 100%, for example 5%')
    return float(match[1]) / 100


def rules(network: Network, isp: Isp, present: Iterable[Disturbance]) -> str:
    """For `nft -f -` in the ISP's namespace: our table, replaced as a whole in one step."""
    drops: list[str] = []
    marks: list[str] = []
    for one, spot in _at(network, isp, present):
        for match in _matches(spot, one.way):
            if one.loss:
                drops.append(f"        {match} {_drop(one.loss)}")
            if one.delayed:
                marks.append(f"        {match} meta mark set {one.number}")
    lines = [
        f"table inet {TABLE} {{",
        "    chain delay {",
        "        type filter hook prerouting priority mangle; policy accept;",
        # A packet keeps its mark over a veth whose ends are both here, and would wait again without end.
        f'        iifname "{STAGE_INTERFACE}*" meta mark set 0 accept',
        *marks,
        "    }",
        "    chain loss {",
        "        type filter hook forward priority filter; policy accept;",
        f'        iifname "{STAGE_INTERFACE}*" accept',
        *drops,
        "    }",
        "}",
    ]
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n" + "".join(line + "\n" for line in lines)


def _at(network: Network, isp: Isp, present: Iterable[Disturbance]) -> Iterator[tuple[Disturbance, Spot]]:
    for one in present:
        for spot in spots(network, one.target):
            if spot.isp == isp:
                yield one, spot


@dataclass(frozen=True, slots=True)
class Stage:
    """A Stage is where delayed packets wait, inside one ISP: those with this mark are routed through its interface."""

    node: str
    mark: int
    delay_ms: float
    jitter_ms: float

    @property
    def interface(self) -> str:
        """The interface in the ISP's namespace."""
        return f"{STAGE_INTERFACE}{self.mark}"


def stages(network: Network, present: Sequence[Disturbance]) -> frozenset[Stage]:
    """The delays that these disturbances need."""
    return frozenset(
        Stage(isp.node, one.number, one.delay_ms, one.jitter_ms)
        for isp in network.isps
        for one, _ in _at(network, isp, present)
        if one.delayed
    )


def _matches(spot: Spot, way: Direction) -> list[str]:
    """What a packet on this way looks like: to or from a branch's address here, or from or to the hub's here."""
    branch, hub = ("daddr", "saddr") if way is Direction.TO_BRANCH else ("saddr", "daddr")
    return [
        f"ip {field} {{ {', '.join(uplink.address for uplink in uplinks)} }}"
        for field, uplinks in ((branch, spot.branch_uplinks), (hub, spot.hub_uplinks))
        if uplinks
    ]


def _drop(loss: float) -> str:
    share = round(loss * _OUT_OF)
    return "drop" if share >= _OUT_OF else f"numgen random mod {_OUT_OF} < {share} drop"
