"""Our part of the forwarding table: switches at once, everything else in slices, nothing of others touched."""

from __future__ import annotations

from dataclasses import replace

from forwarder_fakes import FakeKernel, an_order
from forwarder_table import ID, INTERFACES, NET, Table, a_class
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.forwarder import fib as fib_module
from hub.forwarder.classes import ForwardingClass, obey
from hub.forwarder.fib_plan import PROTOCOL, destination
from hub.forwarder.netlink import nexthops


def test_a_thousand_prefixes_move_with_one_message() -> None:
    table = Table()
    table.adopt()
    one = a_class(prefixes=1000)
    table.want(one)
    assert len(table.kernel.routes) == 2000
    table.kernel.sends.clear()
    moved = a_class(active="bandung/wireless", prefixes=1000)
    table.want(moved, run=False)
    table.fib.switch([moved])
    assert [len(send) for send in table.kernel.sends] == [1]
    assert table.kernel.interface_of(NET) == 2
    table.clock.run()
    assert [len(send) for send in table.kernel.sends] == [1]


def test_all_classes_of_one_death_move_in_one_send() -> None:
    table = Table()
    table.adopt()
    table.want(a_class("a", first=1), a_class("b", first=2), a_class("c", first=3))
    table.kernel.sends.clear()
    moved = [a_class(name, "bandung/wireless", first=first) for name, first in (("a", 1), ("b", 2), ("c", 3))]
    table.want(*moved, run=False)
    table.fib.switch(moved)
    assert [len(send) for send in table.kernel.sends] == [3]


def test_much_work_is_done_in_slices_and_a_switch_goes_between_them() -> None:
    table = Table()
    table.adopt()
    table.want(a_class("a", first=1), a_class("b", prefixes=2000, first=20), run=False)
    timer_turns = 0
    while not table.kernel.nexthops:
        table.clock.run(0.000001)
        timer_turns += 1
    assert max(len(send) for send in table.kernel.sends) <= fib_module.SLICE
    moved = a_class("a", "bandung/wireless", first=1)
    table.want(moved, a_class("b", prefixes=2000, first=20), run=False)
    table.fib.switch([moved])
    assert table.kernel.sends[-1] and len(table.kernel.sends[-1]) == 1
    table.clock.run()
    assert table.kernel.interface_of(NET) == 2
    assert len(table.kernel.routes) == 4002


def test_nothing_of_an_earlier_process_is_removed_or_changed_by_adoption() -> None:
    kernel = FakeKernel()
    kernel.nexthops = {ID + 7: (1, PROTOCOL)}
    kernel.routes = {(NET, 24, 100): (ID + 7, PROTOCOL), (NET, 16, 100): (ID + 7, PROTOCOL)}
    table = Table(kernel)
    table.adopt()
    assert table.adopted == 1
    table.want(a_class(), sweep=False)
    assert table.fib.ids == {"bandung": ID + 7}
    assert kernel.history == ["put route 0a010000"]  # the unreachable one only
    table.want(a_class())
    assert (NET, 16, 100) not in kernel.routes


def test_before_adoption_nothing_but_a_switch_reaches_the_kernel() -> None:
    kernel = FakeKernel()
    kernel.nexthops = {ID: (1, PROTOCOL)}
    table = Table(kernel)
    table.fib.remember({"bandung": a_class()}, {"bandung": ID})
    table.want(a_class(active="bandung/wireless"))
    assert kernel.history == []
    table.fib.switch([a_class(active="bandung/wireless")])
    assert kernel.nexthops[ID] == (2, PROTOCOL)


def test_a_route_of_another_program_is_left_alone_and_named() -> None:
    kernel = FakeKernel()
    kernel.routes[NET, 24, 100] = (0, 4)
    table = Table(kernel)
    table.adopt()
    table.want(a_class())
    table.clock.run(1)
    assert kernel.routes[NET, 24, 100] == (0, 4)
    (problem,) = table.problems.values()
    assert "10.1.0.0/24 (protocol static, metric 100) is in the way of ours" in problem.text
    assert "ip route del 10.1.0.0/24" in problem.mend
    assert not table.fib.installed(a_class())


