"""What a tunnel says of health, damping and announcements for itself, on top of what its branch's policy says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hub.config.drafts import BranchDraft
from hub.config.policy.build import Built, built_announce, built_damping
from hub.config.policy.checks import additions_problems, damping_problems, tunnel_limits
from hub.config.policy.layers import Layer, Layers, merged
from hub.config.policy.written import RawAnnounce, RawDamping, RawTunnelAnnounce
from hub.config.problems import Place, Problem
from policies.model.health import Damping, HealthLimits
from policies.model.ids import TunnelId
from policies.model.policy import Announce


@dataclass(frozen=True, slots=True)
class Own:
    """An Own is what counts for a tunnel in place of its policy's, whole; None where it says nothing."""

    limits: HealthLimits | None = None
    announce: Announce | None = None
    damping: Damping | Literal["off"] | None = None


def own_policy(branch: BranchDraft, tunnel: TunnelId, kind: str, built: Built) -> Own:
    """What a tunnel has for itself."""
    return Own(
        limits=_limits(branch, tunnel, kind, built)[0],
        announce=_announce(branch, tunnel, built),
        damping=_damping(branch, tunnel, built),
    )


def own_problems(branch: BranchDraft, tunnel: TunnelId, kind: str, built: Built) -> Iterator[Problem]:
    """What is wrong with it; what its policy says wrongly is said of that."""
    yield from _limits(branch, tunnel, kind, built)[1]
    announce, damping = _announce(branch, tunnel, built), _damping(branch, tunnel, built)
    if announce is not None:
        yield from additions_problems(announce, lambda *key: _place(branch, tunnel, "announce", *key))
    if isinstance(damping, Damping):
        yield from damping_problems(damping, lambda key: _place(branch, tunnel, "damping", key))


def announce_place(branch: BranchDraft, tunnel: TunnelId) -> Place:
    """Where a tunnel says how it is announced."""
    return _place(branch, tunnel, "announce", "add-drained")


def _announce(branch: BranchDraft, tunnel: TunnelId, built: Built) -> Announce | None:
    if not isinstance(_written(branch, tunnel, "announce"), RawTunnelAnnounce):
        return None
    said = merged(built.said.get("announce", {}), _value(branch, tunnel, "announce"))
    return built_announce(RawAnnounce.model_validate(said))


def _damping(branch: BranchDraft, tunnel: TunnelId, built: Built) -> Damping | Literal["off"] | None:
    own = _written(branch, tunnel, "damping")
    if not isinstance(own, RawDamping):
        return None if own is None else "off"
    below = built.said.get("damping")
    said = merged(below if isinstance(below, dict) else {}, _value(branch, tunnel, "damping"))
    return built_damping(RawDamping.model_validate(said))


def _limits(
    branch: BranchDraft, tunnel: TunnelId, kind: str, built: Built
) -> tuple[HealthLimits | None, tuple[Problem, ...]]:
    raw, at = branch.raw.tunnels.get(tunnel.name), Layers((Layer(branch.document),))
    return tunnel_limits(built, kind, raw.health if raw else None, at, ("tunnels", tunnel.name, "health"))


def _written(branch: BranchDraft, tunnel: TunnelId, key: Literal["announce", "damping"]) -> object:
    raw = branch.raw.tunnels.get(tunnel.name)
    return getattr(raw, key) if raw is not None else None


def _value(branch: BranchDraft, tunnel: TunnelId, key: str) -> Any:
    return branch.document.value["tunnels"][tunnel.name][key]


def _place(branch: BranchDraft, tunnel: TunnelId, *key: str) -> Place:
    """Where this stands, or what it stands in."""
    path = ("tunnels", tunnel.name, *key)
    found = next(path[:length] for length in range(len(path), 0, -1) if path[:length] in branch.document.values)
    return branch.document.place(*found)
