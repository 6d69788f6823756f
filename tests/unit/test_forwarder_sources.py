"""Classes for packets from one prefix of the hub: their tables and rules, and what of others is in their way."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace

import pytest
from forwarder_fakes import FakeKernel
from forwarder_table import ID, NET, Table, a_class
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.classes import ForwardingClass
from hub.forwarder.fib_plan import PROTOCOL, KernelState, Key, destination, done, plan
from hub.forwarder.fib_sources import FIRST_TABLE, LAST_TABLE, rule_of
from hub.forwarder.netlink import rules, wire
from hub.forwarder.netlink.rules import Rule
from hub.source_priorities import FIRST_PRIORITY, LAST_PRIORITY

SERVERS, LAN, SERVERS6 = "10.0.10.0/24", "10.0.0.0/16", "2001:db8:0:10::/64"
STATIC = 4
TABLE = FIRST_TABLE
NET6 = destination("2001:db8:1::/48")


def from_servers(*sources: str, name: str = "special", active: str = "bandung/wireless") -> ForwardingClass:
    return replace(a_class(name, active), sources=sources or (SERVERS,))


def foreign(source: str, table: int, priority: int) -> Rule:
    return replace(rule_of(source, table), priority=priority, protocol=STATIC)


def adopted(kernel: FakeKernel | None = None) -> Table:
    table = Table(kernel)
    table.adopt()
    return table


def in_table(kernel: FakeKernel, table: int = TABLE) -> dict[Key, tuple[int, int]]:
    return {key: value for key, value in kernel.routes.items() if len(key) == 4 and key[3] == table}


def test_a_class_with_a_source_is_a_table_and_a_rule_and_nothing_in_the_main_table() -> None:
    table = adopted()
    table.want(a_class(), from_servers())
    assert table.kernel.interface_of(NET) == 1
    assert in_table(table.kernel) == {(NET, 24, 100, TABLE): (ID + 1, PROTOCOL)}
    assert table.kernel.rules == [Rule(*destination(SERVERS), TABLE, FIRST_PRIORITY + 8, PROTOCOL)]
    assert table.fib.installed(from_servers())


def test_a_source_is_for_the_prefixes_of_its_own_ip_version() -> None:
    table = adopted()
    table.want(replace(from_servers(SERVERS, SERVERS6), prefixes=("10.1.0.0/24", "2001:db8:1::/48")))
    assert in_table(table.kernel) == {(NET, 24, 100, TABLE): (ID, PROTOCOL)}
    assert in_table(table.kernel, TABLE + 1) == {(*NET6, 100, TABLE + 1): (ID + 0x8000, PROTOCOL)}
    assert [rule.priority for rule in table.kernel.rules] in ([11_208, 11_264], [11_264, 11_208])
    table.want(from_servers(SERVERS6))
    assert table.kernel.rules == []


@pytest.mark.parametrize(
    ("first", "second"),
    [("10.0.10.0/24", "10.0.0.0/16"), ("10.0.10.5/32", "10.0.10.0/24"), ("10.0.0.0/8", "0.0.0.0/0"),
     ("2001:db8::1/128", "2001:db8::/127"), ("2001:db8::/48", "::/0")],
)  # fmt: skip
def test_a_longer_source_comes_first_and_all_come_before_the_main_table(first: str, second: str) -> None:
    assert FIRST_PRIORITY <= rule_of(first, 1).priority < rule_of(second, 1).priority <= LAST_PRIORITY < 32766


def test_the_routes_are_made_before_the_rule_and_the_rule_goes_before_them() -> None:
    table = adopted()
    table.want(a_class())
    table.kernel.history.clear()
    table.want(a_class(), from_servers())
    assert [event.split()[1] for event in table.kernel.history] == ["nexthop", "route", "rule"]
    table.kernel.history.clear()
    table.want(a_class())
    assert [" ".join(event.split()[:2]) for event in table.kernel.history] == [
        "delete rule",
        "delete route",
        "delete nexthop",
    ]


def test_a_rule_is_not_even_sent_before_its_routes_are_there() -> None:
    class Refusing(FakeKernel):
        def send(self, requests: Sequence[bytes]) -> list[object]:  # type: ignore[override]
            kinds = {wire.HEADER.unpack_from(request)[1] for request in requests}
            assert kinds <= {rules.NEW, rules.DELETE} or not kinds & {rules.NEW, rules.DELETE}
            return super().send(requests)  # type: ignore[return-value]

    kernel = Refusing()
    table = adopted(kernel)
    table.want(a_class())
    kernel.fail_next = 2  # the nexthop and the route of the class with a source
    table.want(a_class(), from_servers())
    assert kernel.rules == []
    assert "the kernel refuses the route to 10.1.0.0/24 in table 112000" in str([*table.problems.values()])
    table.clock.run(2)
    assert len(kernel.rules) == 1


def test_a_class_of_a_source_moves_with_one_message() -> None:
    table = adopted()
    table.want(a_class(), from_servers(SERVERS, LAN))
    table.kernel.sends.clear()
    moved = from_servers(SERVERS, LAN, active="bandung/fiber")
    table.want(a_class(), moved, run=False)
    table.fib.switch([moved])
    table.clock.run()
    assert [len(send) for send in table.kernel.sends] == [1]
    assert table.fib.installed(moved)


def test_a_class_without_a_usable_interface_keeps_its_rule_and_falls_through() -> None:
    table = adopted()
    table.want(a_class(), from_servers())
    table.kernel.link_down(2)
    table.fib.interface_gone(2)
    table.want(a_class(), from_servers(active="nowhere"))
    assert in_table(table.kernel) == {}
    assert len(table.kernel.rules) == 1
    assert not table.fib.installed(from_servers(active="nowhere"))


def kernel_with_ours(table: int = TABLE + 3) -> FakeKernel:
    kernel = FakeKernel()
    kernel.nexthops = {ID + 7: (1, PROTOCOL), ID + 8: (2, PROTOCOL)}
    unreachable = {(NET, 24, 0xFFFFFFFF): (0, PROTOCOL)}
    kernel.routes = {(NET, 24, 100): (ID + 7, PROTOCOL), (NET, 24, 100, table): (ID + 8, PROTOCOL), **unreachable}
    kernel.rules = [rule_of(SERVERS, table)]
    return kernel


@pytest.mark.parametrize("saved", [{}, {SERVERS: TABLE + 3}, {SERVERS: TABLE + 9}, {LAN: TABLE + 3}, {SERVERS: 17}])
def test_what_an_earlier_process_made_is_adopted_without_a_change_whatever_the_state_file_says(
    saved: dict[str, int],
) -> None:
    kernel = kernel_with_ours()
    table = Table(kernel)
    classes = {each.name: each for each in (from_servers(), a_class())}
    table.fib.remember(classes, {}, saved)
    table.adopt()
    assert kernel.history == []
    for sweep in (False, True):
        table.want(from_servers(), a_class(), sweep=sweep)
    assert kernel.history == []
    assert table.fib.tables == {SERVERS: TABLE + 3}
    assert table.fib.ids == {"special": ID + 8, "bandung": ID + 7}
    assert table.fib.installed(from_servers())


def test_leftovers_are_removed_only_after_a_whole_order_and_their_tables_are_not_used_before() -> None:
    kernel = kernel_with_ours(TABLE)
    kernel.rules = [rule_of("10.0.77.0/24", TABLE)]
    kernel.routes[NET, 16, 100, TABLE + 1] = (0, PROTOCOL)
    table = adopted(kernel)
    table.want(a_class(), from_servers(), sweep=False)
    assert table.fib.tables == {SERVERS: TABLE + 2}
    assert rule_of("10.0.77.0/24", TABLE) in kernel.rules
    table.want(a_class(), from_servers())
    assert kernel.rules == [rule_of(SERVERS, TABLE + 2)]
    assert in_table(kernel) == in_table(kernel, TABLE + 1) == {}


def test_a_table_that_is_given_up_is_used_again_only_when_it_is_found_empty() -> None:
    table = adopted()
    table.want(from_servers(SERVERS))
    table.want(from_servers(LAN))
    assert table.fib.tables == {LAN: TABLE + 1}
    table.clock.run(31)
    table.want(from_servers(LAN, SERVERS))
    assert table.fib.tables == {LAN: TABLE + 1, SERVERS: TABLE}


@pytest.mark.parametrize("whose", ["rule", "route"])
def test_a_table_that_another_program_uses_is_left_to_it(whose: str) -> None:
    kernel = FakeKernel()
    if whose == "rule":
        kernel.rules = [foreign("10.9.0.0/16", TABLE, 500)]
    else:
        kernel.routes[NET, 25, 0, TABLE] = (0, STATIC)
    table = adopted(kernel)
    table.want(from_servers())
    assert table.fib.tables == {SERVERS: TABLE + 1}
    assert table.problems == {}


def test_a_rule_that_somebody_deletes_is_put_back_at_once() -> None:
    table = adopted()
    table.want(from_servers())
    table.kernel.rules.clear()
    table.fib.rule_changed(rule_of(SERVERS, TABLE), gone=True)
    assert not table.fib.installed(from_servers())
    table.clock.run()
    assert table.kernel.rules == [rule_of(SERVERS, TABLE)]


def test_a_rule_that_vanished_unseen_is_found_by_the_audit() -> None:
    table = adopted()
    table.want(from_servers())
    table.kernel.rules.clear()
    table.clock.run(31)
    assert table.kernel.rules == [rule_of(SERVERS, TABLE)]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (foreign(SERVERS, 77, FIRST_PRIORITY), True),
        (foreign(SERVERS, 77, FIRST_PRIORITY + 8), True),
        (foreign("10.0.0.0/8", 77, FIRST_PRIORITY), True),
        (foreign("10.0.10.7/32", 77, FIRST_PRIORITY), True),
        (foreign(SERVERS, 77, FIRST_PRIORITY + 9), False),
        (foreign("10.0.11.0/24", 77, FIRST_PRIORITY), False),
        (foreign(SERVERS6, 77, FIRST_PRIORITY), False),
        (foreign(SERVERS, 77, 500), False),  # not among ours: the doctor looks what its table has
    ],
)
def test_a_rule_of_another_program_before_ours_is_named_and_left_alone(other: Rule, named: bool) -> None:
    table = adopted()
    table.want(from_servers())
    table.kernel.rules.append(other)
    table.fib.rule_changed(other, gone=False)
    table.clock.run(1 if named else 31)
    assert [problem.key.startswith("fib:foreign-rule:4") for problem in table.problems.values()] == [True] * named
    table.kernel.rules.remove(other)
    table.fib.rule_changed(other, gone=True)
    table.clock.run(2)
    assert table.problems == {}
    assert table.kernel.rules == [rule_of(SERVERS, TABLE)]


def test_where_the_kernel_takes_anothers_rule_for_ours_it_is_named_and_ours_comes_after_it() -> None:
    kernel = FakeKernel()
    theirs = foreign(SERVERS, TABLE, FIRST_PRIORITY + 8)
    table = adopted(kernel)
    kernel.rules = [theirs]
    one, refused = from_servers(), [errno.EEXIST]
    real = kernel._rule
    kernel._rule = lambda rule, *, deleted: refused[0] or real(rule, deleted=deleted)  # type: ignore[method-assign]
    table.want(one)
    table.clock.run(31)
    assert kernel.rules == [theirs]
    assert "from 10.0.10.0/24 lookup 112000, protocol static" in next(iter(table.problems.values())).text
    refused[0] = 0
    kernel.rules.clear()
    table.clock.run(62)
    assert kernel.rules == [rule_of(SERVERS, TABLE)]
    assert table.problems == {}


def test_a_route_of_another_program_in_our_table_is_named_and_left_alone() -> None:
    table = adopted()
    table.want(from_servers())
    table.kernel.routes[NET, 25, 0, TABLE] = (0, STATIC)
    table.kernel.routes[NET6[0], 48, 1024, TABLE] = (0, STATIC)
    table.clock.run(31)
    (problem,) = table.problems.values()
    assert "in table 112000, which is for packets from 10.0.10.0/24: 2, such as 10.1.0.0/25" in problem.text
    table.want(a_class())
    table.clock.run(31)
    assert set(in_table(table.kernel)) == {(NET, 25, 0, TABLE), (NET6[0], 48, 1024, TABLE)}
    assert table.problems == {}


def test_a_table_that_another_program_took_unseen_is_changed_for_another() -> None:
    table = adopted()
    table.kernel.routes[NET, 24, 100, TABLE] = (0, STATIC)
    table.want(from_servers())
    table.clock.run(1)
    assert table.fib.tables == {SERVERS: TABLE + 1}
    assert table.fib.installed(from_servers())
    assert table.kernel.routes[NET, 24, 100, TABLE] == (0, STATIC)


def test_a_route_of_another_program_in_the_place_of_ours_is_named_with_its_table() -> None:
    table = adopted()
    table.want(from_servers())
    table.kernel.routes[NET, 24, 100, TABLE] = (0, STATIC)
    table.clock.run(31)
    texts = " ".join(problem.text + problem.mend for problem in table.problems.values())
    assert "a route of another program to 10.1.0.0/24 in table 112000 (protocol static, metric 100) is in" in texts
    assert "ip route del 10.1.0.0/24 table 112000 metric 100" in texts
    assert table.kernel.routes[NET, 24, 100, TABLE] == (0, STATIC)


def test_a_kernel_without_rules_is_a_problem_and_everything_else_goes_on() -> None:
    kernel = FakeKernel()
    kernel.no_rules = True
    table = adopted(kernel)
    table.want(a_class(), from_servers())
    assert kernel.interface_of(NET) == 1
    assert "the kernel refuses the rule priority 11208, from 10.0.10.0/24" in str(table.problems)
    assert not table.fib.installed(from_servers())


def test_sources_for_which_no_table_is_left_are_named() -> None:
    kernel = FakeKernel()
    kernel.rules = [foreign("10.9.0.0/16", number, 500) for number in range(FIRST_TABLE, LAST_TABLE)]
    table = adopted(kernel)
    table.want(from_servers(LAN), from_servers(SERVERS, name="other"))
    assert table.fib.tables == {LAN: LAST_TABLE}
    assert "no routing table is left for packets from 10.0.10.0/24" in str(table.problems)
    table.want(from_servers(LAN))
    assert table.problems == {}


SOME_RULES = st.sets(st.builds(rule_of, st.sampled_from([SERVERS, LAN, SERVERS6]), st.integers(TABLE, TABLE + 2)))
SOME_ROUTES = st.dictionaries(
    st.tuples(st.just(NET), st.sampled_from([16, 24]), st.just(100), st.integers(TABLE, TABLE + 2)), st.just(ID)
)
STATES = st.builds(KernelState, st.just({ID: 1}), SOME_ROUTES, SOME_RULES)


@given(STATES, STATES)
def test_carrying_out_the_plan_leads_to_what_is_wanted_and_no_rule_meets_half_a_table(
    want: KernelState, have: KernelState
) -> None:
    new, old = want.rules - have.rules, have.rules - want.rules
    before = dict(have.routes)
    changes = plan(want, have, frozenset(), sweep=True)
    while changes:
        operations = changes.take(have, 3)
        assert len({isinstance(each.key, Rule) for each in operations}) == 1
        for operation in operations:
            done(operation, have)
            assert not have.rules & new or want.routes.items() <= have.routes.items()
            assert not have.rules & old or before.keys() <= have.routes.keys()
    assert (have.routes, have.rules) == (want.routes, want.rules)
