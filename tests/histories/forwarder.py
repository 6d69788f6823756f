"""The forwarder: liveness after the truth, the product's own rules for orders and moves, a state file, restarts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from histories.kernel import Kernel
from histories.lines import Lines
from histories.pipe import Pipe
from histories.situation import Situation
from histories.timeline import Timeline
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
from policies.model.ids import TunnelId

STARTING = 3.0
"""Seconds after which a tunnel that was never heard is down (hub.forwarder.liveness.model)."""
ADOPTING = 0.005
LOOKING = 0.05
"""Seconds between close looks at a branch's return path; the real ones are shorter, which only costs events here."""

Message = dict[str, Any]
Obey = Callable[[Order, ForwardingClass | None, Mapping[str, TunnelState], int], ForwardingClass | Refusal]


@dataclass(slots=True)
class Saved:
    """What the state file holds."""

    classes: dict[str, ForwardingClass] = field(default_factory=dict)
    states: dict[str, tuple[TunnelState, float]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


class Forwarder:
    """A Forwarder is the process and what it leaves behind: `file` outlives it, so does the kernel.

    `own_moves` counts, for each class, the moves that it made by itself: what an order must have been computed after.
    """

    def __init__(
        self, timeline: Timeline, situation: Situation, lines: Lines, kernel: Kernel, uses: Callable[[int], list[str]]
    ) -> None:
        self._timeline, self._situation, self._lines, self._kernel, self._uses = (
            timeline,
            situation,
            lines,
            kernel,
            uses,
        )
        self.obey: Obey = obey
        self.file = Saved()
        self.running = False
        self.running_since = 0.0
        self.stalled_until = 0.0
        self.classes: dict[str, ForwardingClass] = {}
        self.states: dict[str, tuple[TunnelState, float]] = {}
        self.watched: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        self.known_since: dict[str, float] = {}
        self.unknown_until: dict[str, float] = {}
        self.own_moves: dict[str, int] = {}
        self.on_order: Callable[[Order, ForwardingClass | None, ForwardingClass, int], None] = lambda *_: None
        self.on_move: Callable[[], None] = lambda: None
        self.controller: Pipe | None = None
        self._sweep = False
        self._looking = False
        self._life = 0
        self._tokens: dict[str, int] = {}
        self._saving = False
        self._turn = 0
        self._probe_due: float | None = None
        lines.watchers.append(self._line_changed)

    # living and dying

    def start(self) -> None:
        """Go on from the state file and the kernel."""
        if self.running:
            return
        self._life += 1
        now = self._timeline.now
        self.running, self.running_since, self._sweep, self._looking, self._saving = True, now, False, False, False
        self.classes, self.known = dict(self.file.classes), self.file.known
        self.known_since = dict.fromkeys(self.classes, now)
        self.own_moves = {name: self.own_moves.get(name, 0) for name in self.classes}
        self.states = {}
        self.watched = frozenset(self.file.states)
        for tunnel, (state, since) in self.file.states.items():
            self.states[tunnel] = ("up", since) if state == "up" else ("unknown", now)
            self.unknown_until[tunnel] = 0.0 if state == "up" else now + STARTING
            self._look_at(tunnel)
        self._timeline.after(ADOPTING, self._in_this_life(self._adopt))
        self._probe_after(1.0)

    def die(self) -> None:
        """SIGKILL: nothing more is done, said or saved."""
        self._life += 1
        self.running, self.controller = False, None

    def lose_file(self) -> None:
        """The state file is gone when it starts the next time."""
        self.file = Saved()

    def stall(self, seconds: float) -> None:
        """It gets no time for so long: what it would have noticed meanwhile it notices later."""
        self.stalled_until = max(self.stalled_until, self._timeline.now + seconds)

    def _in_this_life(self, action: Callable[[], None]) -> Callable[[], None]:
        life = self._life

        def act() -> None:
            if life != self._life:
                return
            if self._timeline.now < self.stalled_until:
                self._timeline.at(self.stalled_until, act)
            else:
                action()

        return act

    def _adopt(self) -> None:
        now = self._now_ns()
        for name, each in self.classes.items():
            found = self._kernel.nexthops.get(name)
            if found in each.order and found != each.active:
                self.classes[name] = adopt(each, str(found), now)
                self.own_moves[name] = self.own_moves.get(name, 0) + 1
        self._want()
        self._fail_over()

    # liveness

    def _line_changed(self, tunnel: TunnelId) -> None:
        if self.running and str(tunnel) in self.watched and self._lines[tunnel].since == self._timeline.now:
            self._look_at(str(tunnel))

    def _look_at(self, name: str) -> None:
        """The line is as it is since now: when that is known."""
        token = self._tokens[name] = self._tokens.get(name, 0) + 1
        line, (state, since) = self._lines[TunnelId.parse(name)], self.states[name]
        number = list(self._lines.lines).index(TunnelId.parse(name))
        if line.live:
            if state == "up":
                return
            becomes, after = "up", self._situation.returning[number]
        elif state == "up":
            becomes, after = "down", self._situation.detection[number]
        elif state == "unknown":
            becomes, after = "down", since + STARTING - self._timeline.now
        else:
            return

        def notice() -> None:
            if token == self._tokens[name] and name in self.watched:
                self._became(name, becomes)  # type: ignore[arg-type]

        self._timeline.after(after, self._in_this_life(notice))

    def _became(self, name: str, state: TunnelState) -> None:
        self.states[name] = (state, self._timeline.now)
        if state == "up":
            self.unknown_until[name] = 0.0
        if (state == "up") != self._lines[TunnelId.parse(name)].live:
            self._look_at(name)
        self._fail_over({"liveness": self._liveness(name)})
        self._save_soon()

    def state(self, tunnel: str) -> TunnelState:
        """What it believes of a tunnel."""
        return self.states.get(tunnel, ("unknown", 0.0))[0]

    def _believed(self) -> dict[str, TunnelState]:
        return {name: state for name, (state, _) in self.states.items()}

    # what the controller says

    def greet(self, controller: Pipe) -> None:
        """A controller connected: it is told all there is."""
        self.controller = controller
        self._tell(
            {
                "snapshot": {
                    "tunnels": [self._liveness(name) for name in self.states],
                    "classes": [self._class(each) for each in self.classes.values()],
                    "paths": [],
                    "problems": [],
                    "counters": {},
                }
            }
        )

    def hear(self, message: Message) -> None:
        """A line of the controller."""
        if not self.running:
            return
        match message:
            case {"set": "tunnels", "tunnels": tunnels}:
                self._watch([tunnel["name"] for tunnel in tunnels])
            case {"set": "classes", "classes": classes}:
                self._set_classes([_order(each) for each in classes], message["ghosts"])
            case {"order": order}:
                self._one_order(_order(order), message["ghosts"])
            case {"look": branches}:
                self._look(bool(branches))

    def _watch(self, names: list[str]) -> None:
        now = self._timeline.now
        self.watched = frozenset(names)
        self.states = {name: self.states.get(name, ("unknown", now)) for name in names}
        named = {tunnel for each in self.classes.values() for tunnel in each.order}
        self.known = self.watched | (self.known & named)
        for name in names:
            if self.states[name] == ("unknown", now):
                self.unknown_until[name] = now + STARTING
                self._look_at(name)
        self._fail_over(*({"liveness": self._liveness(name)} for name in names))
        self._save_soon()

    def _set_classes(self, orders: list[Order], ghosts: Mapping[str, int]) -> None:
        if any(tunnel not in self.known for order in orders for tunnel in order.order):
            self._tell({"error": "a tunnel is not known"})
            return
        wanted = {order.name for order in orders}
        gone = [name for name in self.classes if name not in wanted]
        for name in gone:
            del self.classes[name]
            self.own_moves.pop(name, None)
        self._sweep = True
        self._obey(orders, ghosts, whole=True)
        for name in gone:
            self._tell({"gone": name})
        named = {tunnel for each in self.classes.values() for tunnel in each.order}
        self.known = self.watched | (self.known & named)

    def _one_order(self, order: Order, ghosts: Mapping[str, int]) -> None:
        if any(tunnel not in self.known for tunnel in order.order) or holder(order, self.classes.values()):
            self._tell({"error": "not as it is"})
            return
        self._obey([order], ghosts, whole=False)

    def _obey(self, orders: list[Order], ghosts: Mapping[str, int], *, whole: bool) -> None:
        obeyed = []
        for order in orders:
            before = self.classes.get(order.name)
            result = self.obey(order, before, self._believed(), self._now_ns())
            if isinstance(result, Refusal):
                self._tell({"refused": {"class": order.name, "why": result.why, "epoch": result.epoch}})
                if not whole:
                    continue
                result = obey_but_stay(order, before, self._believed(), self._now_ns())
                self.own_moves[order.name] = self.own_moves.get(order.name, 0) + 1
            else:
                self.on_order(order, before, result, ghosts.get(order.name, 0))
            if result != before:
                self.classes[order.name] = result
                self.known_since.setdefault(order.name, self._timeline.now)
                obeyed.append(result)
        self._want()
        for each in obeyed:
            self._tell(self._class_line(each))
        self._save_soon()

    # what follows

    def _fail_over(self, *news: Message) -> None:
        moved = fail_over(self.classes.values(), self._believed(), self._now_ns(), {}, self.watched)
        for each in moved:
            self.classes[each.name] = each
            self.own_moves[each.name] = self.own_moves.get(each.name, 0) + 1
        if moved:
            self._want()
            self._save_soon()
        for message in news:
            self._tell(message)
        for each in moved:
            self._tell(self._class_line(each))

    def _want(self) -> None:
        self.known_since = {n: self.known_since.get(n, self._timeline.now) for n in self.classes}
        self._kernel.want(self.classes, sweep=self._sweep)
        self.on_move()

    def _save_soon(self) -> None:
        if self._saving:
            return
        self._saving = True
        self._timeline.after(self._situation.saving, self._in_this_life(self._save))

    def _save(self) -> None:
        self._saving = False
        self.file = Saved(dict(self.classes), dict(self.states), self.known)

    # the return path

    def _look(self, closely: bool) -> None:
        self._looking = closely
        if closely:
            self._probe_after(0.0)

    def _probe_after(self, seconds: float) -> None:
        due = self._timeline.now + seconds
        if self._probe_due is not None and self._timeline.now <= self._probe_due <= due:
            return
        self._probe_due = due

        def ask() -> None:
            if self._probe_due == due:
                self._probe_due = None
                self._probe()
                self._probe_after(LOOKING if self._looking else 1.0)

        self._timeline.at(due, self._in_this_life(ask))

    def _probe(self) -> None:
        """Asked over every live tunnel in turn; answered over what the branch uses, if that passes."""
        asked = any(s == "up" and self._lines[TunnelId.parse(t)].to_branch for t, (s, _) in self.states.items())
        if not (asked and self._situation.answers_probes):
            return
        self._turn += 1
        for version in (4, 6):
            over = self._uses(version)
            if not over:
                continue
            tunnel = over[self._turn % len(over)]
            if self._lines[TunnelId.parse(tunnel)].to_hub and tunnel in self.watched:
                at = self._timeline.now
                path = {"branch": tunnel.partition("/")[0], "tunnel": tunnel, "at": at, "version": version}
                self._timeline.after(
                    2 * self._situation.wire,
                    self._in_this_life(lambda path=path: self._tell({"path": {**path, "at": self._timeline.now}})),
                )  # type: ignore[misc]

    # what is said

    def _tell(self, message: Message) -> None:
        if self.controller is not None:
            self.controller.send(message)

    def _liveness(self, name: str) -> Message:
        state, since = self.states[name]
        return {"tunnel": name, "state": state, "since": since, "hard": True, "reason": "as the line is"}

    def _class(self, each: ForwardingClass) -> Message:
        return {
            "name": each.name,
            "branch": each.branch,
            "active": each.active,
            "order": list(each.order),
            "prefixes": list(each.prefixes),
            "epoch": each.epoch,
            "since": each.since_ns / 1e9,
            "reason": each.reason,
            "ghost": self.own_moves.get(each.name, 0),
            "sources": list(each.sources),
        }

    def _class_line(self, each: ForwardingClass) -> Message:
        return {"class": self._class(each)}

    def _now_ns(self) -> int:
        return int(self._timeline.now * 1e9)


def _order(message: Message) -> Order:
    return Order(
        name=message["name"],
        branch=message["branch"],
        prefixes=tuple(message["prefixes"]),
        order=tuple(message["order"]),
        active=message["active"],
        reason=message["reason"],
        based_on_epoch=message["based_on_epoch"],
        sources=tuple(message.get("sources", ())),
    )
