"""The ways of the tunnels' outer packets, traced by the forwarder one after the other and again some minutes later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from hub.control.lines import Message
from hub.controller.troubles import Believed
from policies.arrivals import address_of
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Tunnel
from policies.model.outer_path import OuterPath, Trace
from policies.model.transport import Ipsec, WireGuard
from policies.model.view import LivenessState
from policies.outer_paths import REMEMBERED, together

EVERY_SECONDS = 600.0
"""Between two traces of one tunnel; each is 30 packets of 37 bytes at most, of which few come to the branch."""
AGAIN_SECONDS = 60.0
"""After a trace that could not be made."""
FIRST_SECONDS = 30.0
"""After the start nothing is traced for so long: what matters comes first."""
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 40.0
"""The forwarder answers within half a minute, or not at all."""


class Tracer(Protocol):
    """A Tracer is the connection to the forwarder, as far as it makes traces."""

    def trace(self, tunnel: TunnelId, to: str, mark: int, source: str | None) -> asyncio.Future[Message] | None:
        """Ask for one: what will come of it, as `Told.traced` has it. None: nobody is there to ask."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A _Way is what a trace is of. With another one the traces before say nothing."""

    to: str
    hub_uplink: str
    mark: int
    source: str | None


class OuterPaths:
    """An OuterPaths has the live tunnels traced, of branches with several of them, unless that is switched off."""

    def __init__(
        self,
        tracer: Tracer,
        believed: Callable[[], Believed],
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._tracer, self._believed, self._clock, self._say = tracer, believed, clock, say
        self._failed = ""
        self._traces: dict[TunnelId, tuple[_Way, tuple[Trace, ...]]] = {}
        self._due: dict[TunnelId, tuple[_Way, float]] = {}
        self._known: Mapping[TunnelId, OuterPath] = {}

    def known(self) -> Mapping[TunnelId, OuterPath]:
        """What is known now; nobody changes it."""
        return self._known

    async def run(self) -> None:
        """Trace, for ever."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.step()
            await asyncio.sleep(PAUSE_SECONDS)

    async def step(self) -> None:
        """Trace the tunnel whose turn it is, if it is any's. Should that fail it is said once, and all else goes on."""
        failed = ""
        try:
            if (turn := self.next()) is not None:
                await self.measure(*turn)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the controller
            failed = f"tracing the ways of tunnels failed: {type(error).__name__}: {error}; please report it"
        if failed and failed != self._failed:
            self._say(failed)
        self._failed = failed

    def next(self) -> tuple[TunnelId, _Way] | None:
        """The tunnel whose turn it is, if it is any's: what was never traced as it is first."""
        believed = self._believed()
        ways = dict(_ways(believed))
        watched = believed.intent.tunnels() if believed.intent.shared_fate.paths else {}
        self._forget(self._due.keys() - watched.keys())
        due = {tunnel: self._due_at(tunnel, way) for tunnel, way in ways.items()}
        tunnel = min(due, key=lambda each: due[each], default=None)
        return None if tunnel is None or due[tunnel] > self._clock() else (tunnel, ways[tunnel])

    async def measure(self, tunnel: TunnelId, way: _Way) -> None:
        """Trace one tunnel, and remember what came of it."""
        found = await self._trace(tunnel, way)
        now = self._clock()
        if found is None or found["error"] is not None:
            self._due[tunnel] = way, now + AGAIN_SECONDS
            return
        self._due[tunnel] = way, now + EVERY_SECONDS
        trace = Trace(way.to, tuple(found["hops"]), found["reached"])
        was = self._traces.get(tunnel)
        before = was[1] if was is not None and was[0] == way else ()
        self._traces[tunnel] = way, (trace, *before)[:REMEMBERED]
        path = OuterPath(together(self._traces[tunnel][1]), way.hub_uplink, Instant(now))
        self._known = {**self._known, tunnel: path}

    async def _trace(self, tunnel: TunnelId, way: _Way) -> Message | None:
        answer = self._tracer.trace(tunnel, way.to, way.mark, way.source)
        if answer is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await answer
                return found if (found["tunnel"], found["to"]) == (str(tunnel), way.to) else None
        return None

    def _due_at(self, tunnel: TunnelId, way: _Way) -> float:
        of, at = self._due.get(tunnel, (None, 0.0))
        return at if of == way else 0.0

    def _forget(self, gone: Collection[TunnelId]) -> None:
        for tunnel in gone:
            self._traces.pop(tunnel, None)
            self._due.pop(tunnel, None)
        if gone:
            self._known = {tunnel: path for tunnel, path in self._known.items() if tunnel not in gone}


def _ways(believed: Believed) -> Iterator[tuple[TunnelId, _Way]]:
    if not believed.intent.shared_fate.paths or not believed.view.forwarder:
        return
    for branch in believed.intent.branches.values():
        for tunnel in branch.tunnels if len(branch.tunnels) > 1 else ():
            address = address_of(believed.endpoints.get(tunnel.id, ""))
            if address is not None and believed.view.liveness_of(tunnel.id).state is LivenessState.UP:
                yield tunnel.id, _way(tunnel, str(address))


def _way(tunnel: Tunnel, to: str) -> _Way:
    """As its outer packets go: WireGuard's have the uplink's mark, those of IPsec its address, where it is fixed.

    A tunnel that somebody else made goes as the machine's routes say, as far as is known here.
    """
    uplink = tunnel.hub_uplink
    match tunnel.transport:
        case WireGuard():
            return _Way(to, uplink.name, uplink.mark, None)
        case Ipsec() if uplink.address is not None and ":" not in to:
            return _Way(to, uplink.name, 0, str(uplink.address))
        case _:
            return _Way(to, uplink.name, 0, None)
