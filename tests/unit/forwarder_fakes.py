"""Stand-ins for what the forwarder is given: a kernel that behaves like Linux, a clock moved by hand, an engine."""

from __future__ import annotations

import errno
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hub.control.lines import Message
from hub.forwarder.classes import Order
from hub.forwarder.fib_plan import PROTOCOL, RouteKey, family, family_of_id, table_of
from hub.forwarder.forwarder import Forwarder
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.model import LivenessReport, SessionMemory, State, Timers, TunnelSpec
from hub.forwarder.liveness.port import OnLiveness, OnPath, OnProblem
from hub.forwarder.netlink import nexthops, routes, rules, wire
from hub.forwarder.netlink.links import Link
from hub.forwarder.netlink.routes import MAIN_TABLE
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.netlink.sockets import DumpError, DumpInterruptedError, Failure
from hub.forwarder.steps import REST_NS


class FakeTimer:
    def __init__(self, when: int, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """Time stands still until `run` moves it."""

    def __init__(self) -> None:
        self.time = 1_000_000_000
        self._heap: list[tuple[int, int, FakeTimer]] = []
        self._count = 0

    def now(self) -> int:
        return self.time

    def call_at(self, when_ns: int, callback: Callable[[], None], /) -> FakeTimer:
        self._count += 1
        timer = FakeTimer(when_ns, callback)
        heapq.heappush(self._heap, (when_ns, self._count, timer))
        return timer

    def run(self, seconds: float = 0.0) -> None:
        """Call back all that is due within so many seconds from now, and what rests only between two slices."""
        end = self.time + round(seconds * 1e9)
        for _ in range(100_000):
            if not self._heap or self._heap[0][0] > max(end, self.time + REST_NS):
                self.time = max(end, self.time)
                return
            when, _count, timer = heapq.heappop(self._heap)
            self.time = max(self.time, when)
            if timer.callback:
                timer.callback()
        raise AssertionError("the timers never come to rest")


class FakeKernel:
    """Nexthops, routes and rules as Linux keeps them, with its refusals; `interrupt` so many dumps of nexthops."""

    def __init__(self, up: Iterable[int] = (1, 2, 3)) -> None:
        self.up = set(up)
        self.nexthops: dict[int, tuple[int, int]] = {}
        self.routes: dict[RouteKey, tuple[int, int]] = {}
        self.beside: dict[RouteKey, tuple[int, int]] = {}
        """Routes of others with the destination and metric of one in `routes`, as IPv6 has them by "append"."""
        self.rules: list[Rule] = []
        self.no_rules = False
        """Made without CONFIG_IP_MULTIPLE_TABLES."""
        self.sends: list[list[bytes]] = []
        self.history: list[str] = []
        self.fail_next = 0
        self.interrupt = 0
        self.dumps = 0

    # As the socket

    def send(self, requests: Sequence[bytes]) -> list[Failure]:
        self.sends.append(list(requests))
        failures = []
        for index, request in enumerate(requests):
            code = self._one(request)
            if code:
                failures.append(Failure(index, code, ""))
        return failures

    def dump(self, request: bytes, _piece: int = 0) -> Iterator[list[tuple[int, bytes]]]:
        kind, asked = wire.HEADER.unpack_from(request)[1], request[wire.HEADER.size]
        if kind == rules.GET:
            if self.no_rules:
                raise DumpError(errno.EOPNOTSUPP, "Operation not supported")
            found = [rules.put(rule) for rule in self.rules if rule.family == asked]
            yield [(wire.HEADER.unpack_from(each)[1], each[16:]) for each in found]
            return
        if kind == nexthops.GET:
            self.dumps += 1
            found = [
                nexthops.put(family_of_id(number), nexthops.Nexthop(number, interface, protocol), 0)
                for number, (interface, protocol) in self.nexthops.items()
            ]
        else:
            wanted = routes.decode(request[16:])
            assert wanted is not None
            found = [
                routes.put(asked, routes.Route(*key[:3], nexthop, protocol, table_of(key)), 0)
                for key, (nexthop, protocol) in [*self.routes.items(), *self.beside.items()]
                if family(key[0]) == asked and table_of(key) == wanted.table
            ]
            if not found and wanted.table != MAIN_TABLE:
                raise DumpError(errno.ENOENT, "FIB table does not exist")
        for start in range(0, len(found), 3):
            yield [(wire.HEADER.unpack_from(each)[1], each[16:]) for each in found[start : start + 3]]
        if kind == nexthops.GET and self.interrupt:
            self.interrupt -= 1
            raise DumpInterruptedError(errno.EINTR, "changed")

    def _one(self, request: bytes) -> int:
        _length, kind, flags, _sequence, _port = wire.HEADER.unpack_from(request)
        if self.fail_next:
            self.fail_next -= 1
            return errno.ENOBUFS
        if kind in (nexthops.NEW, nexthops.DELETE):
            nexthop = nexthops.decode(request[16:])
            assert nexthop is not None
            assert kind == nexthops.DELETE or request[16] == family_of_id(nexthop.id), "another family than the id says"
            return self._put_nexthop(nexthop, flags) if kind == nexthops.NEW else self._delete_nexthop(nexthop.id)
        if kind in (rules.NEW, rules.DELETE):
            decoded = rules.decode(request[16:])
            assert decoded is not None
            return self._rule(decoded[0], deleted=kind == rules.DELETE)
        route = routes.decode(request[16:])
        assert route is not None
        assert request[16] == family(route.destination)
        return self._put_route(route, flags) if kind == routes.NEW else self._delete_route(route)

    def _rule(self, rule: Rule, *, deleted: bool) -> int:
        if self.no_rules:
            return errno.EOPNOTSUPP
        if deleted == (rule not in self.rules):
            return errno.ENOENT if deleted else errno.EEXIST
        assert rule.protocol == PROTOCOL, "a rule that is not marked as ours"
        (self.rules.remove if deleted else self.rules.append)(rule)
        self.history.append(f"{'delete' if deleted else 'put'} rule {rule.source.hex()}")
        return 0

    def _put_nexthop(self, nexthop: nexthops.Nexthop, flags: int) -> int:
        there = nexthop.id in self.nexthops
        if there and flags & wire.EXCLUSIVE:
            return errno.EEXIST
        if not there and not flags & wire.CREATE:
            return errno.ENOENT
        if nexthop.interface not in self.up:
            return errno.ENETDOWN
        assert not there or self.nexthops[nexthop.id][1] == PROTOCOL, "replaced somebody else's nexthop"
        self.nexthops[nexthop.id] = (nexthop.interface, nexthop.protocol)
        self.history.append(f"put nexthop {nexthop.id}")
        return 0

    def _delete_nexthop(self, number: int) -> int:
        if number not in self.nexthops:
            return errno.ENOENT
        assert self.nexthops[number][1] == PROTOCOL, "deleted somebody else's nexthop"
        self._remove_nexthop(number)
        self.history.append(f"delete nexthop {number}")
        return 0

    def _put_route(self, route: routes.Route, flags: int) -> int:
        key = _key(route)
        there = key in self.routes
        if there and flags & wire.EXCLUSIVE:
            return errno.EEXIST
        if not there and not flags & wire.CREATE:
            return errno.ENOENT
        if route.nexthop and route.nexthop not in self.nexthops:
            return errno.EINVAL
        if route.nexthop and family_of_id(route.nexthop) != family(route.destination):
            return errno.EINVAL
        assert key not in self.beside or flags & wire.EXCLUSIVE, "may replace somebody else's route"
        assert not there or self.routes[key][1] == PROTOCOL, "replaced somebody else's route"
        self.routes[key] = (route.nexthop, route.protocol)
        self.history.append(f"put route {key[0].hex()}")
        return 0

    def _delete_route(self, route: routes.Route) -> int:
        key = _key(route)
        if self.routes.get(key) != (route.nexthop, route.protocol):
            return errno.ESRCH
        del self.routes[key]
        self.history.append(f"delete route {key[0].hex()}")
        return 0

    def _remove_nexthop(self, number: int) -> None:
        del self.nexthops[number]
        self.routes = {key: value for key, value in self.routes.items() if value[0] != number}

    # As the world

    def link_down(self, interface: int) -> None:
        """The kernel deletes the nexthops of the interface and their routes, and says nothing."""
        self.up.discard(interface)
        for number in [number for number, (on, _protocol) in self.nexthops.items() if on == interface]:
            self._remove_nexthop(number)

    def interface_of(self, prefix: bytes, length: int = 24) -> int | None:
        """Where packets to a prefix go: an interface, 0 for unreachable, None for the default route."""
        same = {key: value for key, value in self.routes.items() if key[:2] == (prefix, length) and len(key) == 3}
        found = sorted((key[2], value[0]) for key, value in same.items())
        if not found:
            return None
        return self.nexthops[found[0][1]][0] if found[0][1] else 0


def _key(route: routes.Route) -> RouteKey:
    key = (route.destination, route.length, route.metric)
    return key if route.table == MAIN_TABLE else (*key, route.table)


class FakeEngine:
    """A liveness engine that says what the test says."""

    def __init__(self, on_liveness: OnLiveness, on_path: OnPath, on_problem: OnProblem) -> None:
        self.on_liveness, self.on_path, self.on_problem = on_liveness, on_path, on_problem
        self.counters: Counter[str] = Counter()
        self.tunnels: dict[str, LivenessReport] = {}
        self.calls: list[tuple[object, ...]] = []

    def set_tunnels(self, tunnels: Sequence[TunnelSpec], remembered: Mapping[str, SessionMemory] | None = None) -> None:
        self.calls.append(("tunnels", tuple(spec.name for spec in tunnels), dict(remembered or {})))
        self.tunnels = {spec.name: self.tunnels.get(spec.name, a_report(spec.name, "unknown")) for spec in tunnels}

    def set_carrying(self, names: frozenset[str]) -> None:
        self.calls.append(("carrying", names))

    def set_probe(self, source: str | None, source6: str | None) -> None:
        self.calls.append(("probe", source, source6))

    def look(self, branches: frozenset[str]) -> None:
        self.calls.append(("look", branches))

    def burst(self, order: BurstOrder) -> None:
        self.calls.append(("burst", order))

    def link_changed(self, interface: str, up: bool) -> None:
        self.calls.append(("link", interface, up))

    def reports(self) -> list[LivenessReport]:
        return list(self.tunnels.values())

    def memory(self) -> dict[str, SessionMemory]:
        return {name: SessionMemory(report.state, 1, report.reason) for name, report in self.tunnels.items()}

    def say(self, tunnel: str, state: State, reason: str = "silent for 151 ms") -> None:
        """A tunnel is now in this state."""
        self.tunnels[tunnel] = a_report(tunnel, state, reason)
        self.on_liveness(self.tunnels[tunnel])


class World:
    """A forwarder with a kernel, a clock and an engine, and all that it says."""

    def __init__(self, kernel: FakeKernel | None = None, clock: FakeClock | None = None) -> None:
        self.kernel, self.clock = kernel or FakeKernel(), clock or FakeClock()
        self.told: list[Message] = []
        self.order: list[str] = []
        self.logged: list[str] = []
        self.stops = 0
        self.counted: list[Mapping[str, str]] = []
        self.forwarder = Forwarder(
            self.clock,
            self,
            self.kernel,
            self._engine,
            tell=self._tell,
            log=self.logged.append,
            changed=lambda: self.order.append("save"),
            stop=self._stop,
            count=self.counted.append,
        )
        self.forwarder.interfaces.replace([Link(index, f"t{index}", index in self.kernel.up) for index in (1, 2, 3)])

    def send(self, requests: Sequence[bytes]) -> list[Failure]:
        self.order.append("kernel")
        return self.kernel.send(requests)

    def _engine(self, on_liveness: OnLiveness, on_path: OnPath, on_problem: OnProblem) -> FakeEngine:
        self.engine = FakeEngine(on_liveness, on_path, on_problem)
        return self.engine

    def _tell(self, messages: Iterable[Message]) -> None:
        messages = list(messages)
        self.told += messages
        self.order += [next(iter(message)) for message in messages]

    def _stop(self) -> None:
        self.stops += 1

    def link_down(self, index: int) -> None:
        self.kernel.link_down(index)
        self.forwarder.links_changed(self.forwarder.interfaces.changed(Link(index, f"t{index}", up=False)))
        self.clock.run()

    def link_up(self, index: int) -> None:
        self.kernel.up.add(index)
        self.forwarder.links_changed(self.forwarder.interfaces.changed(Link(index, f"t{index}", up=True)))
        self.clock.run()

    def said(self, kind: str) -> list[Message]:
        """All messages of a kind, newest last."""
        return [message[kind] for message in self.told if kind in message]


FAST = Timers("bfd", 50_000_000, 3)


def a_tunnel(name: str, interface: str, *, ipv6: bool = False) -> TunnelSpec:
    branch = name.partition("/")[0]
    links6 = ("fd00::", "fd00::1") if ipv6 else (None, None)
    return TunnelSpec(name, branch, interface, "10.255.0.0", "10.255.0.1", "telkom", "telkom", FAST, FAST, *links6)


def a_report(tunnel: str, state: State, reason: str = "not heard of yet") -> LivenessReport:
    return LivenessReport(tunnel, state, 7, True, reason, None, None)


def an_order(
    name: str = "bandung",
    prefixes: tuple[str, ...] = ("10.1.0.0/24",),
    order: tuple[str, ...] = ("bandung/fiber", "bandung/wireless"),
    active: str | None = "bandung/fiber",
    epoch: int = 0,
) -> Order:
    return Order(name, name, prefixes, order, active, "wanted", epoch)
