"""What keeps the tunnels from being pinned to an uplink of the hub though its gateway is written: warnings."""

from __future__ import annotations

from collections.abc import Iterator

from hub.config.problems import Problem, warning
from hub.config.survey import HubDraft


def pinning_warnings(hub: HubDraft) -> Iterator[Problem]:
    """Uplinks with a gateway and no interface, to which nothing can be pinned."""
    for name, raw in sorted(hub.raw.uplinks.items()):
        if raw.gateway is not None and raw.interface is None:
            text = f"uplink {name} has a gateway and no interface: its tunnels' packets are not pinned to it"
            place = hub.document.key_place(*hub.at, "uplinks", name, "gateway")
            yield warning(place, text, "add interface, for example interface: eth0")
