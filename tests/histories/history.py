"""A history: what happens, when. Drawn from a seed, played, shrunk, and told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from histories.ending import differences
from histories.invariants import Invariants, ViolationError
from histories.ruled import CALM_FROM, ruled
from histories.situation import HUB_PREFIXES, LANS, NAMES, Situation, draw
from histories.timeline import START
from histories.world import Parts, World
from policies.model.view import ARRIVES

SETTLED_WITHIN = 260.0
"""Seconds of quiet after which everything must be right: several moves taken back, and tried again after a minute."""
LOOKED_AT_EVERY = 1.0
STAYS = 3.0


@dataclass(frozen=True, slots=True)
class Step:
    """A Step happens `wait` seconds after the one before it."""

    wait: float
    what: str
    which: str | int = ""
    number: float = 0.0

    def __str__(self) -> str:
        return f"{self.what} {self.which}{f' ({self.number:g})' if self.number else ''}"


@dataclass(frozen=True, slots=True)
class History:
    """A History is a network and what happens in it; in the end the tunnels of `dead` stay dead."""

    seed: int
    situation: Situation
    steps: tuple[Step, ...]
    dead: frozenset[int]


WAITS = (0.0, 0.0, 0.0, 0.001, 0.01, 0.03, 0.1, 0.1, 0.3, 0.3, 1.0, 1.0, 3.0, 3.0, 6.0, 12.0, 30.0)
LINES = ("cut", "cut", "cut", "cut to branch", "cut to hub", "heal", "heal", "heal", "heal", "flap")
DEATHS = ("forwarder", "forwarder", "controller", "controller", "exabgp", "relay", "forwarder and file")
BACK = (0.05, 0.3, 0.3, 1.0, 2.0, 8.0, 40.0)
STALLS = ("forwarder", "from forwarder", "to forwarder", "to relay", "from relay", "to exabgp", "from exabgp")
JUDGEMENTS = (
    *("degrade", "degrade", "degrade", "recover", "recover"),
    *("drain", "drain", "undrain", "switch", "unswitch", "freeze", "unfreeze"),
)
STEERED = 20_000_000
"""From this seed on, histories have also health, drains and switches in them; those before are as they always were."""
RULED = 30_000_000
"""From this seed on also rules, metered tunnels and failback that waits."""
WELL = ("undrain", "recover", "unswitch")
WORDS = ("go back", "stay")
SAID = (*JUDGEMENTS, *WORDS)
CHANGES = ("leave", "remove", "add", "hub prefix", "lan", "prefer", "announces", "announces")


def drawn(seed: int) -> History:
    """The history of this seed."""
    rng = random.Random(seed)
    situation = draw(rng)
    steps = [Step(rng.choice((0.0, 0.5, 4.0, 4.0, 4.0)), "begin")]
    weights = (6, 3, 2, rng.choice((0, 0, 2)))
    for _ in range(rng.choice((2, 4, 6, 10, 16, 24))):
        steps += _scene(rng, situation) if rng.random() < 0.06 else [_step(rng, situation, weights)]
    dead = frozenset(n for n in range(1, situation.tunnels) if rng.random() < 0.15)
    shift = rng.randrange(situation.tunnels)
    if seed >= STEERED:
        steps = _steered(random.Random(f"steered {seed}"), situation, steps, SAID if seed >= RULED else JUDGEMENTS)
    if seed >= RULED:
        again = random.Random(f"ruled {seed}")
        situation = ruled(again, situation)
        steps = _with_rules_changed(again, situation, steps)
    return History(seed, situation, tuple(steps), frozenset((n + shift) % situation.tunnels for n in dead))


def _steered(rng: random.Random, situation: Situation, steps: list[Step], said: tuple[str, ...]) -> list[Step]:
    """The same with judgements among them, about as many again."""
    mixed = steps[:1]
    for step in steps[1:]:
        for _ in range(rng.choice((0, 1, 1, 2))):
            mixed.append(Step(rng.choice(WAITS), rng.choice(said), rng.choice(NAMES[: situation.tunnels])))
        mixed.append(step)
    return mixed


def _with_rules_changed(rng: random.Random, situation: Situation, steps: list[Step]) -> list[Step]:
    """The same, where an operator takes rules out and puts them back; in most there is none of that."""
    often = rng.choice((0.0, 0.0, 0.1, 0.3))
    mixed = steps[:1]
    for step in steps[1:]:
        if rng.random() < often:
            mixed.append(Step(rng.choice(WAITS), "rule", rng.randrange(len(situation.rules))))
        mixed.append(step)
    well = [
        Step(rng.choice(WAITS), what, name) for name in NAMES[: situation.tunnels] for what in ("undrain", "recover")
    ]
    if rng.random() < 0.6:
        mixed += well  # or in most histories one tunnel is left in the end
    return mixed


def _scene(rng: random.Random, situation: Situation) -> list[Step]:
    """Steps that chance would seldom put together: orders that are late, and a cut at the moment of a failback."""
    one, other = rng.sample(NAMES[: situation.tunnels], 2)
    soon = rng.choice((0.35, 0.5, 0.7))
    if rng.random() < 0.5:
        late = [Step(0.0, "stall", "to forwarder", 1.5), Step(soon, "cut", other), Step(soon, "heal", other)]
        return [Step(rng.choice(WAITS), "cut", one), *late]
    hold = rng.choice((situation.failback_hold, max(situation.failback_hold, ARRIVES.total_seconds())))
    back = hold + situation.returning[NAMES.index(one)] + rng.choice((-0.1, 0.0, 0.02, 0.1, 0.3))
    return [Step(rng.choice(WAITS), "cut", one), Step(3.0, "heal", one), Step(back, "cut", other)]


def _step(rng: random.Random, situation: Situation, weights: tuple[int, ...]) -> Step:
    wait = rng.choice(WAITS) * rng.choice((1.0, 1.0, 1.0, rng.random()))
    tunnel = rng.choice(NAMES[: situation.tunnels])
    match rng.choices(("line", "death", "stall", "change"), weights)[0]:
        case "line":
            what = rng.choice(LINES)
            return Step(wait, what, tunnel, rng.choice((0.02, 0.1, 0.4, 2.0)) if what == "flap" else 0.0)
        case "death":
            return Step(wait, "kill", rng.choice(DEATHS), rng.choice(BACK))
        case "stall":
            return Step(wait, "stall", rng.choice(STALLS), rng.choice((0.01, 0.1, 0.5, 1.5)))
        case _:
            return _change(rng, situation, wait, tunnel)


def _change(rng: random.Random, situation: Situation, wait: float, tunnel: str) -> Step:
    what = rng.choice(CHANGES)
    match what:
        case "leave" | "remove" | "add" | "prefer":
            return Step(wait, what, tunnel)
        case "hub prefix":
            return Step(wait, what, rng.randrange(len(HUB_PREFIXES)))
        case "lan":
            return Step(wait, what, rng.randrange(len(LANS)))
        case _:
            return Step(wait, what, tunnel, rng.choice(situation.lans))


def play(
    history: History, parts: Parts | None = None, watch: Callable[[World], Callable[[Step], None]] | None = None
) -> World:
    """Play it to its end; `watch` may look at the world before it begins, and is told each step.

    Raises:
        ViolationError: something was that must never be.
    """
    world = World(history.situation, parts)
    Invariants(world)
    tell = watch(world) if watch is not None else None
    world.sessions.begin()
    world.start_all()
    when = START
    for step in history.steps:
        when += step.wait
        world.timeline.run_until(when)
        if tell is not None:
            tell(step)
        act(world, step)
    _end(world, history)
    return world


def act(world: World, step: Step) -> None:
    """Do what the step says."""
    match step.what:
        case "begin":
            pass
        case "cut" | "cut to branch" | "cut to hub" | "heal" | "flap":
            _act_on_line(world, step)
        case "kill":
            _kill(world, str(step.which), step.number)
        case what if what in SAID:
            world.judge(what, world.every[NAMES.index(str(step.which))])
        case "stall":
            world.stall(str(step.which), step.number)
        case _:
            _act_on_configuration(world, step)


def _act_on_line(world: World, step: Step) -> None:
    tunnel = world.every[NAMES.index(str(step.which))]
    line = world.lines[tunnel]
    match step.what:
        case "cut":
            world.lines.set(tunnel, to_branch=False, to_hub=False)
        case "cut to branch":
            world.lines.set(tunnel, to_branch=False, to_hub=line.to_hub)
        case "cut to hub":
            world.lines.set(tunnel, to_branch=line.to_branch, to_hub=False)
        case "heal":
            world.lines.set(tunnel, to_branch=True, to_hub=True)
        case _:
            for turn in range(3):
                world.timeline.after(
                    2 * turn * step.number, lambda: world.lines.set(tunnel, to_branch=False, to_hub=False)
                )
                world.timeline.after(
                    (2 * turn + 1) * step.number, lambda: world.lines.set(tunnel, to_branch=True, to_hub=True)
                )


def _kill(world: World, which: str, back: float) -> None:
    """What dies is started again so much later, as the supervisor does; of several ExaBGP processes one dies."""
    number = max(world.exabgps) if back in {0.3, 2.0} else min(world.exabgps)
    kill, start = {
        "forwarder": (world.kill_forwarder, world.start_forwarder),
        "forwarder and file": (lambda: world.kill_forwarder(with_file=True), world.start_forwarder),
        "controller": (world.kill_controller, world.start_controller),
        "exabgp": (lambda: world.kill_exabgp(number), lambda: world.start_exabgp(number)),
        "relay": (lambda: world.kill_relay(number), lambda: world.start_relay(number)),
    }[which]
    kill()
    world.timeline.after(back, start)


def _act_on_configuration(world: World, step: Step) -> None:
    now = world.configuration
    match step.what:
        case "leave":
            world.leave(str(step.which))
        case "remove":
            world.remove(str(step.which))
        case "add":
            world.add(str(step.which))
        case "prefer":
            rest = tuple(name for name in now.prefer if name != step.which)
            world.configure(replace(now, prefer=(str(step.which), *rest)))
        case "rule":
            world.configure(replace(now, rules=tuple(sorted(set(now.rules) ^ {int(step.which)}))))
        case "hub prefix":
            _configure_prefixes(world, _toggled(now.hub_prefixes, int(step.which)), now.lans)
        case "lan":
            _configure_prefixes(world, now.hub_prefixes, _toggled(now.lans, int(step.which)))
        case _:
            world.branch_changes(world.every[NAMES.index(str(step.which))], LANS[int(step.number)])


def _configure_prefixes(world: World, hub_prefixes: tuple[int, ...], lans: tuple[int, ...]) -> None:
    """Unless the branch would be told nothing: what has no prefix of its IP version cannot be steered."""
    versions = {LANS[lan].version for lan in lans}
    if any(HUB_PREFIXES[number].version in versions for number in hub_prefixes):
        world.configure(replace(world.configuration, hub_prefixes=hub_prefixes, lans=lans))


def _toggled(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    """Without it or with it; the last one stays."""
    toggled = set(numbers) ^ {number}
    return tuple(sorted(toggled)) or numbers


def _end(world: World, history: History) -> None:
    """No more misfortune: what died starts, what shall live lives, and then everything must become right."""
    world.timeline.run_until(world.timeline.now + 1.0)
    for number, tunnel in enumerate(world.every):
        live = number not in history.dead
        world.lines.set(tunnel, to_branch=live, to_hub=live)
    world.start_all()
    if world.judged.frozen:
        world.judge("unfreeze", world.every[0])
    if history.situation.rules:
        world.timeline.run_until(START + CALM_FROM)
    end = world.timeline.now + SETTLED_WITHIN
    right = 0
    while right < STAYS:
        world.timeline.run_until(world.timeline.now + LOOKED_AT_EVERY)
        wrong = differences(world)
        right = 0 if wrong else right + 1
        if world.timeline.now > end:
            raise ViolationError("the end", f"after {SETTLED_WITHIN:g} s of quiet: {'; '.join(wrong)}")
