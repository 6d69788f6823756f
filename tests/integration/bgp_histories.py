"""Whatever is asked for, in whatever order, the branch ends with it: random histories on real ExaBGPs and a real BIRD.

A history is a list of steps, made from a seed: changes of what is wanted (there and back at once, urgent ones,
thousands of prefixes), sessions that go and come, deaths of relays and ExaBGPs, restarts of the client. In the end
BIRD's tables are compared with what was asked for last, every prefix and every MED.

    b1/fiber, b1/wireless, b2/wireless   first ExaBGP  \\
    b2/fiber                             second ExaBGP  > one client, one BIRD
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from bgp_bench import Bench, bench
from bgp_network import in_processes, network

from hub.bgp.speakers import Speakers
from policies.model.announcement import Announcement
from policies.model.ids import TunnelId

TUNNELS = ("b1/fiber", "b1/wireless", "b2/fiber", "b2/wireless")
FEW = tuple(f"10.200.{number}.0/24" for number in range(12))
MANY = 10_000
STUCK_AFTER = 40.0
"""Seconds without any progress after which a history has ended with something else than was asked for."""

Step = list[Any]
"""The name of a step and its arguments, as JSON writes them."""


def history(seed: str, steps: int, many: int = MANY) -> list[Step]:
    """The history of a seed; once in it so many prefixes are sent, and changed while they are on their way."""
    chance = random.Random(seed)
    made = [_step(chance) for _ in range(steps)]
    tunnel = chance.choice(TUNNELS)
    crowd: list[Step] = [["crowd", tunnel, many, chance.choice((100, 200))], ["pause", chance.randrange(400)]]
    for _ in range(3):
        first = chance.randrange(many)
        crowd += [["among", tunnel, first, min(many, first + chance.randrange(1, 2000)), chance.randrange(900, 1100)]]
    crowd += [_step(chance) for _ in range(4)]
    place = chance.randrange(len(made) + 1)
    return made[:place] + crowd + made[place:]


def _step(chance: random.Random) -> Step:
    tunnel, process = chance.choice(TUNNELS), chance.choice((1, 2))
    prefixes = chance.sample(FEW, chance.randrange(1, len(FEW)))
    kinds: dict[str, tuple[int, Step]] = {
        "set": (8, ["set", tunnel, {p: chance.choice((None, 10, 20, 30)) for p in prefixes}, chance.random() < 0.4]),
        "flip": (
            8,
            ["flip", tunnel, prefixes, chance.choice(([10, 20, 10], [10, None, 10], [None, 10, None], [20, 10]))],
        ),
        "pause": (5, ["pause", chance.choice((0, 1, 5, 20, 100, 500))]),
        "disable": (2, ["disable", tunnel]),
        "enable": (3, ["enable", tunnel]),
        "bounce": (2, ["bounce", tunnel]),
        "kill relay": (1, ["kill relay", process]),
        "kill exabgp": (1, ["kill exabgp", process]),
        "restart": (2, ["restart"]),
        "close": (1, ["close", tunnel]),
    }
    name = chance.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    return kinds[name][1]


@dataclass
class World:
    """A World is the bench, the present client, and what was asked for last."""

    made: Bench
    mended: bool = True
    wanted: dict[str, dict[str, int]] = field(default_factory=lambda: {tunnel: {} for tunnel in TUNNELS})
    counters: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start a client."""
        self.speakers = Speakers(self.made.intent, self.made.places.relay_socket, lambda _: None, time.monotonic)
        self._task = asyncio.create_task(self.speakers.run())
        self.ask()

    async def stop(self) -> None:
        """End the client."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.counters += self.speakers.counters

    def ask(self, *urgent: str) -> None:
        """Tell the client what is wanted now."""
        wanted = {
            TunnelId.parse(tunnel): {IPv4Network(prefix): Announcement(med) for prefix, med in meds.items()}
            for tunnel, meds in self.wanted.items()
        }
        self.speakers.want(wanted, frozenset(map(TunnelId.parse, urgent)))

    def change(self, tunnel: str, changes: dict[str, int | None], *, urgent: bool) -> None:
        """Another MED for these prefixes, or none at all."""
        for prefix, med in changes.items():
            if med is None:
                self.wanted[tunnel].pop(prefix, None)
            else:
                self.wanted[tunnel][prefix] = med
        self.ask(*((tunnel,) if urgent else ()))

    async def take(self, step: Step) -> None:
        """Do one step."""
        match step:
            case ["set", tunnel, changes, urgent]:
                self.change(tunnel, changes, urgent=urgent)
            case ["flip", tunnel, prefixes, meds]:
                for med in meds:
                    self.change(tunnel, dict.fromkeys(prefixes, med), urgent=False)
                    await asyncio.sleep(0)
            case ["crowd", tunnel, count, med]:
                self.change(tunnel, dict.fromkeys(crowd(count), med), urgent=False)
            case ["among", tunnel, first, last, med]:
                self.change(tunnel, dict.fromkeys(crowd(last)[first:], med), urgent=True)
                await asyncio.sleep(0.05)
            case ["pause", milliseconds]:
                await asyncio.sleep(milliseconds / 1000)
            case ["restart"]:
                await self.stop()
                self.start()
            case _:
                await self._disturb(step)

    async def _disturb(self, step: Step) -> None:
        match step:
            case ["disable" | "enable" as verb, tunnel]:
                await asyncio.to_thread(self.made.birdc, verb, tunnel.replace("/", "_"))
            case ["bounce", tunnel]:
                await asyncio.to_thread(self.made.birdc, "restart", tunnel.replace("/", "_"))
            case ["close", tunnel]:
                self.speakers.close(TunnelId.parse(tunnel))
            case ["kill relay", process]:
                with contextlib.suppress(OSError, IndexError):
                    os.kill(self.made.relay_pid(process), signal.SIGKILL)
            case ["kill exabgp", process]:
                await asyncio.to_thread(self.made.stop, self.made.exabgps[process])
                self.made.start_exabgp(process, mended=self.mended)
            case _:
                raise ValueError(f"no step of a history: {step}")

    async def differences(self) -> dict[str, list[str]]:
        """Where the branches hold something else than was asked for last, after a time in which they may come to it."""
        for tunnel in TUNNELS:
            await self.take(["enable", tunnel])
        for process, exabgp in self.made.exabgps.items():
            if exabgp.poll() is not None:
                self.made.start_exabgp(process, mended=self.mended)
        least, since = 1 << 30, time.monotonic()
        while (found := await self._compare()) and time.monotonic() < since + STUCK_AFTER:
            if (wrong := sum(map(len, found.values()))) < least:
                least, since = wrong, time.monotonic()
            await asyncio.sleep(0.1)
        if not found:
            await asyncio.sleep(0.5)  # nothing more may come after it
            found = await self._compare()
        return found

    async def _compare(self) -> dict[str, list[str]]:
        held = {tunnel: await asyncio.to_thread(self.made.meds, tunnel) for tunnel in TUNNELS}
        return {
            tunnel: _difference(held[tunnel], self.wanted[tunnel])
            for tunnel in TUNNELS
            if held[tunnel] != self.wanted[tunnel]
        }


def crowd(count: int) -> list[str]:
    """So many prefixes."""
    return [f"20.{number >> 8}.{number & 255}.0/24" for number in range(count)]


def _difference(held: dict[str, int], wanted: dict[str, int]) -> list[str]:
    wrong = sorted(p for p in held.keys() | wanted.keys() if held.get(p) != wanted.get(p))
    return [f"{prefix}: {held.get(prefix)} in the place of {wanted.get(prefix)}" for prefix in wrong]


def play(steps: Sequence[Step], *, mended: bool = True) -> tuple[dict[str, list[str]], Counter[str]]:
    """Let a history happen in a world of its own; the differences in the end, and what the client counted."""

    async def whole() -> dict[str, list[str]]:
        world.start()
        try:
            for step in steps:
                await world.take(step)
            return await world.differences()
        finally:
            await world.stop()

    with bench(in_processes(network(2), {"b2/fiber": 2}), mended=mended) as made:
        world = World(made, mended)
        return asyncio.run(whole()), world.counters
