"""The forwarder as a whole, with a kernel, a clock and a liveness engine that are stand-ins."""

from __future__ import annotations

import pytest
from forwarder_fakes import World, a_tunnel, an_order
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.forwarder.fib_plan import FIRST_NEXTHOP_ID
from hub.forwarder.fields import FieldError
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.model import SessionMemory
from hub.forwarder.netlink.links import Link, LocalAddress
from hub.forwarder.orders import CountForwarded, Look, Probe, SendBurst, SetClasses, SetOne, SetTunnels, StopPlanned
from hub.forwarder.state import SavedState

NET = b"\x0a\x01\x00\x00"
NET6 = b"\x20\x01\x0d\xb8" + bytes(12)
A, B = "bandung/fiber", "bandung/wireless"
TUNNELS = SetTunnels((a_tunnel(A, "t1"), a_tunnel(B, "t2")))
PROBE = Probe(("10.0.0.0/16",), "10.0.0.1")


def adopted(world: World, saved: SavedState | None = None) -> World:
    world.forwarder.restore(saved or SavedState())
    world.forwarder.adopt(lambda: None)
    world.clock.run()
    return world


def running() -> World:
    """Two live tunnels, one class on the first."""
    world = adopted(World())
    world.forwarder.obey(TUNNELS)
    world.engine.say(A, "up")
    world.engine.say(B, "up")
    world.forwarder.obey(SetClasses((an_order(),), ("10.1.0.0/24",), PROBE))
    world.clock.run()
    world.told.clear()
    world.order.clear()
    return world


def test_an_order_reaches_the_kernel_and_is_then_said_to_be_installed() -> None:
    world = adopted(World())
    world.forwarder.obey(TUNNELS)
    world.forwarder.obey(SetClasses((an_order(),), ("10.1.0.0/24",), PROBE))
    world.clock.run()
    assert world.kernel.interface_of(NET) == 1
    assert [state["installed"] for state in world.said("class")] == [False, True]
    assert world.said("class")[-1]["nexthop"] == FIRST_NEXTHOP_ID


def test_on_a_death_the_kernel_moves_first_then_the_controller_hears_then_all_else() -> None:
    world = running()
    world.engine.say(A, "down")
    assert world.order == ["kernel", "liveness", "class", "save", "save"]
    assert world.kernel.interface_of(NET) == 2
    (state,) = world.said("class")
    assert (state["active"], state["epoch"], state["installed"]) == (B, 1, True)
    assert world.engine.calls[-1] == ("carrying", frozenset({B}))
    assert world.logged[-1] == "bandung moved to bandung/wireless: bandung/fiber is down: silent for 151 ms"


def test_a_tunnel_that_returns_does_not_take_its_traffic_back() -> None:
    world = running()
    world.engine.say(A, "down")
    world.engine.say(A, "up")
    assert world.kernel.interface_of(NET) == 2


def test_an_order_from_before_the_move_is_refused() -> None:
    world = running()
    world.engine.say(A, "down")
    world.engine.say(A, "up")
    world.forwarder.obey(SetOne(an_order(epoch=0)))
    assert world.said("refused")[0]["epoch"] == 1
    assert world.kernel.interface_of(NET) == 2
    world.forwarder.obey(SetOne(an_order(epoch=1)))
    assert world.kernel.interface_of(NET) == 1


def test_an_order_into_a_dead_tunnel_is_refused() -> None:
    world = running()
    world.engine.say(B, "down")
    world.forwarder.obey(SetOne(an_order(active=B)))
    assert "bandung/wireless is down" in world.said("refused")[0]["why"]
    assert world.kernel.interface_of(NET) == 1


def test_with_all_tunnels_dead_packets_still_go_into_a_tunnel_and_nowhere_else() -> None:
    world = running()
    world.engine.say(A, "down")
    world.engine.say(B, "down")
    world.clock.run()
    assert world.kernel.interface_of(NET) == 2
    world.engine.say(A, "up")
    assert world.kernel.interface_of(NET) == 1


def test_with_all_interfaces_gone_the_prefixes_are_unreachable() -> None:
    world = running()
    world.link_down(1)
    world.link_down(2)
    assert world.kernel.interface_of(NET) == 0
    world.link_up(1)
    assert world.kernel.interface_of(NET) == 1


def test_a_link_that_goes_down_takes_its_class_to_another_tunnel_without_waiting_for_liveness() -> None:
    world = running()
    world.link_down(1)
    assert world.kernel.interface_of(NET) == 2
    assert ("link", "t1", False) in world.engine.calls
    assert [problem["text"] for problem in world.said("problem")] == ["interface t1 of bandung/fiber is down"]
    world.link_up(1)
    assert world.said("cleared") == ["check:interface:t1"]
    assert world.kernel.interface_of(NET) == 2


