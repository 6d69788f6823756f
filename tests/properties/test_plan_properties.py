"""What a plan says holds for whatever state the hub is in: it is what the core would do, and it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st
from small_network import HUB, HUB_PREFIX, a_branch, a_network, a_tunnel, moment

from policies.decide import NO_MOVES, decide_branch
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Mode
from policies.model.overrides import InForce
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, PathSeen, SessionState, SessionView, View
from policies.plan import plan
from policies.planning.outlook import outlook

NOW = moment(1000.0)
NAMES = ("fiber", "wireless", "lte")
IDS = tuple(TunnelId("bandung", name) for name in NAMES)
ERP = ip_network("10.0.10.0/24")


@st.composite
def branches(draw: st.DrawFn) -> Branch:
    """A branch with some of three tunnels, ranked, judged and returned to in any way."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    tunnels = tuple(
        a_tunnel("bandung", name, 8 + NAMES.index(name), metered=draw(st.booleans())) for name in sorted(names)
    )
    base = a_branch(tunnels=tuple(names))
    sets = RuleChange(prefer=tuple(draw(st.permutations(NAMES))), ignore_degraded=draw(st.booleans()))
    rules = (Rule("nights", Condition(hub_prefixes=(ERP,)), sets),) if draw(st.booleans()) else ()
    policy = replace(
        base.policy,
        prefer=tuple(draw(st.permutations(NAMES))),
        metered=draw(st.sampled_from(Metered)),
        failback=Failback(draw(st.sampled_from(FailbackMode)), timedelta(seconds=draw(st.sampled_from((0, 60))))),
        rules=rules,
    )
    mode = draw(st.sampled_from((Mode.ACT, Mode.ACT, Mode.OBSERVE)))
    return replace(base, tunnels=tunnels, policy=policy, mode=mode)


instants = st.sampled_from((1.0, 900.0, 960.0, 999.0)).map(Instant)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any state of three tunnels, their sessions and their health, and the branch on any of them."""
    lan = a_branch().prefixes[0]
    active = draw(st.sampled_from((*IDS, None)))
    kernel = ClassView("bandung", "bandung", active, IDS, (lan,), 1, draw(instants), "")
    drained = frozenset(draw(st.lists(st.sampled_from(IDS), max_size=2)))
    said = InForce(drained, draw(st.sampled_from((None, *IDS))), frozen=draw(st.booleans()))

    def session(med: int) -> SessionView:
        return SessionView(
            draw(st.sampled_from(SessionState)),
            draw(instants),
            complete=draw(st.booleans()),
            sent={HUB_PREFIX: Announcement(med)} if draw(st.booleans()) else {},
            heard={lan: Heard(Instant(2.0))} if draw(st.booleans()) else {},
            end_of_rib=draw(st.booleans()),
        )

    return View(
        liveness={
            tunnel: LivenessView(draw(st.sampled_from(LivenessState)), draw(instants), after_death=draw(st.booleans()))
            for tunnel in IDS
        },
        sessions={tunnel: session(1000 + 100 * place) for place, tunnel in enumerate(IDS)},
        classes={"bandung": kernel} if draw(st.booleans()) else {},
        paths={("bandung", 4): PathSeen(draw(st.sampled_from(IDS)), Instant(1.0), Instant(999.0))},
        health={tunnel: HealthView(draw(st.sampled_from(HealthState)), draw(instants)) for tunnel in IDS},
        in_force={"bandung": said} if draw(st.booleans()) else {},
        forwarder=draw(st.sampled_from((True, True, False))),
        speakers=frozenset({1}) if draw(st.booleans()) else frozenset(),
    )


@given(branches(), branches(), views())
def test_a_plan_is_the_same_twice_and_changes_nothing(before: Branch, after: Branch, view: View) -> None:
    said = repr(view)
    first = plan(a_network(before), a_network(after), view, NOW)
    assert plan(a_network(before), a_network(after), view, NOW) == first
    assert repr(view) == said


@given(branches(), views())
def test_a_configuration_in_its_own_place_changes_nothing(branch: Branch, view: View) -> None:
    assert plan(a_network(branch), a_network(branch), view, NOW).empty


@given(branches(), branches(), views())
def test_traffic_goes_only_to_tunnels_that_live_and_will_be_there(before: Branch, after: Branch, view: View) -> None:
    there = {tunnel.id.name: tunnel.id for tunnel in after.tunnels}
    new = there.keys() - {tunnel.id.name for tunnel in before.tunnels}
    for planned in plan(a_network(before), a_network(after), view, NOW).branches:
        for move in planned.moves:
            assert move.on != move.to
            assert move.to in new or view.liveness_of(there[move.to]).state is not LivenessState.DOWN


@given(branches(), views())
def test_what_moves_at_once_is_what_the_core_chooses(branch: Branch, view: View) -> None:
    """Where the branch is heard over all its tunnels, so that its traffic is one."""
    heard = {branch.prefixes[0]: Heard(Instant(2.0))}
    view = replace(view, sessions={t: replace(each, heard=heard) for t, each in view.sessions.items()})
    verdict = decide_branch(HUB, branch, view, NO_MOVES, NOW).verdict
    chosen = {each.sources: each.chosen for each in (verdict, *verdict.others)}
    for move in outlook(HUB, branch, view, {}, NOW).moves:
        if move.at_once:
            assert chosen[move.sources] == TunnelId("bandung", move.to)


@given(branches(), branches(), views())
def test_a_branch_that_is_not_acted_on_moves_nowhere(before: Branch, after: Branch, view: View) -> None:
    observed = replace(after, mode=Mode.OBSERVE)
    assert not any(p.moves for p in plan(a_network(before), a_network(observed), view, NOW).branches)
