"""Who of a lab goes first: what stands for other machines must not wait for the hub under test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hub.lab.names import LabPlace
from hub.lab.namespaces import processes
from hub.lab.network import HUB
from hub.lab.processors import put_ahead


def put_others_ahead(place: LabPlace, nodes: Iterable[str]) -> None:
    """Give routers and lines real-time priority, the hub's ends of the lines too: a kernel with WireGuard has none."""
    others = processes(place.namespace(node) for node in nodes if node != HUB)
    ends = [pid for pid in processes([place.namespace(HUB)]) if _name_of(pid).startswith("wireguard")]
    put_ahead(others + ends)


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
