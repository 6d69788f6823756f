"""The observer of a hub with two tunnels, for the tests: what it finds, a JSON line each."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_network import HUB, a_branch, a_network

from hub.observe.observer import Observer
from policies.model.events import ChecksTaken, Event
from policies.model.intent import Intent, Link
from policies.model.targets import Check, DnsQuery, HttpGet, Ping, Run, TcpConnect, Timing, Via

TIMING = Timing(timedelta(milliseconds=500), timedelta(seconds=1))
SERVER = ip_address("10.1.0.10")


def network(tag: str) -> Intent:
    """Tunnels of bandung over the links of `bfd_namespaces.Network`, and an uplink that is the second of them."""
    branch = a_branch("bandung")
    tunnels = tuple(
        replace(
            tunnel,
            interface=f"{tag}h{link}",
            link=Link(IPv4Address(f"10.9.0.{2 * link}"), IPv4Address(f"10.9.0.{2 * link + 1}")),
        )
        for link, tunnel in enumerate(branch.tunnels)
    )
    targets = (
        Check("tcp", TcpConnect(SERVER, 443), TIMING),
        Check("closed", TcpConnect(SERVER, 444), TIMING),
        Check("http", HttpGet(SERVER, 80, "/health", 200), TIMING),
        Check("broken", HttpGet(SERVER, 80, "/broken", 200), TIMING),
        Check("dns", DnsQuery(SERVER, "erp.example"), TIMING),
        Check("icmp", Ping(SERVER), TIMING),
        Check("active", TcpConnect(SERVER, 443), TIMING, Via.ACTIVE),
        Check(
            "custom",
            Run("/bin/sh", ("-c", 'echo "$POINTSMAN_TUNNEL by $POINTSMAN_INTERFACE"')),
            replace(TIMING, timeout=timedelta(seconds=20)),
        ),
    )
    outside = tuple(Check(name, Ping(ip_address(name)), TIMING, Via.ACTIVE) for name in ("192.0.2.1", "192.0.2.2"))
    uplink = replace(HUB.uplinks["telkom"], interface=f"{tag}h1", targets=outside, quorum=2)
    return replace(
        a_network(replace(branch, tunnels=tunnels, targets=targets)), hub=replace(HUB, uplinks={"telkom": uplink})
    )


def say(event: Event) -> None:
    """Each result as a line."""
    assert isinstance(event, ChecksTaken)
    for result in event.results:
        key = "/".join(filter(None, (result.key.check, result.key.tunnel)))
        said = {"key": key, "outcome": result.outcome.value, "text": result.text, "mend": result.mend, "at": result.at}
        sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(Observer(network(sys.argv[1]), Path("/"), say).run())
