"""What a history is played in: the network, and how fast each of its parts is. Drawn once, fixed for the history."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_network

from small_network import HUB, HUB_PREFIX, POLICY, a_branch

from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Branch, Hub, Intent, Liveness, LivenessMethod, LivenessTimers, Session, SessionKind
from policies.model.policy import Failback, FailbackMode, Rule, TimeWindow

NAMES = ("fiber", "wireless", "lte")
HUB_PREFIXES: tuple[Prefix, ...] = (HUB_PREFIX, ip_network("172.16.0.0/24"), ip_network("2001:db8::/48"))
LANS: tuple[Prefix, ...] = (
    ip_network("10.1.0.0/24"),
    ip_network("10.1.1.0/24"),
    ip_network("2001:db8:1::/56"),
)
HOLD_TIME = 9.0


@dataclass(frozen=True, slots=True)
class Situation:
    """A Situation is one drawn network.

    `heard` are the tunnels over which the branch announces each of its prefixes, by number. `floor` is how the branch's
    static floor is guarded: "bfd", "ping" or "nothing". Times are seconds: `detection` of the hub for each tunnel,
    `returning` until a healed tunnel is known to be up, `branch_detection` None where the branch has no BFD.
    """

    tunnels: int
    processes: int
    ibgp: bool
    hub_prefixes: tuple[int, ...]
    lans: tuple[int, ...]
    heard: tuple[frozenset[int], ...]
    failback_hold: float
    floor: str
    branch_detection: float | None
    detection: tuple[float, ...]
    returning: tuple[float, ...]
    end_of_rib: bool
    answers_probes: bool
    spreads: bool
    to_forwarder: float
    to_relay: float
    to_exabgp: float
    sending: float
    wire: float
    router: float
    connecting: float
    reconnecting: float
    resetting: float
    saving: float
    rules: tuple[Rule, ...] = ()
    failback: FailbackMode = FailbackMode.AUTOMATIC
    windows: tuple[TimeWindow, ...] = ()
    """The windows in which traffic goes back, where the mode is `WINDOW`."""
    metered: frozenset[str] = frozenset()

    def intent(self) -> Intent:
        """The configuration that a history begins with."""
        return _intent(self)

    @property
    def chain(self) -> float:
        """How long what the forwarder sees takes to become a route of the branch, when nothing is late."""
        return self.to_forwarder + self.to_relay + self.to_exabgp + self.sending + self.wire + self.router


def draw(rng: random.Random) -> Situation:
    """A network, drawn."""
    tunnels = rng.choice((2, 2, 2, 3, 3))
    hub_prefixes, lans = rng.choice((((0,), (0,)), ((0,), (0,)), ((0, 1), (0, 1)), ((0, 2), (0, 2)), ((2,), (2,))))
    partial = len(lans) > 1 and rng.random() < 0.5
    everywhere = frozenset(range(tunnels))
    heard = tuple(
        frozenset(rng.sample(range(tunnels), rng.randint(1, tunnels))) if partial and i else everywhere
        for i in range(len(LANS))
    )
    branch_bfd = rng.random() < 0.4
    quick = rng.random() < 0.7
    return Situation(
        tunnels=tunnels,
        processes=rng.choice((1, 1, 1, 2)),
        ibgp=rng.random() < 0.3,
        hub_prefixes=hub_prefixes,
        lans=lans,
        heard=heard,
        failback_hold=rng.choice((0.5, 3.0, 8.0)),
        floor=rng.choice(("bfd", "nothing")) if branch_bfd else rng.choice(("ping", "nothing", "nothing")),
        branch_detection=rng.choice((0.09, 0.15, 0.3)) if branch_bfd else None,
        detection=tuple(rng.choice((0.05, 0.15, 0.15, 0.3)) for _ in range(tunnels)),
        returning=tuple(rng.choice((0.02, 0.3, 1.0)) for _ in range(tunnels)),
        end_of_rib=rng.random() < 0.8,
        answers_probes=rng.random() < 0.85,
        spreads=rng.random() < 0.5,
        to_forwarder=rng.choice((0.0002, 0.001, 0.02)),
        to_relay=rng.choice((0.0002, 0.001, 0.02)),
        to_exabgp=rng.choice((0.0002, 0.002)),
        sending=rng.choice((0.001, 0.003, 0.05, 0.5)),
        wire=rng.choice((0.001, 0.02, 0.05)),
        router=rng.choice((0.0005, 0.07)) if quick else 0.2,
        connecting=rng.choice((0.05, 0.5, 2.0)),
        reconnecting=rng.choice((0.05, 0.3)),
        resetting=rng.choice((0.1, 1.5, 3.0)),
        saving=rng.choice((0.002, 0.05)),
    )


@cache
def hub_with(prefixes: tuple[int, ...]) -> Hub:
    """The hub that announces these of its prefixes."""
    return replace(HUB, prefixes=tuple(HUB_PREFIXES[i] for i in prefixes))


@cache
def branch_with(
    names: tuple[str, ...],
    prefer: tuple[str, ...],
    lans: tuple[int, ...],
    leaving: frozenset[str],
    drawn: tuple[Failback, bool, int, bool, frozenset[str]],
    rules: tuple[Rule, ...],
) -> Branch:
    """The branch with these tunnels, preferences and prefixes; `drawn` is what does not change within a history."""
    failback, ibgp, processes, bfd, metered = drawn
    branch = a_branch(tunnels=NAMES)
    timers = LivenessTimers(LivenessMethod.BFD if bfd else LivenessMethod.ICMP, timedelta(milliseconds=50), 3)
    tunnels = tuple(
        replace(
            tunnel,
            process=1 + number % processes,
            liveness=Liveness(timers, timers),
            uplink=replace(tunnel.uplink, metered=tunnel.id.name in metered),
        )
        for number, tunnel in enumerate(branch.tunnels)
        if tunnel.id.name in names
    )
    return replace(
        branch,
        prefixes=tuple(LANS[i] for i in lans),
        tunnels=tunnels,
        policy=replace(POLICY, prefer=prefer, failback=failback, rules=rules),
        session=Session(SessionKind.IBGP if ibgp else SessionKind.EBGP),
        leaving=frozenset(TunnelId(branch.name, name) for name in leaving),
    )


@cache
def _intent(situation: Situation) -> Intent:
    names = NAMES[: situation.tunnels]
    rules = tuple(range(len(situation.rules)))
    return intent_with(situation, names, NAMES, situation.hub_prefixes, situation.lans, frozenset(), rules)


def intent_with(
    situation: Situation,
    names: tuple[str, ...],
    prefer: tuple[str, ...],
    hub_prefixes: tuple[int, ...],
    lans: tuple[int, ...],
    leaving: frozenset[str],
    rules: tuple[int, ...],
) -> Intent:
    """The whole configuration of a history at one moment."""
    drawn = (
        Failback(situation.failback, timedelta(seconds=situation.failback_hold), situation.windows),
        situation.ibgp,
        situation.processes,
        situation.branch_detection is not None,
        situation.metered,
    )
    hub = hub_with(hub_prefixes)
    written = tuple(
        rule for n in rules if n < len(situation.rules) for rule in _possible(situation.rules[n], hub, lans)
    )
    branch = branch_with(names, prefer, lans, leaving, drawn, written)
    return Intent("kencana", "Asia/Jakarta", hub, {branch.name: branch})


def _possible(rule: Rule, hub: Hub, lans: tuple[int, ...]) -> tuple[Rule, ...]:
    """The rule with those of its prefixes that the hub announces, and the branch can have traffic with; or none."""
    if not rule.when.hub_prefixes:
        return (rule,)
    versions = {LANS[lan].version for lan in lans}
    own = tuple(p for p in rule.when.hub_prefixes if p.version in versions and lies_within(p, hub.prefixes))
    return (replace(rule, when=replace(rule.when, hub_prefixes=own)),) if own else ()