def test_when_the_route_in_the_way_is_gone_ours_takes_its_place() -> None:
    kernel = FakeKernel()
    kernel.routes[NET, 24, 100] = (0, 4)
    table = Table(kernel)
    table.adopt()
    table.want(a_class())
    table.clock.run(1)
    del kernel.routes[NET, 24, 100]
    table.clock.run(60)
    assert table.fib.installed(a_class())
    assert table.problems == {}


def test_a_better_route_of_another_program_is_named() -> None:
    kernel = FakeKernel()
    kernel.routes[NET, 24, 20] = (0, 186)
    table = Table(kernel)
    table.adopt()
    table.want(a_class())
    assert "protocol bgp (FRR), metric 20) wins over ours" in next(iter(table.problems.values())).text


def test_a_nexthop_id_of_another_program_is_not_used() -> None:
    kernel = FakeKernel()
    kernel.nexthops[ID] = (3, 186)
    table = Table(kernel)
    table.adopt()
    table.want(a_class())
    assert kernel.nexthops == {ID: (3, 186), ID + 1: (1, PROTOCOL)}


def test_what_the_kernel_dropped_with_a_link_is_put_back() -> None:
    table = Table()
    table.adopt()
    table.want(a_class(prefixes=3))
    table.kernel.link_down(1)
    table.kernel.up.add(1)
    table.fib.interface_gone(1)
    table.clock.run()
    assert table.fib.installed(a_class(prefixes=3))
    assert table.kernel.interface_of(NET) == 1


def test_a_nexthop_that_vanished_unseen_is_found_missing_by_the_switch_and_made_anew() -> None:
    table = Table()
    table.adopt()
    table.want(a_class())
    table.kernel.link_down(1)
    moved = a_class(active="bandung/wireless")
    table.want(moved, run=False)
    table.fib.switch([moved])
    table.clock.run()
    assert table.kernel.interface_of(NET) == 2


def test_a_route_that_vanished_unseen_is_made_anew_when_it_should_be_replaced() -> None:
    table = Table()
    table.adopt()
    table.want(a_class("a"), a_class("b", "bandung/wireless", first=2))
    del table.kernel.routes[NET, 24, 100]
    table.want(replace(a_class("b", "bandung/wireless"), prefixes=("10.1.0.0/24", "10.2.0.0/24")))
    assert table.kernel.interface_of(NET) == 2
    assert table.problems == {}


def test_a_route_that_somebody_removed_is_found_by_the_audit() -> None:
    table = Table()
    table.adopt()
    table.want(a_class())
    del table.kernel.routes[NET, 24, 100]
    table.clock.run(40)
    assert table.kernel.interface_of(NET) == 1


def test_a_refusal_of_the_kernel_is_a_problem_until_it_works() -> None:
    table = Table(FakeKernel(up=()))
    table.adopt()
    table.want(a_class())
    assert f"the kernel refuses the IPv4 nexthop {ID} of class bandung" in table.problems[f"fib:nexthop:{ID}"].text
    assert table.kernel.interface_of(NET) is None or table.kernel.interface_of(NET) == 0
    table.kernel.up.add(1)
    table.clock.run(5)
    assert table.problems == {}
    assert table.kernel.interface_of(NET) == 1


def test_a_class_without_prefixes_any_more_leaves_nothing_behind() -> None:
    table = Table()
    table.adopt()
    table.want(a_class())
    table.want()
    assert (table.kernel.nexthops, table.kernel.routes) == ({}, {})


def test_a_prefix_that_changes_its_class_is_never_without_a_route() -> None:
    table = Table()
    table.adopt()
    table.want(a_class("a"), a_class("b", "bandung/wireless", first=2))
    table.kernel.history.clear()
    both = replace(a_class("b", "bandung/wireless"), prefixes=("10.1.0.0/24", "10.2.0.0/24"))
    table.want(both)
    assert table.kernel.history == ["put route 0a010000", f"delete nexthop {ID}"]


