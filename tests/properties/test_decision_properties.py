"""What every decision keeps to, of whatever intent, view and time it is made.

`scripts/properties` makes as many cases as asked for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from dice import Dice
from drawn_events import streams
from drawn_views import NOW, Situation, liveness, said_to, session, situation
from drawn_views import view as drawn_view
from expected_choice import BAD, DEAD, GOOD, drained, expected_order, fitness, said_of
from kept import always, assume
from settling import branch_sends, calm, carriers, parts, routes, settled

from policies.announced import announced_for
from policies.decide import BranchDecision, decide_branch
from policies.model.clock import NEVER, Instant
from policies.model.events import Event
from policies.model.ids import Prefix, TunnelId
from policies.model.overrides import InForce
from policies.model.policy import FailbackMode, Metered
from policies.model.verdicts import Reason
from policies.model.view import LivenessState, SessionState, View
from policies.observe import observe

_last: list[tuple[Situation, BranchDecision]] = []


def decided(one: Situation) -> BranchDecision:
    """The decision; of the very same situation, for which several properties ask in turn, it is made once."""
    if not (_last and _last[0][0] is one):
        _last[:] = [(one, decide_branch(one.hub, one.branch, one.view, one.moves, one.now))]
    return _last[0][1]


def is_dead(view: View, tunnel: TunnelId) -> bool:
    return view.liveness_of(tunnel).state is LivenessState.DOWN


def is_live(view: View, tunnel: TunnelId) -> bool:
    return view.liveness_of(tunnel).state is LivenessState.UP


def can_be_told(view: View, tunnel: TunnelId) -> bool:
    return is_live(view, tunnel) and view.session_of(tunnel).state is SessionState.UP and bool(view.speakers)


# never isolate


@always(situation)
def test_no_dead_tunnel_is_chosen_or_ordered_while_another_lives(one: Situation) -> None:
    decision = decided(one)
    assume(one.view.forwarder)
    for verdict in parts(decision.verdict):
        if any(is_live(one.view, tunnel) for tunnel in one.ids):
            assert verdict.chosen is not None
            assert not is_dead(one.view, verdict.chosen)
    for order in decision.classes.values():
        if any(is_live(one.view, tunnel) for tunnel in order.order):
            assert order.active is not None
            assert not is_dead(one.view, order.active)


def with_one_that_can_be_told(dice: Dice) -> Situation:
    """Any situation but that one tunnel at least lives and has its session, and the hub's own parts run."""
    one = situation(dice)
    tunnel = dice.one(*one.ids)
    up = liveness(dice, (LivenessState.UP,))
    stands = session(dice, said_to(one.intent), (SessionState.UP,))
    view = replace(
        one.view,
        forwarder=True,
        speakers=frozenset({1}),
        liveness={**one.view.liveness, tunnel: up},
        sessions={**one.view.sessions, tunnel: stands},
    )
    return replace(one, view=view)


@always(with_one_that_can_be_told)
def test_the_branch_keeps_or_gets_a_live_tunnel_for_every_prefix(one: Situation) -> None:
    decision = decided(one)
    tellable = [tunnel for tunnel in one.ids if can_be_told(one.view, tunnel)]
    for verdict in parts(decision.verdict):
        for prefix in announced_for(one.hub, one.branch, verdict.sources):
            sent = [one.view.session_of(tunnel).sent for tunnel in tellable]
            wanted = [decision.announcements.get(t, said) for t, said in zip(tellable, sent, strict=True)]
            if verdict.chosen in tellable or any(prefix in said for said in sent):
                assert any(prefix in said for said in wanted), prefix


# both directions agree


@always(calm)
def test_in_the_end_both_directions_of_each_traffic_take_one_tunnel(one: Situation) -> None:
    assume(any(is_live(one.view, tunnel) for tunnel in one.ids))
    hub = settled(one)
    assert hub.decision is not None
    for verdict in parts(hub.decision.verdict):
        answers = carriers(hub, verdict.sources)
        heard = hub.view.session_of(verdict.chosen).heard  # type: ignore[arg-type]
        assert {answers[prefix] for prefix in answers if prefix in heard} <= {verdict.chosen}, verdict
        assert all(prefix in answers for prefix in heard if prefix.version in versions(verdict.sources))
        for prefix in routes(hub, verdict.sources):
            assert branch_sends(hub, prefix) == {verdict.chosen}, prefix


