"""Who may come in by a tunnel, and to the hub itself: prefixes that would let in too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address

from hub.config.drafts import BranchDraft
from hub.config.load import Sources
from hub.config.problems import Place, Problem, error, warning
from hub.config.survey import HubDraft, Survey
from policies.model.ids import Prefix

SHORTEST = {4: 8, 6: 16}
"""The shortest prefix that can be one site's: 10.0.0.0/8 is the largest private one (RFC 1918); by IP version."""


def access_problems(looked: Survey) -> Iterator[Problem]:
    """What would let in too much. What a branch's tunnels may bring is its prefixes, and the links."""
    for branch in looked.branches:
        yield from _too_wide(branch)
        if looked.hub is not None:
            yield from _swallows(branch, looked.hub)
    yield from _management(looked.sources)


def _too_wide(branch: BranchDraft) -> Iterator[Problem]:
    for index, prefix in enumerate(branch.raw.prefixes):
        if 0 < prefix.prefixlen < SHORTEST[prefix.version]:
            text = f"prefix {prefix} is too wide for one site: its tunnels could bring packets from anywhere"
            yield error(branch.document.place("prefixes", index), text, "write its networks")


def _swallows(branch: BranchDraft, hub: HubDraft) -> Iterator[Problem]:
    """Outer addresses inside a branch's prefix: the hub would send the packets of tunnels into a tunnel."""
    outer = [*_of_hub(hub), *_of_branch(branch)]
    for index, prefix in enumerate(branch.raw.prefixes):
        for what, address in outer:
            if prefix.prefixlen and prefix.version == 4 and address in prefix:
                text = f"prefix {prefix} of {branch.name} holds {what} {address}: tunnels would run into themselves"
                yield error(branch.document.place("prefixes", index), text, "write only what is behind its router")


def _of_hub(hub: HubDraft) -> Iterator[tuple[str, IPv4Address]]:
    for name, uplink in hub.raw.uplinks.items():
        if uplink.address is not None:
            yield f"the hub's address on {name}", uplink.address
        for what, text in ((f"the endpoint of {name}", uplink.endpoint), (f"the gateway of {name}", uplink.gateway)):
            if (address := _address(text)) is not None and address != uplink.address:
                yield what, address


def _of_branch(branch: BranchDraft) -> Iterator[tuple[str, IPv4Address]]:
    for name, uplink in branch.raw.uplinks.items():
        if uplink.address is not None:
            yield f"the public address of its own uplink {name},", uplink.address


def _address(text: str | None) -> IPv4Address | None:
    try:
        return None if text is None else IPv4Address(text)
    except AddressValueError:
        return None  # a name, or dhcp


def _management(sources: Sources) -> Iterator[Problem]:
    if sources.network is None:
        return
    written, document = sources.network.raw.security.management, sources.network.document
    for index, prefix in enumerate(written):
        place = document.place("security", "management", index)
        if prefix.prefixlen < SHORTEST[prefix.version]:
            text = f"management: {prefix} is {_everybody(prefix)}: anybody may try the hub's doors"
            yield warning(place, text, "write the networks from which it is managed, for example 10.0.5.0/24")
        yield from _twice(written[:index], prefix, place)


def _everybody(prefix: Prefix) -> str:
    return "the whole internet" if prefix.prefixlen == 0 else "a large part of the internet"


def _twice(before: Iterable[Prefix], prefix: Prefix, place: Place) -> Iterator[Problem]:
    if prefix in before:
        yield error(place, f"management: {prefix} is here twice", "remove one of them")