def test_a_class_that_is_only_renamed_keeps_its_nexthop() -> None:
    table = Table()
    table.adopt()
    table.want(a_class("a"))
    table.kernel.history.clear()
    table.want(a_class("b"))
    assert table.kernel.history == []


def test_a_reading_that_others_disturb_is_begun_again_but_not_for_ever() -> None:
    kernel = FakeKernel()
    kernel.interrupt = 3
    table = Table(kernel)
    table.fib.adopt(lambda: None)
    table.clock.run(0.2)
    assert kernel.dumps == 4
    kernel.interrupt = 1000
    kernel.dumps = 0
    table.fib.look_again()
    table.clock.run(1)
    assert kernel.dumps == 8


STEPS = st.one_of(
    st.tuples(
        st.just("want"),
        st.dictionaries(
            st.sampled_from("abc"),
            st.tuples(
                st.sampled_from(sorted(INTERFACES)),
                st.sets(st.sampled_from(["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/16", "2001:db8:1::/48"]), max_size=3),
            ),
        ),
    ),
    st.tuples(st.just("fail"), st.integers(1, 3)),
    st.tuples(st.just("link"), st.sampled_from([1, 2])),
    st.tuples(st.just("stolen"), st.sampled_from(["10.1.0.0/24", "2001:db8:1::/48"])),
    st.tuples(st.just("interrupted"), st.integers(1, 20)),
    st.tuples(st.just("time"), st.floats(0, 2)),
)


@given(st.lists(STEPS, max_size=12))
@settings(deadline=None, max_examples=60)
def test_whatever_is_wanted_and_whatever_fails_the_kernel_ends_as_wanted(steps: list[tuple[str, object]]) -> None:
    table = Table()
    table.kernel.routes[(*destination("10.3.0.0/16"), 100)] = (0, 4)
    table.adopt()
    wanted: dict[str, ForwardingClass] = {}
    for kind, value in steps:
        match kind, value:
            case "want", dict():
                wanted = _disjoint(value)
                table.want(*wanted.values(), run=False)
            case "fail", int():
                table.kernel.fail_next = value
            case "link", int():
                table.kernel.link_down(value)
                table.kernel.up.add(value)
                table.fib.interface_gone(value)
            case "interrupted", int():
                table.kernel.interrupt = value
            case "stolen", str():
                table.kernel.routes.pop((*destination(value), 100), None)
            case "time", float():
                table.clock.run(value)
    table.kernel.fail_next = 0
    table.want(*wanted.values())
    table.clock.run(120)
    assert table.kernel.routes[(*destination("10.3.0.0/16"), 100)] == (0, 4)
    expected = {
        destination(prefix): INTERFACES[str(each.active)]
        for each in wanted.values()
        for prefix in each.prefixes
        if prefix != "10.3.0.0/16"
    }
    for key in (destination("10.1.0.0/24"), destination("10.2.0.0/24")):
        assert table.kernel.interface_of(*key) == expected.get(key)
    ours = {number for number, (_on, protocol) in table.kernel.nexthops.items() if protocol == PROTOCOL}
    families = [{":" in prefix for prefix in each.prefixes} for each in wanted.values()]
    assert len(ours) == sum(map(len, families))
    assert table.kernel.interface_of(*destination("2001:db8:1::/48")) == expected.get(destination("2001:db8:1::/48"))


def _disjoint(value: dict[str, tuple[str, set[str]]]) -> dict[str, ForwardingClass]:
    taken: set[str] = set()
    classes = {}
    for name, (active, prefixes) in value.items():
        order = an_order(name, tuple(sorted(prefixes - taken)), tuple(INTERFACES), active)
        taken |= prefixes
        result = obey(order, None, {}, 0)
        assert isinstance(result, ForwardingClass)
        classes[name] = result
    return classes


def test_the_dump_of_nexthops_has_no_header_that_the_kernel_would_refuse() -> None:
    assert nexthops.dump()[16:] == b"\0" * 8
