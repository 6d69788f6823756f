"""Keeps our part of the kernel's forwarding table as it is wanted: adopt, switch, reconcile, audit.

`have` is read from the kernel and then followed; an audit reads it anew. A switch is one message a class, at once,
for all classes of one death together. Everything else is done in slices, so that no BFD packet waits for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

from hub.forwarder import fib_plan, fib_problems, fib_sources
from hub.forwarder.classes import ForwardingClass
from hub.forwarder.fib_audit import AUDIT_SOON_NS, RETRY_NS, Audits, Clock, Timer
from hub.forwarder.fib_numbers import Numbers
from hub.forwarder.fib_plan import Gateways, KernelState, Key, Operation, Plan, RouteKey, Wanted, no_gateways
from hub.forwarder.fib_problems import problem_key, refusal
from hub.forwarder.fib_reading import Dumps, Reading
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.netlink.sockets import MOST_DUMPS, DumpError, DumpInterruptedError, Failure
from hub.forwarder.problems import Problem
from hub.forwarder.steps import REST_NS, SLICE_NS, Steps, slice_of

FEW_ROUTES = 100
"""Whose notifications take less than a millisecond."""
SLICE, PART = 250, 50
"""Operations in one go, some 2 ms, and in one send; the kernel takes far longer now and then, as its table grows."""


class Kernel(Protocol):
    """What the table needs to change it; see `hub.forwarder.netlink.sockets.Requests`."""

    def send(self, requests: Sequence[bytes]) -> list[Failure]:
        """Carry out changes; what was refused is returned."""
        ...


class Fib:
    """A Fib is our part of the forwarding table. `kernel` changes it, `auditor` (another socket) reads it.

    `on_settled` is called after every change that a slice or an audit made; `on_problems` with all that is wrong
    in the table now, keys beginning with `fib:`; within `silenced` the kernel tells nobody of routes that move.
    """

    def __init__(
        self,
        clock: Clock,
        kernel: Kernel,
        auditor: Dumps,
        on_settled: Callable[[], None],
        on_problems: Callable[[str, dict[str, Problem]], None],
        silenced: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._clock = clock
        self._silenced = silenced
        self._kernel = kernel
        self._auditor = auditor
        self._on_settled = on_settled
        self._on_problems = on_problems
        self.have = KernelState()
        self.gateway_of: Gateways = no_gateways
        self._numbers = Numbers()
        self._classes: Mapping[str, ForwardingClass] = {}
        self._unreachable: tuple[str, ...] = ()
        self._interface_of: Callable[[str], int] = lambda _tunnel: 0
        self._read = Reading()
        self._refused: dict[str, Problem] = {}
        self._conflicts: set[Key] = set()
        self._queue: Plan | None = None
        self._planning: Steps[None] | None = None
        self._in_place: dict[RouteKey, int] | None = None
        self._untold = False
        self._make_wanted = Wanted()
        self._sweep = False
        self._adopting = True
        self._adopted: Callable[[], None] | None = None
        self._changes = 0
        self._slice_timer: Timer | None = None
        self._audits = Audits(clock, self._audit, self._cannot_read)
        self._interruptions = 0

    # What is wanted

    @property
    def ids(self) -> Mapping[str, int]:
        """The pair of nexthops of each class."""
        return self._numbers.ids

    @property
    def tables(self) -> Mapping[str, int]:
        """The routing table of each source."""
        return self._numbers.tables

    def remember(
        self, classes: Mapping[str, ForwardingClass], ids: Mapping[str, int], tables: Mapping[str, int] | None = None
    ) -> None:
        """Before adoption: believe that the nexthops of the state file are there, so that a death that comes first is
        answered at once. Should one be missing, the kernel says so and the adoption mends it."""
        self._numbers.remember(classes, ids, tables or {})
        pairs = [fib_plan.nexthop_ids(pair, classes[name].prefixes) for name, pair in self.ids.items()]
        self.have.nexthops = {number: 0 for pair in pairs for number in pair}

    def adopt(self, then: Callable[[], None]) -> None:
        """Read what is in the kernel, in slices, change nothing, and call back."""
        self._adopted = then
        self._audits.after(0)

    def want(
        self,
        classes: Mapping[str, ForwardingClass],
        interface_of: Callable[[str], int],
        unreachable: tuple[str, ...],
        *,
        sweep: bool,
    ) -> None:
        """What the kernel should hold from now on; the work is done in slices.

        `interface_of` a tunnel is 0 when it has none that can carry routes. `sweep` allows to drop what is ours and
        not wanted.
        """
        self._classes, self._interface_of, self._unreachable = classes, interface_of, unreachable
        self._sweep = sweep
        self._assign_numbers()
        self._plan_anew()

    def switch(self, moved: Iterable[ForwardingClass]) -> None:
        """Send each class over its active tunnel now: one message for each of its nexthops, all in one send."""
        operations, behind = [], 0
        for each in moved:
            behind += len(each.prefixes) * max(1, len(each.sources))
            interface = self._interface_of(each.active) if each.active else 0
            numbers = self.nexthops_of(each) if interface else ()
            there = [number for number in numbers if self.have.nexthops.get(number, interface) != interface]
            operations += [Operation(number, interface) for number in there]
        if operations:
            with self._silenced() if behind > FEW_ROUTES else nullcontext():
                self._carry_out(operations)
        self._plan_anew()

    def interface_gone(self, interface: int) -> None:
        """The kernel deleted the nexthops on this interface and the routes behind them, without saying so."""
        for number in [number for number, on in self.have.nexthops.items() if on == interface]:
            self.have.forget_nexthop(number)
        self._changes += 1
        self._in_place = None
        self._plan_anew()

    def nexthop_gone(self, nexthop_id: int) -> None:
        """Somebody else deleted a nexthop."""
        if nexthop_id in self.have.nexthops:
            self.have.forget_nexthop(nexthop_id)
            self._changes += 1
            self._in_place = None
            self._plan_anew()

    def rule_changed(self, rule: Rule, *, gone: bool) -> None:
        """Somebody else deleted a rule, or made one."""
        if gone and rule in self.have.rules:
            self.have.rules.discard(rule)
            self._changes += 1
            self._plan_anew()
        elif fib_sources.concerns_us(rule):
            self.look_again()

    def look_again(self) -> None:
        """Something may have changed behind our back: read the table soon."""
        self._audits.after(AUDIT_SOON_NS)

    def nexthops_of(self, each: ForwardingClass) -> tuple[int, ...]:
        """The ids of a class: one for each IP version that it has prefixes of."""
        pair = self.ids.get(each.name)
        return self._make_wanted.nexthops(each, pair) if pair is not None else ()

    def interface_in_kernel(self, name: str) -> int:
        """The interface that the kernel has for a class; 0 when there is none."""
        pair = self.ids.get(name, 0)
        there = self.have.nexthops
        return there.get(pair) or there.get(pair + fib_plan.IPV6_OFFSET, 0)

    def switched(self, each: ForwardingClass) -> bool:
        """Whether the nexthops of a class are on its active tunnel, wherever its routes are."""
        interface = self._interface_of(each.active) if each.active else 0
        pair = self.ids.get(each.name)
        if not interface or pair is None:
            return False
        return all(self.have.nexthops.get(number) == interface for number in self.nexthops_of(each))

    def installed(self, each: ForwardingClass) -> bool:
        """Whether the kernel sends all prefixes of a class over its active tunnel."""
        rules = self._numbers.rules_of(each)
        if not self.switched(each) or rules is None or not rules <= self.have.rules:
            return False
        pair, tables, routes = self.ids[each.name], self._numbers.tables_of(each), self.have.routes
        made = self._make_wanted.made(each, pair, tables)
        if made is None:  # it is another than before: all its routes are there when it is settled
            few = len(each.prefixes) * max(1, len(each.sources)) <= fib_plan.LOOKED_AT
            return few and fib_plan.routes_of(each.prefixes, pair, tables).items() <= routes.items()
        if self._in_place is self._make_wanted.routes and self._make_wanted.includes(made, each.name):
            return True
        return len(made.routes) <= len(routes) and made.routes.items() <= routes.items()

    def _assign_numbers(self) -> None:
        before = self._numbers.without
        self._numbers.assign(self._classes, self.have)
        self._untold = self._untold or before != self._numbers.without

    # Changing the kernel

    def _continue_at(self, when_ns: int) -> None:
        if self._slice_timer is None and not self._adopting:
            self._slice_timer = self._clock.call_at(when_ns, self._next_slice)

    def _plan_anew(self) -> None:
        """What is wanted or there has changed: whatever was planned holds no more."""
        self._queue = self._planning = None
        self._continue_at(self._clock.now())

    def _next_slice(self) -> None:
        self._slice_timer = None
        if self._queue is None:
            if self._planning is None:
                self._planning = self._plan()
            if slice_of(self._planning, self._clock.now):
                self._continue_at(self._clock.now() + REST_NS)
                return
        if self._queue is None:
            return
        some = self._work_off(self._queue)
        if self._queue:
            self._continue_at(self._clock.now() + REST_NS)
            return
        if self._queue is not None and self._sweep and not self._conflicts and not self._refused:
            self._in_place = self._queue.want.routes
        if some:
            self._clock.call_at(self._clock.now(), self._settled)
        elif self._untold:
            self._tell_problems()

    def _work_off(self, queue: Plan) -> bool:
        """The next operations of the plan, until something fails or a slice is over; whether there was one."""
        end, done = self._clock.now() + SLICE_NS, 0
        while self._queue is queue and queue and done < SLICE and (not done or self._clock.now() < end):
            part = queue.take(self.have, PART)
            self._carry_out(part)
            done += len(part)
        return done > 0

    def _plan(self) -> Steps[None]:
        numbers, classes = self._numbers, self._classes.values()
        want = yield from self._make_wanted(
            classes, numbers.ids, self._interface_of, self._unreachable, numbers.tables_of
        )
        want.rules = fib_sources.rules_wanted(classes, numbers.tables)
        self._conflicts = {key for key in self._conflicts if key in want.routes or key in want.rules}
        self._queue = yield from fib_plan.planning(
            want, self.have, self._conflicts, sweep=self._sweep, routes_too=want.routes is not self._in_place
        )

    def _settled(self) -> None:
        self._on_settled()
        self._tell_problems()

    def _carry_out(self, operations: Sequence[Operation]) -> None:
        self._changes += 1
        failures = {
            each.index: each
            for each in self._kernel.send([fib_plan.request(each, self.gateway_of) for each in operations])
        }
        for index, operation in enumerate(operations):
            if index not in failures:
                fib_plan.done(operation, self.have)
        for index, failure in failures.items():
            self._failed(operations[index], failure)

    def _failed(self, operation: Operation, failure: Failure) -> None:
        key = operation.key
        self._in_place = None
        gone = operation.value is None and failure.code in {errno.ENOENT, errno.ESRCH}
        if gone:
            fib_plan.done(operation, self.have)
            return
        if failure.code == errno.ENOENT and not operation.creates:  # it went away unseen: make it anew
            if isinstance(key, int):
                self.have.forget_nexthop(key)
            elif isinstance(key, tuple):
                self.have.routes.pop(key, None)
            self._plan_anew()
            return
        self._queue = Plan(self.have, [], [])  # nothing is dropped after a put that failed; the audit plans anew
        if not isinstance(key, int) and failure.code == errno.EEXIST and operation.creates:
            self._conflicts.add(key)
            self._audits.after(AUDIT_SOON_NS)
            return
        self._refused[problem_key(key)] = refusal(key, failure, self.ids)
        self._audits.after(RETRY_NS)

    # Reading the kernel

    def _cannot_read(self, error: DumpError) -> None:
        text = f"the kernel cannot list nexthop objects and routes: {error.strerror}"
        self._refused["fib:dump"] = Problem("fib:dump", text, "use a kernel of 5.3 or newer")
        self._report_adopted()
        self._tell_problems()

    def _audit(self) -> Iterator[None]:
        """Read the table, one datagram a step; a change of ours meanwhile spoils the reading."""
        before, reading = self._changes, Reading()
        try:
            yield from reading.fill(self._auditor, self._numbers.tables_to_read())
        except DumpInterruptedError:
            self._interruptions += 1
            if self._interruptions < MOST_DUMPS:
                raise
        self._interruptions = 0
        if self._changes != before:
            self._audits.after(RETRY_NS)
            return
        same = yield from fib_plan.same_routes(reading.ours.routes, self.have.routes)
        if self._changes != before:
            self._audits.after(RETRY_NS)
            return
        spare = reading.ours.routes if same else self.have.routes
        if same:
            reading.ours.routes = self.have.routes
        else:
            self._in_place = None
        self._take_over(reading)
        while spare:  # freed in one go, a table of 100,000 routes would hold the loop
            for _ in range(min(len(spare), fib_plan.KEYS_A_STEP)):
                spare.popitem()
            yield

    def _take_over(self, reading: Reading) -> None:
        reading.doubt_gateways(self.gateway_of)
        self.have, self._read = reading.ours, reading
        self._refused.clear()
        rules = {replace(rule, protocol=fib_plan.PROTOCOL) for rule in reading.foreign_rules}
        self._conflicts = {key for key in self._conflicts if key in reading.foreign or key in rules}
        self._conflicts.update(reading.foreign.keys() & self.have.routes.keys())  # both there: IPv6 allows that
        self._numbers.found(reading)
        self._untold = True
        if self._conflicts:
            self._in_place = None
        self._report_adopted()
        self._assign_numbers()
        self._plan_anew()

    def _report_adopted(self) -> None:
        self._adopting = False
        then, self._adopted = self._adopted, None
        if then:
            then()

    def _tell_problems(self) -> None:
        self._untold = False
        read, wanted = self._read, fib_sources.rules_wanted(self._classes.values(), self.tables)
        found = fib_problems.in_our_way(read.foreign, self._conflicts, self._make_wanted.routes)
        found |= fib_problems.before_our_rules(read.foreign_rules, wanted)
        found |= fib_problems.in_our_tables(read.strangers, self.tables)
        found |= fib_problems.no_tables(self._numbers.without)
        self._on_problems("fib:", {**self._refused, **found})