def test_a_link_that_is_made_anew_is_used_under_its_new_index() -> None:
    world = running()
    world.engine.say(B, "down")
    world.kernel.link_down(1)
    world.forwarder.links_changed(world.forwarder.interfaces.gone(Link(1, "t1", up=False)))
    world.kernel.up.add(9)
    world.forwarder.links_changed(world.forwarder.interfaces.changed(Link(9, "t1", up=True)))
    world.clock.run()
    assert world.kernel.interface_of(NET) == 9


def test_a_tunnel_that_is_watched_no_more_carries_its_class_until_another_lives() -> None:
    world = running()
    world.engine.say(B, "down")
    world.forwarder.obey(SetTunnels((a_tunnel(B, "t2"),)))
    world.clock.run()
    assert world.kernel.interface_of(NET) == 1
    world.engine.say(B, "up")
    world.clock.run()
    assert world.kernel.interface_of(NET) == 2


def test_a_class_that_the_controller_no_longer_names_goes_away() -> None:
    world = running()
    world.forwarder.obey(SetClasses((), (), PROBE))
    world.clock.run()
    assert world.said("gone") == ["bandung"]
    assert (world.kernel.nexthops, world.kernel.routes) == ({}, {})


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (SetOne(an_order("b", order=("b/x",), active=None)), 'order.order: tunnel "b/x" is not known'),
        (SetClasses((an_order(), an_order("b", order=("b/x",), active=None)), (), PROBE), "classes[1].order"),
        (SetOne(an_order("b")), "order.prefixes: class bandung has some of them"),
    ],
)
def test_an_order_that_cannot_be_understood_changes_nothing(command: SetOne | SetClasses, place: str) -> None:
    world = running()
    with pytest.raises(FieldError) as refused:
        world.forwarder.obey(command)
    assert place in str(refused.value)
    world.clock.run()
    assert list(world.forwarder.classes) == ["bandung"]
    assert world.kernel.interface_of(NET) == 1


def test_a_class_of_both_ip_versions_moves_by_one_send_of_two_messages() -> None:
    world = running()
    world.forwarder.obey(SetOne(an_order(prefixes=("10.1.0.0/24", "2001:db8::/48"))))
    world.clock.run()
    assert (world.kernel.interface_of(NET), world.kernel.interface_of(NET6, 48)) == (1, 1)
    assert world.said("class")[-1]["installed"]
    world.kernel.sends.clear()
    world.engine.say(A, "down")
    assert [len(send) for send in world.kernel.sends] == [2]
    assert (world.kernel.interface_of(NET), world.kernel.interface_of(NET6, 48)) == (2, 2)
    assert world.said("class")[-1]["installed"]


def test_the_probe_comes_from_the_preferred_address_and_a_missing_one_is_a_problem() -> None:
    world = running()
    assert world.engine.calls[-1] == ("probe", None, None)
    world.forwarder.addresses_changed([LocalAddress(1, b"\x0a\x00\x00\x09"), LocalAddress(1, b"\x0a\x00\x00\x01")])
    assert world.engine.calls[-1] == ("probe", "10.0.0.1", None)
    assert world.said("cleared") == ["check:probe"]
    world.forwarder.addresses_changed([LocalAddress(1, b"\x0a\x00\x00\x09")])
    assert world.engine.calls[-1] == ("probe", "10.0.0.9", None)


def test_both_ip_versions_are_probed_where_tunnels_carry_both() -> None:
    world = running()
    world.forwarder.obey(SetTunnels((a_tunnel(A, "t1", ipv6=True), a_tunnel(B, "t2"))))
    probe = Probe(("10.0.0.0/16", "2001:db8::/48"), "10.0.0.1")
    world.forwarder.obey(SetClasses((an_order(),), (), probe))
    assert [problem["key"] for problem in world.said("problem")] == ["check:probe6"]
    world.forwarder.addresses_changed([LocalAddress(1, bytes([10, 0, 0, 1])), LocalAddress(1, NET6)])
    assert world.engine.calls[-1] == ("probe", "10.0.0.1", "2001:db8::")
    assert set(world.said("cleared")) == {"check:probe", "check:probe6"}


def test_paths_looks_and_stops_are_passed_on() -> None:
    world = running()
    world.engine.on_path("bandung", A, 5_000_000_000, 4)
    world.engine.on_path("bandung", B, 6_000_000_000, 6)
    paths = [
        {"branch": "bandung", "tunnel": A, "at": 5.0, "version": 4},
        {"branch": "bandung", "tunnel": B, "at": 6.0, "version": 6},
    ]
    assert world.said("path") == paths
    world.forwarder.obey(Look(frozenset({"bandung"})))
    assert world.engine.calls[-1] == ("look", frozenset({"bandung"}))
    world.forwarder.obey(StopPlanned())
    assert world.stops == 1
    assert world.forwarder.snapshot()["paths"] == paths


