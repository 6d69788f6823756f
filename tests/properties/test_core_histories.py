"""Whatever happens, in whatever order: the core ends right, and does no harm on the way."""

from __future__ import annotations

from core_world import World
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import a_branch

from policies.model.ids import TunnelId
from policies.model.view import LivenessState
from policies.preference import standing_med
from policies.ranking import standing_order

STEPS = ("cut", "heal", "detect", "deliver", "establish", "branch_gives_up", "dies", "returns")
NAMES = ("fiber", "wireless", "lte")

step = st.one_of(
    st.tuples(st.sampled_from(STEPS), st.sampled_from(NAMES)),
    st.tuples(st.just("later"), st.sampled_from((0.004, 0.3, 2.0, 61.0))),
    st.tuples(st.sampled_from(("probe", "restart_controller", "restart_controller_relay_first")), st.none()),
)


def play(world: World, history: list[tuple[str, object]]) -> None:
    for what, which in history:
        if what == "later":
            world.later(float(which))  # type: ignore[arg-type]
        elif which is None:
            getattr(world, what)()
        else:
            tunnel = TunnelId(world.branch.name, str(which))
            if tunnel in world.tunnels:
                getattr(world, what)(tunnel)
        check_harmless(world)


def check_harmless(world: World) -> None:
    assert world.decision is not None
    told = {t: set(a.values()).pop().med for t, a in world.decision.announcements.items() if a}
    for tunnel in told:
        assert world.view.liveness_of(tunnel).state is not LivenessState.DOWN, "announced into a dead tunnel"
    sent = [
        (m, t) for t, truth in world.tunnels.items() if truth.branch_session for m in set(truth.branch_holds.values())
    ]
    assert len({m for m, _ in sent}) == len(sent), f"the branch holds two equal values: {sent}"
    for forwarding in world.classes.values():
        if forwarding.active is not None and world.tunnels[forwarding.active].seen is LivenessState.DOWN:
            live = [t for t in forwarding.order if world.tunnels[t].seen is LivenessState.UP]
            assert not live, f"class {forwarding.name} stays on a dead tunnel while {live} live"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from((2, 3)), st.lists(step, max_size=40))
def test_whatever_happened_both_directions_end_on_the_preferred_live_tunnel(
    count: int, history: list[tuple[str, object]]
) -> None:
    world = World(a_branch(tunnels=NAMES[:count]))
    play(world, history)
    world.settle()
    live = world.live()
    if not live:
        return
    preferred = next(t.id for t in standing_order(world.branch) if t.id in live)
    assert world.branch_uses() == preferred
    assert world.hub_uses() == preferred


@settings(max_examples=120, deadline=None)
@given(st.lists(step, max_size=40))
def test_when_all_is_well_again_every_boost_has_been_given_back(history: list[tuple[str, object]]) -> None:
    world = World(a_branch(tunnels=NAMES))
    play(world, history)
    for tunnel in world.tunnels:
        world.heal(tunnel)
    world.settle()
    for place, tunnel in enumerate(standing_order(world.branch)):
        held = set(world.tunnels[tunnel.id].branch_holds.values())
        assert held == {standing_med(world.branch.policy.announce, place)}


@settings(max_examples=120, deadline=None)
@given(st.lists(step, max_size=30), st.sampled_from(NAMES[:2]))
def test_a_death_moves_both_directions_without_waiting_for_the_branch(
    history: list[tuple[str, object]], name: str
) -> None:
    world = World(a_branch(tunnels=NAMES[:2]))
    play(world, history)
    for tunnel in world.tunnels:
        world.heal(tunnel)
    world.settle()
    dying = TunnelId(world.branch.name, name)
    other = next(t for t in world.tunnels if t != dying)
    world.cut(dying)
    world.detect(dying)
    world.deliver(other)
    assert world.hub_uses() == other
    assert world.branch_uses() == other
