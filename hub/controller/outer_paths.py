"""The ways of the tunnels' outer packets, traced by the forwarder one after the other and again some minutes later."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
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
LOOK_SECONDS = 30.0
"""Between two looks at all tunnels for whose turn it is: with thousands of them a look takes milliseconds."""
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 40.0
"""The forwarder answers within half a minute, or not at all."""


class Tracer(Protocol):
    """A Tracer is the connection to the forwarder, as far as it makes traces."""

    def trace(self, tunnel: TunnelId, to: str, mark: int, source: str | None) -> asyncio.Future[Message | None] | None:
        """Ask for one: what will come of it, as `Told.traced` has it; None where whoever is asked makes none.

        None at once: nobody is there to ask.
        """


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
        self._look_at = 0.0
        self._turns: deque[tuple[TunnelId, _Way]] = deque()
        self._addresses: Mapping[str, str | None] = {}

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
        if (now := self._clock()) >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look(now)
        return self._turns.popleft() if self._turns else None

    def _look(self, now: float) -> None:
        """Note whose turn it is. One that goes elsewhere before it comes is traced anew after the next look."""
        believed = self._believed()
        watched = believed.intent.tunnels() if believed.intent.shared_fate.paths else {}
        self._forget(self._due.keys() - watched.keys())
        addresses = {each: self._address(each) for each in believed.endpoints.values()} if watched else {}
        self._addresses = addresses
        due = [(self._due_at(tunnel, way), tunnel, way) for tunnel, way in _ways(believed, addresses)]
        due.sort(key=lambda each: each[0])
        self._turns = deque((tunnel, way) for at, tunnel, way in due if at <= now)

    def _address(self, endpoint: str) -> str | None:
        """Its address, which is read once."""
        if endpoint in self._addresses:
            return self._addresses[endpoint]
        address = address_of(endpoint)
        return None if address is None else str(address)

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
                return found if found is not None and (found["tunnel"], found["to"]) == (str(tunnel), way.to) else None
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


def _ways(believed: Believed, addresses: Mapping[str, str | None]) -> Iterator[tuple[TunnelId, _Way]]:
    if not believed.intent.shared_fate.paths or not believed.view.forwarder:
        return
    for branch in believed.intent.branches.values():
        for tunnel in branch.tunnels if len(branch.tunnels) > 1 else ():
            address = addresses.get(believed.endpoints.get(tunnel.id, ""))
            if address is not None and believed.view.liveness_of(tunnel.id).state is LivenessState.UP:
                yield tunnel.id, _way(tunnel, address)


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
