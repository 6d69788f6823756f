"""The kinds of uplinks: what a branch's internet connection can be."""

from __future__ import annotations

KINDS = ("fiber", "wireless", "lte", "5g", "satellite", "dsl", "cable", "microwave", "other")
"""What an uplink can be; one whose name is a kind is of that kind."""

CHEAPEST = "cheapest"
"""The word of a preference for all tunnels that are not named before it, by what their uplinks cost."""
