"""Whole intents, drawn: one hub, and a branch with one to four tunnels and a policy."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, ip_network

from dice import Dice
from drawn_policies import BRANCH, HUB_PREFIXES, ISPS, KINDS, MODES, NAMES, announce, policy
from small_network import HUB, a_branch, a_network, a_tunnel

from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Intent, Session, SessionKind, Tunnel
from policies.model.policy import Announce, FailbackMode, Policy

LANS: tuple[Prefix, ...] = (ip_network("10.1.0.0/24"), ip_network("10.1.1.0/24"), ip_network("2001:db8:1::/56"))


def tunnel(dice: Dice, name: str, number: int) -> Tunnel:
    """A tunnel of this name, over any kind of uplink."""
    made = a_tunnel(BRANCH, name, number, kind=dice.one(*KINDS), isp=dice.one(*ISPS), metered=dice.odds(2))
    ends = {"hub6": IPv6Address(f"fd00::{2 * number:x}"), "branch6": IPv6Address(f"fd00::{2 * number + 1:x}")}
    return replace(made, link=replace(made.link, **ends), announce=own_announce(dice))


def own_announce(dice: Dice) -> Announce | None:
    """What some tunnels say of announcements for themselves; in a branch all have the same `first` and `step`."""
    return announce(dice) if dice.odds(5) else None


def as_in(whole: Policy, tunnel: Tunnel) -> Tunnel:
    """The tunnel in a branch of this policy: what orders all tunnels is as that says."""
    if tunnel.announce is None:
        return tunnel
    said = whole.announce
    own = replace(tunnel.announce, first=said.first, step=said.step, more_specifics=said.more_specifics)
    return replace(tunnel, announce=own)


def network(dice: Dice, modes: tuple[FailbackMode, ...] = MODES, *, leaving: bool = True) -> Intent:
    """A hub and one branch; some of the tunnels may be about to go, but not all."""
    names = dice.mixed(NAMES)[: dice.one(2, 3, 4, 3, 2, 1)]
    goes = 1 if leaving and len(names) > 1 and dice.odds(5) else 0
    tunnels = [tunnel(dice, name, number) for number, name in enumerate(names)]
    prefixes, whole = LANS[: dice.one(1, 1, 2, 3)], policy(dice, modes)
    branch = replace(
        a_branch(BRANCH),
        tunnels=tuple(as_in(whole, each) for each in tunnels),
        prefixes=prefixes,
        policy=whole,
        session=Session(dice.one(*SessionKind)),
        leaving=frozenset(TunnelId(BRANCH, name) for name in names[:goes]),
    )
    return replace(a_network(branch), hub=replace(HUB, prefixes=HUB_PREFIXES[: dice.one(1, 2, 3)]))
