"""What a policy script is written with: a typed, pure function from a situation to an adjustment.

    from policies.scripts import Adjustment, BranchSituation, NetworkSituation

    def adjust(branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:
        ...

Everything here is a value. A script gets nothing else, and what it returns is all that it can do.
"""

from __future__ import annotations

from policies.model.health import HealthState
from policies.model.policy import Metered
from policies.model.view import LivenessState
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation, TunnelSituation
from policies.scripts.steady import steady_number

__all__ = [
    "Adjustment",
    "BranchSituation",
    "HealthState",
    "LivenessState",
    "Metered",
    "NetworkSituation",
    "TunnelSituation",
    "steady_number",
]
