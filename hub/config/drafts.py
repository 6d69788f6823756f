"""A branch as far as its own file tells: uplinks, tunnels (also those that are not written), liveness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from hub.config.document import Document
from hub.config.liveness import resolve_liveness
from hub.config.load import Parsed
from hub.config.names import KINDS, write_instead
from hub.config.preferences import is_word, preference_problems
from hub.config.problems import Place, Problem, error
from hub.config.raw import RawBranch, RawTunnel, RawUplink
from policies.model.ids import TunnelId
from policies.model.intent import Liveness, Uplink


@dataclass(frozen=True, slots=True)
class TunnelDraft:
    """A TunnelDraft is a tunnel before allocation; `to`, the links and `port` are None where they are not written.

    `ipv6` says that it carries IPv6, so that it wants a link of IPv6 too: hub and branch both have IPv6 prefixes.
    """

    id: TunnelId
    place: Place
    uplink: Uplink
    liveness: Liveness
    ipv6: bool
    to: str | None
    link: IPv4Network | None
    link_ipv6: IPv6Network | None
    port: int | None
    places: Mapping[str, Place]
    """Where `to`, `link`, `link-ipv6`, `port` and `loopbacks` stand."""
    written: RawTunnel

    @property
    def loopbacks(self) -> bool:
        """Whether IPsec protects its packets between two addresses that it wants for that."""
        return self.written.transport == "ipsec" and self.written.inner != "xfrm" and self.written.existing is None


@dataclass(frozen=True, slots=True)
class BranchDraft:
    """A BranchDraft is a branch before allocation, and its file for the places of its values.

    `router_id` is None where it is missing, which is an error.
    """

    name: str
    document: Document
    raw: RawBranch
    router_id: IPv4Address | None
    router_id_place: Place
    tunnels: tuple[TunnelDraft, ...]


def draft_branch(
    name: str, parsed: Parsed[RawBranch], hub_versions: frozenset[int]
) -> tuple[BranchDraft, list[Problem]]:
    """The branch with one tunnel for every uplink that no written tunnel goes over.

    `hub_versions` are the IP versions of the hub's prefixes.
    """
    document, raw = parsed.document, parsed.raw
    ipv6 = 6 in hub_versions and any(prefix.version == 6 for prefix in raw.prefixes)
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
        tunnels.append(_tunnel(TunnelId(name, key), uplinks[over], parsed, problems, ipv6=ipv6))
    for key in sorted(uplinks.keys() - taken):
        if key in raw.tunnels:
            text = f'no tunnel goes over uplink "{key}", and tunnel "{key}" goes over another one'
            problems.append(error(document.key_place("tunnels", key), text, "give that tunnel another name"))
        else:
            tunnels.append(_tunnel(TunnelId(name, key), uplinks[key], parsed, problems, ipv6=ipv6))
    tunnels.sort(key=lambda tunnel: tunnel.id)
    problems += _preferences(document, raw)
    router_id, place, wrong = _router_id(document, raw)
    return BranchDraft(name, document, raw, router_id, place, tuple(tunnels)), problems + wrong


def _uplink(name: str, raw: RawUplink) -> Uplink:
    kind = raw.kind or (name if name in KINDS else "other")
    return Uplink(
        name=name,
        isp=raw.isp,
        kind=kind,
        metered=raw.metered,
        interface=raw.interface,
        cost=raw.cost,
        address=raw.address,
        gateway=raw.gateway,
        behind_nat=raw.behind_nat,
    )


def _router_id(document: Document, raw: RawBranch) -> tuple[IPv4Address | None, Place, list[Problem]]:
    if raw.router_id:
        return raw.router_id, document.place("router-id"), []
    for index, prefix in enumerate(raw.prefixes):
        if isinstance(prefix, IPv4Network):
            return prefix[0] if prefix.prefixlen >= 31 else prefix[1], document.place("prefixes", index), []
    place = document.key_place("prefixes")
    text = '"router-id" is missing: there is no IPv4 prefix to take it from'
    mend = "add it, four numbers that no other router has, for example router-id: 10.255.0.1"
    return None, place, [error(place, text, mend)]


def _tunnel(
    identity: TunnelId, uplink: Uplink, parsed: Parsed[RawBranch], problems: list[Problem], *, ipv6: bool
) -> TunnelDraft:
    document, name = parsed.document, identity.name
    at = ("tunnels" if name in parsed.raw.tunnels else "uplinks", name)
    raw = parsed.raw.tunnels.get(name) or RawTunnel()
    written, path = (raw.liveness, (*at, "liveness")) if raw.liveness else (parsed.raw.liveness, ("liveness",))
    liveness, wrong = resolve_liveness(written, document, path, metered=uplink.metered)
    problems += wrong
    return TunnelDraft(
        id=identity,
        place=document.key_place(*at),
        uplink=uplink,
        liveness=liveness,
        ipv6=ipv6,
        to=raw.to,
        link=raw.link,
        link_ipv6=raw.link_ipv6,
        port=raw.port,
        places={key: document.place(*at, key) for key in ("to", "link", "link-ipv6", "port", "loopbacks")},
        written=raw,
    )


def _unknown_uplink(document: Document, key: str, tunnel: RawTunnel, uplinks: dict[str, Uplink]) -> Problem:
    if tunnel.over is None:
        mend = write_instead(key, uplinks)
        mend = f"{mend}, or say over: UPLINK" if mend else "say which uplink it goes over: over: UPLINK"
        return error(document.key_place("tunnels", key), f'tunnel "{key}": there is no uplink "{key}"', mend)
    text = f'tunnel "{key}" goes over "{tunnel.over}", which is no uplink of this branch'
    return error(document.place("tunnels", key, "over"), text, write_instead(tunnel.over, uplinks))


def _preferences(document: Document, raw: RawBranch) -> Iterator[Problem]:
    own = {*raw.uplinks, *raw.tunnels}
    yield from preference_problems(raw.prefer or (), own, "this branch", partial(document.place, "prefer"))
    for section, names in (("uplinks", raw.uplinks), ("tunnels", raw.tunnels)):
        for name in filter(is_word, names):
            yield error(document.key_place(section, name), f'"{name}" is a word of prefer', "give it another name")
