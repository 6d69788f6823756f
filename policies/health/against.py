"""against: what speaks against the tunnels of a branch beside their probes. Pure.

The judge of health and a plan ask the same: what degrades a tunnel now does so by a plan too.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.health.signs import too_large
from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.path_mtu import PathMtu
from policies.model.view import View
from policies.targets import failing_tunnels

Sizes = Mapping[TunnelId, PathMtu]
"""What was found of the size of packets that pass, by tunnel."""


def against(branch: Branch, view: View, sizes: Sizes, now: Instant) -> Mapping[TunnelId, tuple[str, ...]]:
    """The targets and checks that speak against tunnels of the branch, and sizes of packets where limits say so.

    Each is in words.
    """
    found = dict(failing_tunnels(branch, view, now)) if branch.targets else {}
    for tunnel in branch.tunnels:
        if branch.limits_of(tunnel).full_size and (words := too_large(sizes.get(tunnel.id))):
            found[tunnel.id] = (*found.get(tunnel.id, ()), *words)
    return found
