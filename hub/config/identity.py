"""Who is who in BGP: AS numbers and router ids, each used once; and time zones that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hub.config.document import Document
from hub.config.drafts import BranchDraft
from hub.config.names import nearest
from hub.config.problems import Place, Problem, error, warning
from hub.config.raw import RawHub

PRIVATE_AS = (range(64512, 65535), range(4200000000, 4294967295))
"""RFC 6996, section 5."""
_RESERVED = {23456: "RFC 6793", 65535: "RFC 7300"}


def identity_problems(
    hub: RawHub, document: Document, at: tuple[str, ...], branches: Iterable[BranchDraft]
) -> Iterator[Problem]:
    """What is wrong with the AS numbers and router ids of the hub, which stands at `at`, and its branches."""
    hub_place = document.place(*at, "as")
    asns = {hub.asn: ("the hub", hub_place)}
    routers = {hub.router_id: ("the hub", document.place(*at, "router-id"))}
    yield from _asn(hub.asn, hub_place)
    for branch in branches:
        if branch.raw.bgp == "ibgp":
            yield from _same_as(branch, hub.asn, hub_place)
        else:
            yield from _own_as(branch, hub.asn, asns)
        if branch.router_id is None:
            continue
        if branch.router_id in routers:
            mend = "give it its own: router-id: ADDRESS"
            yield _twice(f"router id {branch.router_id}", branch.router_id_place, routers[branch.router_id], mend)
        routers.setdefault(branch.router_id, (branch.name, branch.router_id_place))


def _same_as(branch: BranchDraft, hub: int, hub_place: Place) -> Iterator[Problem]:
    if branch.raw.asn not in (None, hub):
        text = f"as {branch.raw.asn} is not the hub's {hub} ({hub_place}), and iBGP is within one AS"
        yield error(branch.document.place("as"), text, f"write as: {hub}, or remove bgp: ibgp")


def _own_as(branch: BranchDraft, hub: int, asns: dict[int, tuple[str, Place]]) -> Iterator[Problem]:
    asn, place = branch.raw.asn, branch.document.place("as")
    if asn is None:
        yield error(place, '"as" is missing', "add it, for example as: 65001")
        return
    yield from _asn(asn, place)
    if asn in asns:
        mend = "give it its own, or write bgp: ibgp" if asn == hub else "give every branch its own"
        yield _twice(f"as {asn}", place, asns[asn], mend)
    asns.setdefault(asn, (branch.name, place))


def timezone_problem(timezone: str, place: Place) -> Problem | None:
    """What is wrong with a time zone: that the system does not know it."""
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, KeyError):  # a folder, an impossible path, not there
        return error(place, f'timezone "{timezone[:60]}" is not known', _zone(timezone))
    return None


def misspelt_isps(branches: Iterable[BranchDraft], hub: RawHub) -> Iterator[Problem]:
    """A warning for each ISP that stands only once and looks like one that stands often or at the hub."""
    uses: dict[str, list[Place]] = {}
    for branch in branches:
        for name, uplink in branch.raw.uplinks.items():
            uses.setdefault(uplink.isp, []).append(branch.document.place("uplinks", name, "isp"))
    hub_isps = {uplink.isp for uplink in hub.uplinks.values()}
    often = sorted({isp for isp, places in uses.items() if len(places) > 2} | hub_isps)
    for isp, places in uses.items():
        close = nearest(isp, often) if len(places) == 1 and isp not in hub_isps and len(often) < 50 else None
        if close and abs(len(close) - len(isp)) < 3 and close[0] == isp[0]:
            yield warning(places[0], f'isp "{isp}" is used only here', f'write "{close}" if that is meant')


def _asn(asn: int, place: Place) -> Iterator[Problem]:
    if asn in _RESERVED:
        yield error(place, f"as {asn} is reserved ({_RESERVED[asn]})", "write a private one, from 64512 to 65534")
    elif not any(asn in private for private in PRIVATE_AS):
        yield warning(place, f"as {asn} is not private", "write one from 64512 to 65534, unless it is yours")


def _twice(what: str, place: Place, first: tuple[str, Place], mend: str) -> Problem:
    return error(place, f"{what} is also that of {first[0]} ({first[1]})", mend)


@cache
def _zones() -> dict[str, str]:
    return {zone.lower(): zone for zone in sorted(available_timezones())}


def _zone(timezone: str) -> str | None:
    by_lower = _zones()
    close = nearest(timezone[:60], by_lower)
    return f'write "{by_lower[close]}"' if close else None
