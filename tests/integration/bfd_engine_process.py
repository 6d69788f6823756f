"""A process with nothing but the liveness engine: commands on stdin, what it sees on stdout, one JSON object a line."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.engine import Engine
from hub.forwarder.liveness.model import LivenessReport, ProbeRate, SessionMemory, Timers, TunnelSpec
from hub.forwarder.loop import Loop


def say(**what: Any) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def spec_from(value: dict[str, Any]) -> TunnelSpec:
    """A tunnel as the test writes it."""
    active, idle = Timers(**value.pop("active")), Timers(**value.pop("idle"))
    rate = value.pop("probe", None)
    return TunnelSpec(**value, active=active, idle=idle, probe=ProbeRate(**rate) if rate else None)


class Process:
    """One engine, driven by lines."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.engine = Engine(self.loop, self.liveness, self.path, self.problem, self.samples)
        self.rest = b""

    def liveness(self, report: LivenessReport) -> None:
        say(liveness=asdict(report))

    def path(self, branch: str, tunnel: str, at: int, version: int) -> None:
        say(path=[branch, tunnel, version])

    def problem(self, key: str, text: str | None, mend: str | None) -> None:
        say(problem=[key, text, mend])

    def samples(self, samples: list[dict[str, Any]]) -> None:
        say(samples=samples)

    def read(self) -> None:
        data = os.read(0, 65536)
        if not data:
            self.loop.stop()
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            (verb, value), *_ = json.loads(line).items()
            getattr(self, f"do_{verb}")(value)

    def do_tunnels(self, value: dict[str, Any]) -> None:
        remembered = {name: SessionMemory.from_json(memory) for name, memory in value.get("remembered", {}).items()}
        self.engine.set_tunnels([spec_from(spec) for spec in value["specs"]], remembered)

    def do_carrying(self, value: list[str]) -> None:
        self.engine.set_carrying(frozenset(value))

    def do_probe(self, value: str | None) -> None:
        self.engine.set_probe(value)

    def do_burst(self, value: dict[str, Any]) -> None:
        self.engine.burst(BurstOrder(**value))

    def do_look(self, value: list[str]) -> None:
        self.engine.look(frozenset(value))

    def do_link(self, value: list[Any]) -> None:
        self.engine.link_changed(*value)

    def do_ask(self, value: object) -> None:
        say(
            reports=[asdict(report) for report in self.engine.reports()],
            memory={name: memory.to_json() for name, memory in self.engine.memory().items()},
            counters=self.engine.counters,
            lateness=self.loop.lateness,
        )

    def do_slow_down(self, value: object) -> None:
        self.engine.slow_down(lambda: say(slowed=True))


if __name__ == "__main__":
    process = Process()
    process.loop.watch(0, process.read)
    say(ready=True)
    process.loop.run()
