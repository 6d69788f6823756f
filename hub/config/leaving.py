"""The tunnels that traffic is leaving, kept beside the configuration in force: a restarted controller goes on leaving.

The configuration in force has them no more. Were they forgotten with the process, the next one would remove them before
they were withdrawn from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from hub.config.leaving_transport import read_transport, written_transport
from policies.model.ids import TunnelId
from policies.model.intent import HubUplink, Intent, Link, Liveness, LivenessMethod, LivenessTimers, Tunnel, Uplink
from policies.transition import Transition, interim_of

_FILE, _VERSION = "leaving.json", 1


def remember_leaving(copy: Path, change: Transition) -> None:
    """Write down what the change keeps for now, into a copy of the configuration that it leads to.

    Raises:
        OSError: the copy cannot be written.
    """
    if not change.old:
        return
    said = {
        "version": _VERSION,
        "leaving": sorted(map(str, change.leaving)),
        "tunnels": [_written(tunnel) for tunnel in change.old],
    }
    with (copy / _FILE).open("w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def resumed(copy: Path, intent: Intent) -> Transition:
    """The change to this intent, of this copy, as far as it had come.

    Raises:
        ValueError: what was written down cannot be understood; the text names the file.
        OSError: it cannot be read.
    """
    file = copy / _FILE
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Transition(intent, intent)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    try:
        return _understood(said, intent)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{file}: {error!r:.200}") from error


def _understood(said: dict[str, Any], intent: Intent) -> Transition:
    if said["version"] != _VERSION:
        raise ValueError(f"version {said['version']} is not known here")
    leaving = frozenset(map(TunnelId.parse, said["leaving"]))
    return interim_of(intent, [_read(tunnel) for tunnel in said["tunnels"]], leaving)


def forget_leaving(copy: Path) -> None:
    """Nothing is being left any more.

    Raises:
        OSError: the file cannot be removed.
    """
    (copy / _FILE).unlink(missing_ok=True)


def _written(tunnel: Tunnel) -> dict[str, object]:
    link, uplink, hub = tunnel.link, tunnel.uplink, tunnel.hub_uplink
    return {
        "tunnel": str(tunnel.id),
        "link": [None if end is None else str(end) for end in (link.hub, link.branch, link.hub6, link.branch6)],
        "uplink": [uplink.name, uplink.isp, uplink.kind, uplink.metered, uplink.interface, uplink.cost],
        "from": [None if uplink.address is None else str(uplink.address), uplink.gateway, uplink.behind_nat],
        "hub-uplink": [hub.name, hub.isp, hub.interface, hub.endpoint],
        "pinned": [hub.gateway, None if hub.address is None else str(hub.address), hub.mark],
        "transport": written_transport(tunnel.transport),
        "mtu": tunnel.mtu,
        "port": tunnel.port,
        "interface": tunnel.interface,
        "process": tunnel.process,
        "active": _timers(tunnel.liveness.active),
        "idle": _timers(tunnel.liveness.idle),
        "confirm": tunnel.liveness.confirm,
        "echo": tunnel.liveness.echo,
    }


def _timers(timers: LivenessTimers) -> list[object]:
    return [timers.method.value, timers.interval / timedelta(microseconds=1), timers.multiplier]


def _read(said: Mapping[str, Any]) -> Tunnel:
    hub, branch, hub6, branch6 = said["link"]
    ipv6 = (IPv6Address(hub6), IPv6Address(branch6)) if hub6 is not None else (None, None)
    address, gateway, behind_nat = said.get("from", (None, None, False))
    hub_gateway, hub_address, mark = said.get("pinned", (None, None, 0))
    return Tunnel(
        id=TunnelId.parse(said["tunnel"]),
        uplink=replace(Uplink(*said["uplink"]), address=_ipv4(address), gateway=gateway, behind_nat=bool(behind_nat)),
        hub_uplink=replace(
            HubUplink(*said["hub-uplink"]), gateway=hub_gateway, address=_ipv4(hub_address), mark=int(mark)
        ),
        link=Link(IPv4Address(hub), IPv4Address(branch), *ipv6),
        port=int(said["port"]),
        interface=str(said["interface"]),
        liveness=Liveness(
            _timers_of(said["active"]),
            _timers_of(said["idle"]),
            confirm=bool(said.get("confirm", True)),
            echo=bool(said.get("echo", False)),
        ),
        process=int(said["process"]),
        transport=read_transport(said.get("transport")),
        mtu=int(said.get("mtu", 1420)),
    )


def _ipv4(text: str | None) -> IPv4Address | None:
    return None if text is None else IPv4Address(text)


def _timers_of(said: list[Any]) -> LivenessTimers:
    method, microseconds, multiplier = said
    return LivenessTimers(LivenessMethod(method), timedelta(microseconds=microseconds), int(multiplier))
