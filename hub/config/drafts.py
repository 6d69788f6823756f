"""A branch as far as its own file tells: uplinks, tunnels (also those that are not written), liveness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from hub.config.document import Document
from hub.config.liveness import resolve_liveness
from hub.config.load import Parsed
from hub.config.names import KINDS, write_instead
from hub.config.problems import Place, Problem, error
from hub.config.raw import RawBranch, RawTunnel, RawUplink
from policies.model.ids import TunnelId
from policies.model.intent import Liveness, Uplink


@dataclass(frozen=True, slots=True)
class TunnelDraft:
    """A TunnelDraft is a tunnel before allocation; `to`, `link` and `port` are None where they are not written."""

    id: TunnelId
    place: Place
    uplink: Uplink
    liveness: Liveness
    to: str | None
    link: IPv4Network | None
    port: int | None
    to_place: Place
    link_place: Place
    port_place: Place


@dataclass(frozen=True, slots=True)
class BranchDraft:
    """A BranchDraft is a branch before allocation, and its file for the places of its values."""

    name: str
    document: Document
    raw: RawBranch
    router_id: IPv4Address
    router_id_place: Place
    tunnels: tuple[TunnelDraft, ...]


def draft_branch(name: str, parsed: Parsed[RawBranch]) -> tuple[BranchDraft, list[Problem]]:
    """The branch with one tunnel for every uplink that no written tunnel goes over."""
    document, raw = parsed.document, parsed.raw
    problems: list[Problem] = []
    uplinks = {key: _uplink(key, uplink) for key, uplink in raw.uplinks.items()}
    tunnels = []
    taken = set()
    for key, tunnel in raw.tunnels.items():
        over = tunnel.over or key
        if over not in uplinks:
            problems.append(_unknown_uplink(document, key, tunnel, uplinks))
            continue
        taken.add(over)
        tunnels.append(_tunnel(name, key, tunnel, uplinks[over], parsed, problems))
    for key in sorted(uplinks.keys() - taken):
        if key in raw.tunnels:
            text = f'no tunnel goes over uplink "{key}", and tunnel "{key}" goes over another one'
            problems.append(error(document.key_place("tunnels", key), text, "give that tunnel another name"))
        else:
            tunnels.append(_tunnel(name, key, None, uplinks[key], parsed, problems))
    tunnels.sort(key=lambda tunnel: tunnel.id)
    problems += _unknown_preferences(document, raw)
    router_id = raw.router_id or _first_address(raw.prefixes[0])
    place = document.place("router-id") if raw.router_id else document.place("prefixes", 0)
    return BranchDraft(name, document, raw, router_id, place, tuple(tunnels)), problems


def _uplink(name: str, raw: RawUplink) -> Uplink:
    kind = raw.kind or (name if name in KINDS else "other")
    return Uplink(name=name, isp=raw.isp, kind=kind, metered=raw.metered, interface=raw.interface)


def _first_address(prefix: IPv4Network) -> IPv4Address:
    return prefix[0] if prefix.prefixlen >= 31 else prefix[1]


def _tunnel(
    branch: str, name: str, raw: RawTunnel | None, uplink: Uplink, parsed: Parsed[RawBranch], problems: list[Problem]
) -> TunnelDraft:
    document = parsed.document
    at = ("tunnels", name) if raw else ("uplinks", name)
    raw = raw or RawTunnel()
    written, path = (raw.liveness, (*at, "liveness")) if raw.liveness else (parsed.raw.liveness, ("liveness",))
    liveness, wrong = resolve_liveness(written, document, path, metered=uplink.metered)
    problems += wrong
    return TunnelDraft(
        id=TunnelId(branch, name),
        place=document.key_place(*at),
        uplink=uplink,
        liveness=liveness,
        to=raw.to,
        link=raw.link,
        port=raw.port,
        to_place=document.place(*at, "to"),
        link_place=document.place(*at, "link"),
        port_place=document.place(*at, "port"),
    )


def _unknown_uplink(document: Document, key: str, tunnel: RawTunnel, uplinks: dict[str, Uplink]) -> Problem:
    if tunnel.over is None:
        mend = write_instead(key, uplinks)
        mend = f"{mend}, or say over: UPLINK" if mend else "say which uplink it goes over: over: UPLINK"
        return error(document.key_place("tunnels", key), f'tunnel "{key}": there is no uplink "{key}"', mend)
    text = f'tunnel "{key}" goes over "{tunnel.over}", which is no uplink of this branch'
    return error(document.place("tunnels", key, "over"), text, write_instead(tunnel.over, uplinks))


def _unknown_preferences(document: Document, raw: RawBranch) -> Iterator[Problem]:
    known = [*raw.uplinks, *raw.tunnels, *KINDS]
    for index, name in enumerate(raw.prefer or ()):
        if name not in known:
            text = f'prefer: "{name}" is neither a tunnel of this branch nor a kind of uplink'
            yield error(document.place("prefer", index), text, write_instead(name, known))