def test_bursts_are_passed_on_and_what_is_counted_is_named_by_its_interfaces() -> None:
    world = running()
    burst = BurstOrder(A, 50, 10_000_000)
    world.forwarder.obey(SendBurst(burst))
    assert world.engine.calls[-1] == ("burst", burst)
    world.forwarder.obey(CountForwarded((A, "nobody/fiber")))
    assert world.counted[-1] == {A: "t1"}
    world.forwarder.obey(SetTunnels((a_tunnel(A, "t2"), a_tunnel(B, "t1"))))
    assert world.counted[-1] == {A: "t2"}
    world.forwarder.count_forwarded(())
    assert world.counted[-1] == {}


def test_what_is_looked_at_now_and_then_stands_beside_liveness_and_is_asked_of_all_tunnels() -> None:
    world = running()
    world.engine.say(B, "down")
    looks = {each.name: (each.interface, each.index, each.lives) for each in world.forwarder.slow_looks_at()}
    assert looks == {A: ("t1", 1, True), B: ("t2", 2, False)}
    world.forwarder.beside = lambda tunnel: {"mtu": tunnel}
    assert [each["mtu"] for each in world.forwarder.snapshot()["tunnels"]] == [A, B]


def test_after_a_crash_nothing_in_the_kernel_changes_and_liveness_goes_on_before_adoption() -> None:
    before = running()
    saved = before.forwarder.saved("boot")
    before.kernel.history.clear()
    after = World(before.kernel, before.clock)
    after.forwarder.restore(saved)
    assert after.engine.calls[1] == ("tunnels", (A, B), {A: _up(), B: _up()})
    after.forwarder.adopt(lambda: after.order.append("adopted"))
    after.clock.run()
    assert before.kernel.history == []
    assert after.order[-1] == "adopted"
    after.forwarder.obey(SetClasses((an_order(),), ("10.1.0.0/24",), PROBE))
    after.clock.run()
    assert before.kernel.history == []


def _up() -> SessionMemory:
    return SessionMemory("up", 1, "silent for 151 ms")


def test_after_a_crash_the_kernel_is_believed_rather_than_an_older_state_file() -> None:
    before = running()
    saved = before.forwarder.saved("boot")
    before.engine.say(A, "down")
    after = adopted(World(before.kernel, before.clock), saved)
    assert (after.forwarder.classes["bandung"].active, after.forwarder.classes["bandung"].epoch) == (B, 1)
    assert after.kernel.interface_of(NET) == 2


def test_a_death_is_survived_between_restart_and_adoption() -> None:
    before = running()
    after = World(before.kernel, before.clock)
    after.forwarder.restore(before.forwarder.saved("boot"))
    after.engine.say(A, "down")
    assert after.kernel.interface_of(NET) == 2


def test_without_a_state_file_the_first_orders_find_what_is_in_the_kernel() -> None:
    before = running()
    before.kernel.history.clear()
    after = adopted(World(before.kernel, before.clock))
    after.forwarder.obey(TUNNELS)
    after.forwarder.obey(SetClasses((an_order(),), ("10.1.0.0/24",), PROBE))
    after.clock.run()
    assert before.kernel.history == []


EVENTS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from([A, B]), st.sampled_from(["up", "down", "unknown"])),
    st.tuples(st.sampled_from(["link_down", "link_up"]), st.sampled_from([1, 2]), st.none()),
    st.tuples(st.just("order"), st.sampled_from([A, B, None]), st.integers(0, 4)),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


@given(st.lists(EVENTS, max_size=15))
@settings(deadline=None, max_examples=80)
def test_whatever_happens_traffic_is_in_a_usable_tunnel_or_stops_and_never_leaks(
    events: list[tuple[str, object, object]],
) -> None:
    world = running()
    for what, which, how in events:
        before = world.forwarder.classes["bandung"].epoch
        if what == "say":
            world.engine.say(str(which), how)  # type: ignore[arg-type]
        elif what == "order":
            world.forwarder.obey(SetOne(an_order(active=which, epoch=how)))  # type: ignore[arg-type]
        elif what == "restart":
            saved, reports = world.forwarder.saved("boot"), dict(world.engine.tunnels)
            world = adopted(World(world.kernel, world.clock), saved)
            for name, report in reports.items():
                world.engine.say(name, report.state)
        else:
            getattr(world, what)(which)
        world.clock.run()
        assert world.forwarder.classes["bandung"].epoch >= before
        _check_traffic(world)


def _check_traffic(world: World) -> None:
    on = world.kernel.interface_of(NET)
    live = {
        index
        for index, name in ((1, A), (2, B))
        if index in world.kernel.up and world.engine.tunnels[name].state == "up"
    }
    assert on is not None, "the default route would take it"
    assert not live or on in live or world.engine.tunnels[A if on == 1 else B].state == "unknown"
    active = world.forwarder.classes["bandung"].active
    assert on in (0, {A: 1, B: 2}[str(active)])
