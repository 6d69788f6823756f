"""A history told to a reader: the network, the steps, and what became of them, line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from histories.controller import Controller
from histories.history import History, Step
from histories.timeline import START
from histories.world import World
from policies.decide import BranchDecision


def outline(history: History) -> str:
    """The network and the steps."""
    network = ", ".join(f"{f.name} {getattr(history.situation, f.name)}" for f in fields(history.situation))
    steps = [f"  +{step.wait:.3f} s  {step}" for step in history.steps]
    dead = f"  in the end dead: {sorted(history.dead)}" if history.dead else "  in the end all live"
    return "\n".join([f"seed {history.seed}: {network}", *steps, dead])


class Account:
    """An Account writes down what changes in a world while it is played."""

    def __init__(self, world: World, write: Callable[[str], None]) -> None:
        self._world, self._write = world, write
        self._seen: dict[str, object] = {}
        before_change, before_controller = world.on_change, world.on_controller

        def changed() -> None:
            self._look()
            before_change()

        def started(controller: Controller) -> None:
            before_controller(controller)
            before_decision = controller.on_decision

            def decided(of: Controller, decision: BranchDecision) -> None:
                self._decided(of, decision)
                before_decision(of, decision)

            controller.on_decision = decided

        world.on_change, world.on_controller = changed, started

    def step(self, step: Step) -> None:
        """A step of the history."""
        self._say(f"---- {step}")

    def _look(self) -> None:
        world = self._world
        lines = {
            t.name: f"{'>' if x.to_branch else '-'}{'<' if x.to_hub else '-'}" for t, x in world.lines.lines.items()
        }
        self._note("lines", lines)
        self._note("kernel", (world.kernel.nexthops, world.kernel.routes, world.kernel.sourced))
        holds = {t.name: {str(p): m for p, m in held.items()} for t, held in world.branch.holds.items()}
        self._note("branch holds", holds)

    def _decided(self, controller: Controller, decision: BranchDecision) -> None:
        verdict, view = decision.verdict, controller.view
        told = {t.name: med for t, med in verdict.told.items()}
        live = {t.name: f"{x.state.value}" for t, x in view.liveness.items()}
        sessions = {
            t.name: f"{s.state.value}{' complete' if s.complete else ''} {sorted({a.med for a in s.sent.values()})} "
            f"before {sorted({a.med for a in s.sent_before.values()})}"
            for t, s in view.sessions.items()
        }
        orders = {
            n: ([t.name for t in o.order], o.active and o.active.name, o.based_on_epoch)
            for n, o in decision.classes.items()
        }
        self._note("view", (live, sessions, "forwarder" if view.forwarder else "no forwarder"))
        active, chosen = verdict.active and verdict.active.name, verdict.chosen and verdict.chosen.name
        self._note("decision", (f"on {active}", f"chosen {chosen}", verdict.reason.name, verdict.detail, told, orders))
        for other in verdict.others:
            on, wanted = other.active and other.active.name, other.chosen and other.chosen.name
            told = {t.name: med for t, med in other.told.items()}
            whose = f"decision from {', '.join(map(str, other.sources))}"
            self._note(whose, (other.rule, f"on {on}", f"chosen {wanted}", other.reason.name, other.detail, told))

    def _note(self, what: str, value: object) -> None:
        text = str(value)
        if self._seen.get(what) != text:
            self._seen[what] = text
            self._say(f"{what}: {text}")

    def _say(self, text: str) -> None:
        self._write(f"{self._world.timeline.now - START:9.4f}  {text}")