def versions(sources: tuple[Prefix, ...]) -> set[int]:
    return {source.version for source in sources} or {4, 6}


# drained never carries while something else is usable


def drained_and_calm(dice: Dice) -> Situation:
    """One or two tunnels are drained, nothing is frozen, and every live tunnel has its session."""
    return with_drains(dice, calm(dice))


def with_drained(dice: Dice) -> Situation:
    """One or two tunnels are drained, nothing is frozen, and anything else is believed."""
    return with_drains(dice, situation(dice))


def with_drains(dice: Dice, one: Situation) -> Situation:
    drains = frozenset((dice.one(*one.ids), dice.one(*one.ids)))
    said = InForce(drains, dice.one(None, None, *one.ids), go_back=dice.odds(2))
    return replace(one, view=replace(one.view, in_force={one.branch.name: said}))


@always(drained_and_calm)
def test_in_the_end_no_drained_tunnel_carries_while_another_is_usable(one: Situation) -> None:
    usable = [tunnel for tunnel in one.ids if fitness(one, tunnel) in (GOOD, BAD)]
    assume(usable)
    hub = settled(one)
    assert hub.decision is not None
    for verdict in parts(hub.decision.verdict):
        for prefix, tunnel in carriers(hub, verdict.sources).items():
            if any(prefix in hub.view.session_of(other).heard for other in usable):
                assert tunnel not in drained(one)
        for prefix in routes(hub, verdict.sources):
            assert not branch_sends(hub, prefix) & drained(one)


@always(with_drained)
def test_a_drained_tunnel_is_kept_only_for_want_of_one_that_was_told_all(one: Situation) -> None:
    assume(one.view.forwarder)
    for verdict in parts(decided(one).verdict):
        if verdict.chosen not in drained(one) or not is_live(one.view, verdict.chosen):  # type: ignore[arg-type]
            continue
        if verdict.chosen in one.branch.leaving or verdict.reason is Reason.TAKEN_BACK:
            continue
        others = [t for t in one.ids if fitness(one, t) in (GOOD, BAD)]
        assert not [t for t in others if one.view.session_of(t).complete and can_be_told(one.view, t)]


# metered as written


def fresh(dice: Dice) -> Situation:
    """Nothing was told or forwarded before: the decision says where everything begins."""
    return calm(dice, fresh=True)


@always(fresh)
def test_a_metered_tunnel_carries_only_when_its_mode_says_so(one: Situation) -> None:
    metered = {tunnel.id for tunnel in one.branch.tunnels if tunnel.uplink.metered}
    switched = one.view.overridden(one.branch.name).switched
    for verdict in parts(decided(one).verdict):
        chosen, said = verdict.chosen, said_of(one, verdict.sources)
        if chosen not in metered or chosen == switched or said.metered is Metered.ALLOWED:
            continue
        fit = {t: fitness(one, t, ignore_degraded=said.ignore_degraded) for t in one.ids}
        assert chosen is not None
        if fit[chosen] not in (GOOD, BAD):
            continue
        cheap = {fit[tunnel] for tunnel in one.ids if tunnel not in metered}
        assert GOOD not in cheap
        assert said.metered is not Metered.LAST_RESORT or BAD not in cheap


@always(situation)
def test_where_metered_ones_are_allowed_what_is_metered_makes_no_difference(one: Situation) -> None:
    policy = one.branch.policy
    rules = tuple(replace(rule, set=replace(rule.set, metered=None)) for rule in policy.rules)
    policy = replace(policy, metered=Metered.ALLOWED, rules=rules)
    wishes = {name: replace(wish, metered=None) for name, wish in one.view.adjustments.items()}
    view = replace(one.view, adjustments=wishes)
    tunnels = tuple(replace(t, uplink=replace(t.uplink, metered=not t.uplink.metered)) for t in one.branch.tunnels)
    allowed = replace(one.branch, policy=policy)
    one_way = decide_branch(one.hub, allowed, view, one.moves, one.now)
    assert one_way == decide_branch(one.hub, replace(allowed, tunnels=tunnels), view, one.moves, one.now)


# precedence as written


