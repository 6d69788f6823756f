"""The network of `scripts/bench failover`: one branch with two tunnels, written as a configuration of Pointsman's.

All hubs get the same one, and the lab builds the same branch for each: addresses, tunnels, router, timers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from hub.config import read
from hub.lab.network import Network
from hub.lab.plan import plan
from hub.lab_overrides import LabOverrides, overridden
from policies.lengths import written

BRANCH, PREFERRED, OTHER = "bandung", "fiber", "wireless"
BRANCH_PREFIX = "10.201.0.0/24"
MOST_PREFIXES = 20_000
HOLD = timedelta(seconds=2)
"""How long Pointsman lets a returned tunnel prove itself; it only makes cuts follow each other sooner."""

_NETWORK = """\
network: failover
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/24]
{between}  uplinks:
    telkom: {{isp: telkom, interface: eth0}}
    biznet: {{isp: biznet, interface: eth1}}
pools: {{links: 10.255.0.0/19, ports: 51000-54999}}
"""
_ALLOCATIONS = f"""\
{BRANCH}/{PREFERRED}: {{to: telkom, link: 10.255.0.0/31, port: 51000}}
{BRANCH}/{OTHER}: {{to: biznet, link: 10.255.0.2/31, port: 51001}}
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wanted is what is measured: timers, how liveness is told (`bfd` or `icmp`), the branch's router, prefixes.

    `interval` is liveness's. `prefixes` is how many the hub announces; the host that is probed is in the first.
    `policy` is text for the branch's file: what Pointsman is told beside; `hold` None leaves the policy's.
    """

    interval: timedelta = timedelta(milliseconds=50)
    multiplier: int = 3
    liveness: str = "bfd"
    router: str = "bird"
    prefixes: int = 1
    policy: str = ""
    hold: timedelta | None = HOLD

    @property
    def detection(self) -> float:
        """Seconds of silence after which liveness is lost."""
        return self.interval.total_seconds() * self.multiplier


def write_configuration(directory: Path, wanted: Wanted, *, liveness: str, confirm: bool, echo: bool = False) -> Path:
    """Write the configuration of a network into a new directory.

    `confirm` is Pointsman's adaptive confirmation, `echo` an ICMP echo every interval beside BFD.
    """
    (directory / "branches").mkdir(parents=True)
    more = ", ".join(further_prefixes(wanted.prefixes - 1))
    between = f"  between-branches: [{more}]\n" if more else ""
    (directory / "network.yaml").write_text(_NETWORK.format(between=between))
    (directory / "allocations.yaml").write_text(_ALLOCATIONS)
    (directory / "branches" / f"{BRANCH}.yaml").write_text(_branch(wanted, liveness, confirm=confirm, echo=echo))
    return directory


def _branch(wanted: Wanted, liveness: str, *, confirm: bool, echo: bool) -> str:
    timers = f"interval: {written(wanted.interval)}, multiplier: {wanted.multiplier}"
    more = f"confirm: {str(confirm).lower()}" + (", echo: true" if echo else "")
    return (
        "as: 65001\n"
        f"prefixes: [{BRANCH_PREFIX}]\n"
        f"router: {{kind: {wanted.router}}}\n"
        f"liveness: {{method: {liveness}, {timers}, {more}}}\n"
        f"uplinks: {{{PREFERRED}: {{isp: telkom}}, {OTHER}: {{isp: indosat}}}}\n" + wanted.policy
    )


def further_prefixes(number: int) -> Iterator[str]:
    """So many /24 that the hub announces beside its own: from 10.64.0.0 on, below the branch's and the links."""
    first = int(IPv4Address("10.64.0.0"))
    return (f"{IPv4Address(first + 256 * position)}/24" for position in range(number))


def planned(configuration: Path, hold: timedelta | None = HOLD) -> tuple[Network, LabOverrides]:
    """The lab's network for a configuration, and what Pointsman is told beside it.

    Raises:
        SystemExit: the configuration has errors.
    """
    outcome = read(configuration)
    if outcome.intent is None:
        raise SystemExit("\n".join(map(str, outcome.problems)))
    overrides = LabOverrides(hold=hold)
    return plan(overridden(outcome.intent, overrides)), overrides
