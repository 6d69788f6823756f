"""Configuration directories whose branches differ in router, session, liveness, IP version and what carries tunnels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.config import read

NETWORK = """\
network: matrix
timezone: UTC
hub:
  name: hq
  as: 65000
  router-id: 10.0.0.1
  prefixes: [{hub}]
  between-branches: [{between}]
  uplinks:
    telkom: {{isp: telkom, interface: eth0, endpoint: 198.51.100.2}}
    biznet: {{isp: biznet, interface: eth1, endpoint: 203.0.113.2}}
pools:
  links: 10.255.0.0/19
  ports: 51000-54999
"""
BRANCH = """\
bgp: {kind}
{own_as}
prefixes: [{prefixes}]
router: {{kind: {router}}}
session: {session}
liveness: {liveness}
uplinks:
  fiber: {{isp: telkom}}
  wireless: {{isp: indosat}}
"""


@dataclass(frozen=True)
class Site:
    """A Site is a branch of the matrix: its name says what it is."""

    name: str
    router: str
    kind: str = "ebgp"
    bfd: bool = True
    secured: bool = False
    ipsec: bool = False
    """Whether its second tunnel is IPsec."""


def write(directory: Path, *sites: Site, both: bool) -> Path:
    """A directory with these branches, numbered from 1; of both IP versions, or of IPv4 alone."""
    (directory / "branches").mkdir(parents=True)
    hub, between = ["10.0.0.0/16"], ["10.0.0.0/8"]
    lines = []
    if both:
        hub, between = [*hub, "2001:db8::/48"], [*between, "2001:db8::/32"]
    text = NETWORK.format(hub=", ".join(hub), between=", ".join(between))
    (directory / "network.yaml").write_text(text + "  links-ipv6: fd00:255::/64\n" * both)
    for number, site in enumerate(sites, 1):
        (directory / "branches" / f"{site.name}.yaml").write_text(_branch(site, number, both=both))
        for order, (tunnel, to) in enumerate((("fiber", "telkom"), ("wireless", "biznet"))):
            place = 2 * (2 * number + order)
            link6 = f', link-ipv6: "fd00:255::1:{place:x}/127"' if both else ""
            link = f"link: 10.255.0.{place}/31{link6}, port: {51000 + 2 * number + order}"
            if site.ipsec and tunnel == "wireless":
                link += f", loopbacks: 10.255.1.{2 * number}/31"
            lines.append(f"{site.name}/{tunnel}: {{to: {to}, {link}}}\n")
    (directory / "allocations.yaml").write_text("".join(lines))
    found = read(directory)
    assert found.intent is not None, found.problems
    return directory


def _branch(site: Site, number: int, *, both: bool) -> str:
    prefixes = [f"10.{number}.0.0/24", *[f"2001:db8:{number}::/64"] * both]
    made = BRANCH.format(
        kind=site.kind,
        own_as=f"as: {65000 + number}" if site.kind == "ebgp" else "",
        prefixes=", ".join(f'"{prefix}"' for prefix in prefixes),
        router=site.router,
        session=f"{{password-file: {site.name}, ttl-security: true}}" if site.secured else "{}",
        liveness="{method: bfd}" if site.bfd else "{method: icmp}",
    )
    # VXLAN, because the kernel that the tests run on need not have GRE.
    return made + "tunnels:\n  wireless: {transport: ipsec, inner: vxlan}\n" * site.ipsec
