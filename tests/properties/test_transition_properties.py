"""From any configuration to any other, and on to a third before it is done: never two tunnels in one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_network, a_tunnel

from policies.model.ids import TunnelId
from policies.model.intent import Intent, Link, Tunnel
from policies.transition import interim_of, leaving_tunnels, transition

PLACES = 6
"""Links, and as many interfaces: few, so that they are fought for."""
NAMES = [TunnelId(branch, name) for branch in ("bandung", "solo", "tegal") for name in ("fiber", "wireless", "lte")]


def tunnel(id_: TunnelId, link: int, interface: int, *, ipv6: bool) -> Tunnel:
    made = a_tunnel(id_.branch, id_.name, link)
    ends = (IPv6Address(f"fd00::{link}0"), IPv6Address(f"fd00::{link}1")) if ipv6 else ()
    return replace(made, link=Link(made.link.hub, made.link.branch, *ends), interface=f"wg{interface}")


@st.composite
def configurations(draw: st.DrawFn) -> Intent:
    """Some branches with some tunnels, none of which has what another has."""
    chosen = draw(st.lists(st.sampled_from(NAMES), max_size=PLACES, unique=True))
    links = draw(st.permutations(range(PLACES)))
    interfaces = draw(st.permutations(range(PLACES)))
    ipv6 = draw(st.lists(st.booleans(), min_size=PLACES, max_size=PLACES))
    made = [tunnel(*each[:3], ipv6=each[3]) for each in zip(chosen, links, interfaces, ipv6, strict=False)]
    branches = [
        replace(a_branch(name), tunnels=own)
        for name in sorted({each.id.branch for each in made})
        if (own := tuple(each for each in made if each.id.branch == name))
    ]
    return a_network(*branches)


def places(intent: Intent) -> Counter[object]:
    return Counter(
        end
        for each in intent.tunnels().values()
        for end in (each.link.hub, each.link.branch, each.link.hub6, each.link.branch6, each.interface)
        if end is not None
    )


@given(configurations(), configurations(), configurations())
def test_no_two_tunnels_are_ever_in_one_place(first: Intent, second: Intent, third: Intent) -> None:
    interim = transition(first, second).interim
    assert not [place for place, times in places(interim).items() if times > 1]
    onwards = transition(interim, third).interim
    assert not [place for place, times in places(onwards).items() if times > 1]


@given(configurations(), configurations())
def test_who_has_a_tunnel_that_stays_keeps_it_all_the_way(before: Intent, after: Intent) -> None:
    interim = transition(before, after).interim
    for name, was in before.branches.items():
        if name in after.branches:
            going = {gone.id for gone in leaving_tunnels(was, after.branches[name])}
            stays = {each.id for each in was.tunnels} - going
            assert stays <= {each.id for each in interim.branches[name].tunnels} - interim.branches[name].leaving
            assert interim.branches[name].tunnels


@given(configurations(), configurations())
def test_an_interim_ends_in_what_was_asked_for_and_is_only_there_if_something_leaves(
    before: Intent, after: Intent
) -> None:
    change = transition(before, after)
    assert change.final == after
    assert bool(change.leaving) == (change.interim != after)
    assert interim_of(after, change.old, change.leaving) == change
