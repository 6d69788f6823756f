"""Tunnels that somebody else made (`existing`): what must be written of them, because nobody here makes it so."""

from __future__ import annotations

from collections.abc import Iterator

from hub.config.allocate import settled
from hub.config.problems import Place, Problem, error, warning
from hub.config.survey import HubDraft, Survey
from policies.model.ids import TunnelId

_ANOTHER = "name an interface that somebody else made"


def adopted_problems(looked: Survey) -> Iterator[Problem]:
    """An interface that two tunnels are to be, or that nobody else made, and one whose addresses nobody said.

    What Pointsman makes itself would be two tunnels for the forwarder, or be removed under the traffic; what carries
    the tunnels cannot be one of them.
    """
    first: dict[str, tuple[str, Place]] = {}
    adopting = [(branch, tunnel) for branch in looked.branches for tunnel in branch.tunnels if tunnel.written.existing]
    made = _made(looked) if adopting else {}
    uplinks = _uplinks(looked.hub)
    for branch, tunnel in adopting:
        interface = tunnel.written.existing or ""
        place = branch.document.place("tunnels", tunnel.id.name, "existing")
        other, there = first.setdefault(interface, (str(tunnel.id), place))
        if interface in made:
            yield _own_problem(place, interface, tunnel.id, made[interface])
        elif interface == "lo":
            yield error(place, "existing: lo is the hub's loopback, which is no tunnel", _ANOTHER)
        elif interface in uplinks:
            name, where = uplinks[interface]
            yield error(place, f"existing: {interface} is the interface of the hub's uplink {name} ({where})", _ANOTHER)
        elif there != place:
            yield error(place, f"existing: {interface} is also {other} ({there})", "name its own interface")
        elif tunnel.link is None:
            text = f"existing: {interface} is taken as it is, and its addresses are not written: those allocated count"
            yield warning(place, text, "write link: with the pair that it has, the hub's even address first")


def interface_name(branch: str, port: int) -> str:
    """The hub's interface of a tunnel: unique by its port, readable by its branch, at most 15 characters (IFNAMSIZ)."""
    return f"wg{port}-{branch}"[:15].rstrip("-")


def _made(looked: Survey) -> dict[str, tuple[TunnelId, Place]]:
    """The interfaces that Pointsman makes or made, of written tunnels and of all allocated ones."""
    allocations = looked.allocations()
    made = {
        interface_name(tunnel.branch, kept.port): (tunnel, looked.sources.allocations[tunnel][1])
        for tunnel, kept in allocations.items()
        if kept.port
    }
    for draft in looked.tunnels():
        if port := settled(draft, allocations).port:
            _, place = looked.sources.allocations.get(draft.id, (None, draft.place))
            made[interface_name(draft.id.branch, port)] = draft.id, place
    return made


def _own_problem(place: Place, interface: str, tunnel: TunnelId, of: tuple[TunnelId, Place]) -> Problem:
    whose, there = of
    if whose == tunnel:
        text = f"existing: {interface} is what Pointsman makes for {whose} itself"
        return error(place, text, f"take existing: away, or {_ANOTHER}")
    return error(place, f"existing: {interface} is what Pointsman makes for {whose} ({there})", _ANOTHER)


def _uplinks(hub: HubDraft | None) -> dict[str, tuple[str, Place]]:
    """By their interfaces: the uplinks of the hub, and where that is written."""
    if hub is None:
        return {}
    return {
        uplink.interface: (name, hub.document.place(*hub.at, "uplinks", name, "interface"))
        for name, uplink in hub.raw.uplinks.items()
        if uplink.interface is not None
    }
