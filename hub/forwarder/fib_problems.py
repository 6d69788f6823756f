"""What is wrong in the kernel's forwarding table, in words: what it refuses us, and what others have put in our way."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hub.forwarder import fib_plan
from hub.forwarder.fib_plan import RouteKey
from hub.forwarder.netlink.sockets import Failure
from hub.forwarder.problems import Problem

_PROTOCOL_NAMES = {
    1: "redirect", 2: "kernel", 3: "boot (typed by hand)", 4: "static", 9: "ra", 11: "zebra (FRR)", 12: "bird",
    16: "dhcp", 18: "keepalived", 42: "babel", 186: "bgp (FRR)", 187: "isis (FRR)", 188: "ospf (FRR)", 189: "rip (FRR)",
}  # fmt: skip


def refusal(key: int | RouteKey, failure: Failure, ids: Mapping[str, int]) -> Problem:
    """A nexthop or a route that the kernel refuses; `ids` are the pairs of nexthops of the classes."""
    if isinstance(key, int):
        pair = fib_plan.pair_of(key)
        name = next((name for name, number in ids.items() if number == pair), "no class")
        what = f"the {'IPv4' if key == pair else 'IPv6'} nexthop {key} of class {name}"
    else:
        what = f"the route to {fib_plan.prefix_text(key)}"
    mend = 'look at the interface of the tunnel with "ip addr"; it is tried again by itself'
    return Problem(problem_key(key), f"the kernel refuses {what}: {failure}", mend)


def in_our_way(
    foreign: Mapping[RouteKey, int], conflicts: Collection[RouteKey], wanted: Mapping[RouteKey, int]
) -> dict[str, Problem]:
    """Routes of others (by protocol) in the way of ours (same metric: `conflicts`), or before ours (a better one)."""
    problems = {}
    for key, protocol in foreign.items():
        in_the_way = key in conflicts
        before_ours = key[2] < fib_plan.ROUTE_METRIC and (*key[:2], fib_plan.ROUTE_METRIC) in wanted
        if in_the_way or before_ours:
            problem = _foreign_problem(key, protocol, in_the_way=in_the_way)
            problems[problem.key] = problem
    return problems


def _foreign_problem(key: RouteKey, protocol: int, *, in_the_way: bool) -> Problem:
    prefix, owner = fib_plan.prefix_text(key), _PROTOCOL_NAMES.get(protocol, str(protocol))
    what = "is in the way of ours" if in_the_way else "wins over ours"
    text = f"a route of another program to {prefix} (protocol {owner}, metric {key[2]}) {what}"
    command = f"ip route del {prefix}" if len(key[0]) == 4 else f"ip -6 route del {prefix} proto {protocol}"
    mend = f"remove it ({command} metric {key[2]}), or take {prefix} out of the branch's prefixes"
    return Problem(problem_key(key), text, mend)


def problem_key(key: int | RouteKey) -> str:
    """What a problem with a nexthop or a route is known by."""
    return f"fib:nexthop:{key}" if isinstance(key, int) else f"fib:route:{fib_plan.prefix_text(key)}:{key[2]}"
