"""What speaks against tunnels beside their probes, and what may explain their state: looked at once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from policies.health.against import Sizes, against
from policies.health.ike import sa_facts, sa_hint
from policies.health.signs import hints
from policies.model.clock import Instant, Now
from policies.model.health import Hint
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.path_mtu import PathMtu
from policies.model.view import LivenessState, LivenessView, View

Measured = Mapping[str, Mapping[str, Any]]
"""`Told.measured`: what the forwarder measured, by the tunnel's name."""

NOTHING_MADE: Measured = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Gap:
    """A Gap is a time in which a tunnel did not answer, and that is over."""

    began: Instant
    ended: Instant


class TunnelSigns:
    """A TunnelSigns remembers what was found at the last look."""

    def __init__(self) -> None:
        self._failing: Mapping[TunnelId, tuple[str, ...]] = {}
        self._hints: Mapping[TunnelId, tuple[Hint, ...]] = {}
        self._down: dict[TunnelId, Instant] = {}
        self.gaps: dict[TunnelId, Gap] = {}
        """The last time that each tunnel did not answer; shorter ones than a look are not seen."""
        self.sizes: Sizes = {}
        """What was found of the size of packets that pass."""

    def look(
        self,
        intent: Intent,
        view: View,
        measured: Measured,
        now: Now,
        made: Measured = NOTHING_MADE,
    ) -> None:
        """Find out what is so now; `made` is what the provisioner knows of tunnels."""
        failing: dict[TunnelId, tuple[str, ...]] = {}
        found: dict[TunnelId, tuple[Hint, ...]] = {}
        told = {tunnel: measured.get(str(tunnel), {}) for tunnel in intent.tunnels()}
        sizes = {tunnel: mtu for tunnel, one in told.items() if (mtu := _mtu(one.get("mtu"))) is not None}
        for branch in intent.branches.values():
            failing |= against(branch, view, sizes, now.monotonic)
            for tunnel in branch.tunnels:
                handshake = _handshake(told[tunnel.id].get("wg"), now) if view.forwarder else None
                liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
                self._note_gap(tunnel.id, liveness)
                sa = _sa(made.get(str(tunnel.id), {}).get("ipsec"), now)
                if known := hints(liveness, session, handshake, now.monotonic, self.hints(tunnel.id), sa):
                    found[tunnel.id] = known
        self._failing, self._hints, self.sizes = failing, found, sizes

    def _note_gap(self, tunnel: TunnelId, liveness: LivenessView) -> None:
        if liveness.state is LivenessState.DOWN:
            self._down[tunnel] = liveness.since
        elif liveness.state is LivenessState.UP and (began := self._down.pop(tunnel, None)) is not None:
            self.gaps[tunnel] = Gap(began, liveness.since)

    def failing(self, tunnel: TunnelId) -> tuple[str, ...]:
        """The targets, checks and sizes of packets that speak against a tunnel, each in words."""
        return self._failing.get(tunnel, ())

    def hints(self, tunnel: TunnelId) -> tuple[Hint, ...]:
        """What may explain a tunnel's state."""
        return self._hints.get(tunnel, ())


def _mtu(told: Mapping[str, Any] | None) -> PathMtu | None:
    return None if told is None else PathMtu(told["size"], told["ok"], told["works"], told["looks"])


def _handshake(told: Mapping[str, Any] | None, now: Now) -> Instant | None:
    """When hands were shaken last, on the monotonic clock."""
    at = told["handshake_at"] if told is not None else None
    return None if at is None else Instant(now.monotonic - (now.wall.timestamp() - at))


def _sa(told: Mapping[str, Any] | None, now: Now) -> Hint | None:
    """What the SA of an IPsec tunnel explains; None of another tunnel, and where all is well."""
    return None if told is None else sa_hint(sa_facts(told, now.wall.timestamp(), now.monotonic), now.monotonic)