@always(fresh)
def test_guards_drains_switches_scripts_rules_and_the_policy_count_in_this_order(one: Situation) -> None:
    assume(any(is_live(one.view, tunnel) for tunnel in one.ids))
    for verdict in parts(decided(one).verdict):
        order = expected_order(one, verdict.sources)
        live = [tunnel for tunnel in order if fitness(one, tunnel) != DEAD]
        assert [place.tunnel for place in verdict.ranking if place.tunnel in live] == live
        assert verdict.chosen == order[0]
        assert verdict.rule == said_of(one, verdict.sources).rule


# deterministic


@always(situation)
def test_equal_situations_have_equal_decisions(one: Situation) -> None:
    again = Situation(one.intent, turned_round(one.view), dict(reversed(one.moves.items())), one.now)
    assert decided(again) == decided(one)


@always(situation)
def test_decided_again_it_is_the_same(one: Situation) -> None:
    first = decided(one)
    assert decided(replace(one, moves=dict(first.moves))) == first


# whatever was before, and in whatever order it was heard of


def two_pasts(dice: Dice) -> tuple[Situation, Situation]:
    """The same network and the same facts, and two pasts; going back is automatic, and nothing is frozen."""
    one = calm(dice, (FailbackMode.AUTOMATIC,))
    past = another_past(dice, one)
    thawed = {name: replace(said, frozen=False) for name, said in one.view.in_force.items()}
    one, other = (replace(each, view=replace(each.view, in_force=thawed)) for each in (one, replace(one, view=past)))
    return one, other


def another_past(dice: Dice, one: Situation) -> View:
    """The same states since other times, other values told, and classes on other tunnels.

    The classes are the same: they are what is remembered of what was heard over a tunnel that is dead.
    """
    now = one.view
    other = drawn_view(dice, one.intent)
    return replace(
        now,
        liveness={t: replace(other.liveness[t], state=known.state) for t, known in now.liveness.items()},
        sessions={
            t: replace(known, sent=other.sessions[t].sent, sent_before=other.sessions[t].sent_before)
            for t, known in now.sessions.items()
        },
        health={t: replace(h, since=Instant(h.since - 7), recovered=NEVER) for t, h in now.health.items()},
        undrained=other.undrained,
        classes={
            name: replace(known, active=dice.one(*known.order), since=Instant(NOW - dice.one(0, 20, 900)))
            for name, known in now.classes.items()
        },
        paths=other.paths,
    )


def heard_in_two_orders(dice: Dice) -> tuple[Situation, list[Event], list[Event]]:
    """Events of several sources, each in its own order, put together in two ways."""
    one = situation(dice)
    sources = list(streams(dice, one))
    return one, interleaved(dice, sources), interleaved(dice, sources)


def interleaved(dice: Dice, sources: list[list[Event]]) -> list[Event]:
    left = [list(events) for events in sources]
    together = []
    while any(left):
        together.append(dice.one(*[events for events in left if events]).pop(0))
    return together


@always(two_pasts)
def test_the_end_does_not_depend_on_what_was_before(both: tuple[Situation, Situation]) -> None:
    one, other = both
    assume(any(is_live(one.view, tunnel) for tunnel in one.ids))
    first, second = settled(one), settled(other)
    assert first.decision is not None
    for verdict in parts(first.decision.verdict):
        assert verdict.chosen == expected_order(one, verdict.sources)[0]
        assert carriers(first, verdict.sources) == carriers(second, verdict.sources)
        for prefix in routes(first, verdict.sources):
            assert branch_sends(first, prefix) == branch_sends(second, prefix)


@always(heard_in_two_orders)
def test_the_order_in_which_independent_things_are_heard_makes_no_difference(
    heard: tuple[Situation, list[Event], list[Event]],
) -> None:
    one, first, second = heard
    views = [reduce(observe, events, one.view) for events in (first, second)]
    assert views[0] == views[1]
    assert decided(replace(one, view=views[0])) == decided(replace(one, view=views[1]))


def turned_round(view: View) -> View:
    """The same, with everything in it put in in the other order."""
    return replace(
        view,
        liveness=dict(reversed(view.liveness.items())),
        sessions={t: replace(s, sent=dict(reversed(s.sent.items()))) for t, s in reversed(view.sessions.items())},
        classes=dict(reversed(view.classes.items())),
        paths=dict(reversed(view.paths.items())),
        health=dict(reversed(view.health.items())),
        undrained=dict(reversed(view.undrained.items())),
    )
