"""The forwarder's centre: what liveness, the kernel and the controller say becomes moves, in one thread.

    liveness ─┐                     ┌─> kernel (first)
    links ────┼─> classes (pure) ───┼─> controller and readers
    orders ───┘                     └─> timers of the tunnels that carry, state file, log

It has no socket of its own: the loop, the netlink sockets, the engine and the server are given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import assert_never

from hub.control.lines import Message
from hub.forwarder import checks, messages, probing
from hub.forwarder.classes import (
    ForwardingClass,
    Order,
    Refusal,
    TunnelState,
    adopt,
    fail_over,
    holder,
    obey,
    obey_but_stay,
)
from hub.forwarder.fib import Fib, Kernel
from hub.forwarder.fib_audit import Clock
from hub.forwarder.fib_reading import Dumps
from hub.forwarder.fields import FieldError
from hub.forwarder.gateways import gateways
from hub.forwarder.health.slow_looks import Tunnel
from hub.forwarder.interfaces import Interfaces, LinkChange
from hub.forwarder.liveness.model import LivenessReport, SessionMemory, TunnelSpec, Version
from hub.forwarder.liveness.port import MakeLiveness
from hub.forwarder.netlink.links import LocalAddress
from hub.forwarder.orders import (
    Command,
    CountForwarded,
    GetStatus,
    Look,
    Probe,
    SendBurst,
    SetClasses,
    SetOne,
    SetTunnels,
    StopPlanned,
)
from hub.forwarder.problems import Problem, Problems
from hub.forwarder.state import SavedState
from hub.forwarder.tracing import TraceOrder


class Forwarder:
    """A Forwarder keeps every class on a tunnel that lives. `tell` reaches whoever is connected, `log` the operator."""

    def __init__(
        self,
        clock: Clock,
        kernel: Kernel,
        auditor: Dumps,
        make_liveness: MakeLiveness,
        *,
        tell: Callable[[Iterable[Message]], None],
        log: Callable[[str], None],
        changed: Callable[[], None],
        stop: Callable[[], None],
        count: Callable[[Mapping[str, str]], None] = lambda _interfaces: None,
        silenced: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._clock, self._tell, self._log, self._changed, self._stop = clock, tell, log, changed, stop
        self._started_ns = clock.now()
        self._count, self._counted = count, tuple[str, ...]()
        self.beside: Callable[[str], Message] = lambda _tunnel: {}
        """What is to be told of a tunnel beside its liveness."""
        self.problems = Problems(self._tell_problem)
        self.interfaces = Interfaces()
        self.fib = Fib(clock, kernel, auditor, self._settled, self.problems.replace, silenced)
        self.liveness = make_liveness(self.on_liveness, self.on_path, self.problems.report)
        self.classes: dict[str, ForwardingClass] = {}
        self._tunnels: dict[str, TunnelSpec] = {}
        self.fib.gateway_of = gateways(self.interfaces, self._specs)
        self._interface_of: dict[str, str] = {}
        self._reports: dict[str, LivenessReport] = {}
        self._states: dict[str, TunnelState] = {}
        self._unreachable: tuple[str, ...] = ()
        self._probe = Probe()
        self._addresses: tuple[LocalAddress, ...] = ()
        self._paths: dict[tuple[str, Version], tuple[str, int]] = {}
        self._told_installed: dict[str, bool] = {}
        self._sweep = False
        self.counters = {"moves": 0, "orders": 0, "orders refused": 0}

    # Starting

    def restore(self, saved: SavedState) -> None:
        """Go on where the process before stopped: BFD packets flow as soon as this returns."""
        self.classes = {each.name: each for each in saved.classes}
        self._interface_of = dict(saved.interfaces)
        self._unreachable, self._probe = saved.unreachable, saved.probe
        self.fib.remember(self.classes, saved.ids, saved.tables)
        self.fib.want(self.classes, self.interface_index, self._unreachable, sweep=False)
        self.liveness.set_carrying(self._carrying())
        self._watch_tunnels(saved.tunnels, saved.memory)

    def adopt(self, then: Callable[[], None]) -> None:
        """Read what is in the kernel, believe it rather than the state file, remove nothing, and call back."""

        def found() -> None:
            self._believe_the_kernel()
            self._want()
            self._fail_over()
            then()

        self.fib.adopt(found)

    def _believe_the_kernel(self) -> None:
        tunnel_on = {name: tunnel for tunnel, name in self._interface_of.items()}
        now = self._clock.now()
        for each in list(self.classes.values()):
            tunnel = tunnel_on.get(self.interfaces.name_of(self.fib.interface_in_kernel(each.name)))
            if tunnel in each.order and tunnel != each.active:
                self.classes[each.name] = adopt(each, str(tunnel), now)

    # What is seen

    def on_liveness(self, report: LivenessReport) -> None:
        """A tunnel came up, died, or became unknown: the kernel first, then the controller, then everything else."""
        self._reports[report.tunnel] = report
        self._refresh(report.tunnel)
        self._fail_over({"liveness": messages.liveness(report)})
        self._changed()

    def on_path(self, branch: str, tunnel: str, at_ns: int, version: Version) -> None:
        """A return-path probe came back."""
        self._paths[branch, version] = (tunnel, at_ns)
        self._tell([{"path": messages.path(branch, tunnel, at_ns, version)}])

    def links_changed(self, changes: Iterable[LinkChange]) -> None:
        """Interfaces went down or away, or came up."""
        changes = list(changes)
        if not changes:
            return
        for change in changes:
            if change.lost_index:
                self.fib.interface_gone(change.lost_index)
        names = {change.name for change in changes}
        for tunnel, interface in self._interface_of.items():
            if interface in names:
                self._refresh(tunnel)
        self._fail_over()
        self._want()
        for change in changes:
            self.liveness.link_changed(change.name, change.up)
        self.check_interfaces()

    def addresses_changed(self, addresses: Iterable[LocalAddress]) -> None:
        """This machine has these addresses now."""
        self._addresses = tuple(addresses)
        self._choose_probe()
        self.fib.look_again()

    def check_interfaces(self) -> None:
        """Find tunnels whose interface is missing or down."""
        wanted = {name: spec.interface for name, spec in self._tunnels.items()}
        self.problems.replace("check:interface:", checks.interfaces(wanted, self.interfaces.present()))

    def tunnel_interfaces(self, *, ipv6: bool = False) -> list[str]:
        """The names of the interfaces of all tunnels, or of those that carry IPv6."""
        return [spec.interface for spec in self._tunnels.values() if spec.remote6 or not ipv6]

    def slow_looks_at(self) -> list[Tunnel]:
        """All tunnels, for what is looked at now and then."""
        live = {name for name, state in self._states.items() if state == "up"}
        return [
            Tunnel(name, spec.interface, self.interface_index(name), spec.local, spec.remote, name in live)
            for name, spec in self._tunnels.items()
        ]

    # What the controller says

    def obey(self, command: Command) -> None:
        """Carry out a command.

        Raises:
            FieldError: it names a tunnel that is not known; nothing was changed.
        """
        match command:
            case SetTunnels(tunnels=tunnels):
                self._watch_tunnels(tunnels, {})
            case SetClasses():
                self._set_classes(command)
            case SetOne(order=order):
                self._known([order], "order")
                self._check_prefixes(order)
                self._obey_orders([order])
            case Look(branches=branches):
                self.liveness.look(branches)
            case SendBurst(burst=burst):
                self.liveness.burst(burst)
            case CountForwarded(tunnels=tunnels):
                self.count_forwarded(tunnels)
            case StopPlanned():
                self._stop()
            case GetStatus() | TraceOrder():
                pass  # answered where it was asked
            case _:
                assert_never(command)

    def count_forwarded(self, tunnels: Sequence[str]) -> None:
        """Count what is forwarded over these tunnels, as far as they are known, and over no others."""
        self._counted = tuple(tunnels)
        self._count({name: self._interface_of[name] for name in self._counted if name in self._interface_of})

    def _watch_tunnels(self, tunnels: Sequence[TunnelSpec], remembered: Mapping[str, SessionMemory]) -> None:
        self._tunnels = {spec.name: spec for spec in tunnels}
        self._keep_interfaces()
        self.count_forwarded(self._counted)
        self.liveness.set_tunnels(tunnels, remembered)
        self._reports = {report.tunnel: report for report in self.liveness.reports()}
        self._states = {}
        for tunnel in self._interface_of:
            self._refresh(tunnel)
        self._paths = {key: path for key, path in self._paths.items() if path[0] in self._tunnels}
        self._fail_over(*({"liveness": messages.liveness(report)} for report in self._reports.values()))
        self._want()
        self._choose_probe()
        self.check_interfaces()
        self._changed()

    def _keep_interfaces(self) -> None:
        """A tunnel that is no longer watched keeps its interface for as long as a class names it.

        Otherwise traffic would stop between the order that sets the tunnels and the one that sets the classes.
        """
        named = {tunnel for each in self.classes.values() for tunnel in each.order}
        kept = {tunnel: name for tunnel, name in self._interface_of.items() if tunnel in named}
        self._interface_of = kept | {name: spec.interface for name, spec in self._tunnels.items()}

    def _set_classes(self, command: SetClasses) -> None:
        self._known(command.classes, "classes")
        wanted = {order.name for order in command.classes}
        gone = [name for name in self.classes if name not in wanted]
        for name in gone:
            del self.classes[name]
            self._told_installed.pop(name, None)
        self._unreachable, self._probe, self._sweep = command.unreachable, command.probe, True
        self._obey_orders(command.classes, whole=True)
        self._tell([{"gone": name} for name in gone])
        self._keep_interfaces()
        self._choose_probe()

    def _known(self, orders: Sequence[Order], place: str) -> None:
        for index, order in enumerate(orders):
            for tunnel in order.order:
                if tunnel not in self._interface_of:
                    where = f"{place}[{index}]" if place == "classes" else place
                    raise FieldError(f'{where}.order: tunnel "{tunnel}" is not known: set the tunnels first')

    def _check_prefixes(self, order: Order) -> None:
        before = self.classes.get(order.name)
        if before is not None and (before.prefixes, before.sources) == (order.prefixes, order.sources):
            return
        name = holder(order, self.classes.values())
        if name is not None:
            raise FieldError(f'order.prefixes: class {name} has some of them: move them by {{"set": "classes"}}')

    def _obey_orders(self, orders: Sequence[Order], *, whole: bool = False) -> None:
        now, refused, obeyed = self._clock.now(), [], []
        for order in orders:
            self.counters["orders"] += 1
            before = self.classes.get(order.name)
            result = obey(order, before, self._states, now)
            if isinstance(result, Refusal):
                self.counters["orders refused"] += 1
                refused.append(result)
                if not whole:
                    continue
                result = obey_but_stay(order, before, self._states, now)
            if result != before:
                self.classes[order.name] = result
                obeyed.append(result)
        self._want()
        self.fib.switch(obeyed)
        self._tell([messages.refused(each) for each in refused])
        self._tell_classes(obeyed)
        self._after_move()

    # What follows

    def _fail_over(self, *news: Message) -> None:
        reasons = {name: self._reason(name) for name, state in self._states.items() if state == "down"}
        moved = fail_over(self.classes.values(), self._states, self._clock.now(), reasons, self._tunnels)
        if not moved:
            self._tell(news)
            return
        for each in moved:
            self.classes[each.name] = each
        self.fib.switch(moved)
        self._tell([*news, *({"class": self._moved_state(each)} for each in moved)])
        self.counters["moves"] += len(moved)
        self._after_move()
        for each in moved:
            self._log(f"{each.name} moved to {each.active}: {each.reason}")

    def _after_move(self) -> None:
        self.liveness.set_carrying(self._carrying())
        self._changed()

    def _want(self) -> None:
        self.fib.want(self.classes, self.interface_index, self._unreachable, sweep=self._sweep)

    def _carrying(self) -> frozenset[str]:
        return frozenset(each.active for each in self.classes.values() if each.active)

    def _specs(self) -> Iterable[TunnelSpec]:
        return self._tunnels.values()

    def interface_index(self, tunnel: str) -> int:
        """The interface of a tunnel, if it can carry routes; else 0."""
        return self.interfaces.usable(self._interface_of.get(tunnel, ""))

    def _refresh(self, tunnel: str) -> None:
        report = self._reports.get(tunnel)
        self._states[tunnel] = report.state if report else "unknown"
        if not self.interface_index(tunnel):
            self._states[tunnel] = "down"

    def _reason(self, tunnel: str) -> str:
        report = self._reports.get(tunnel)
        if not self.interface_index(tunnel):
            return f"interface {self._interface_of.get(tunnel, '')} is down or not there"
        return report.reason if report else "not watched"

    def _choose_probe(self) -> None:
        links = {address for spec in self._tunnels.values() for address in spec.own_addresses()}
        versions = probing.VERSIONS if self.tunnel_interfaces(ipv6=True) else probing.VERSIONS[:1]
        chosen = {version: probing.source(self._probe, version, self._addresses, links) for version in versions}
        problems = [probing.problem(self._probe, version, source) for version, source in chosen.items()]
        self.liveness.set_probe(chosen[4], chosen.get(6))
        self.problems.replace("check:probe", {key: each for found in problems for key, each in found.items()})

    # What is said

    def _settled(self) -> None:
        self._tell_classes(
            [each for each in self.classes.values() if self.fib.installed(each) != self._told_installed.get(each.name)]
        )
        self._changed()

    def _tell_classes(self, classes: Iterable[ForwardingClass]) -> None:
        self._tell([self._class_message(each) for each in classes])

    def _class_message(self, each: ForwardingClass) -> Message:
        return {"class": self._class_state(each)}

    def _moved_state(self, each: ForwardingClass) -> Message:
        """Without looking at every route: a move changes none of them."""
        installed = self._told_installed.get(each.name, False) and self.fib.switched(each)
        self._told_installed[each.name] = installed
        return messages.class_state(each, self.fib.ids.get(each.name, 0), installed=installed)

    def _class_state(self, each: ForwardingClass) -> Message:
        installed = self._told_installed[each.name] = self.fib.installed(each)
        return messages.class_state(each, self.fib.ids.get(each.name, 0), installed=installed)

    def _tell_problem(self, key: str, problem: Problem | None) -> None:
        if problem is None:
            self._tell([{"cleared": key}])
            self._log(f"mended: {key}")
        else:
            self._tell([{"problem": messages.problem(problem)}])
            self._log(f"{problem.text}: {problem.mend}" if problem.mend else problem.text)

    def snapshot(self) -> Message:
        """All that is known."""
        return {
            "started": messages.seconds(self._started_ns),
            "tunnels": [messages.liveness(report) | self.beside(report.tunnel) for report in self.liveness.reports()],
            "classes": [self._class_state(each) for each in self.classes.values()],
            "paths": [messages.path(key[0], tunnel, at, key[1]) for key, (tunnel, at) in self._paths.items()],
            "problems": [messages.problem(each) for each in self.problems.present()],
            "counters": {**self.counters, **self.liveness.counters},
        }

    def saved(self, boot: str) -> SavedState:
        """What the next process must know."""
        return SavedState(
            boot=boot,
            tunnels=tuple(self._tunnels.values()),
            classes=tuple(self.classes.values()),
            ids=dict(self.fib.ids),
            tables=dict(self.fib.tables),
            interfaces=dict(self._interface_of),
            unreachable=self._unreachable,
            probe=self._probe,
            memory=self.liveness.memory(),
        )
