"""The branches that chaos strikes: four, all of both IP versions, which differ in router, kind of session and liveness.

One with BIRD and one with FRR, both eBGP with BFD; one iBGP, with a password and TTL security; one without BFD. Whether
the last two have BIRD or FRR is the seed's affair, so that any four seeds that follow each other cover all of them.
"""

from __future__ import annotations

from pathlib import Path

from chaos_verdict import Site
from mixed_branches import Site as Described
from mixed_branches import write

from hub.lab.network import BIRD, FRR, Branch
from hub.lab.probe import IPV6

_ROUTERS = (BIRD, FRR)


def branches_of(seed: int) -> tuple[Described, ...]:
    """The branches of a run."""
    return (
        Described("bird", BIRD),
        Described("frr", FRR),
        Described("ibgp", _ROUTERS[seed % 2], kind="ibgp", secured=True),
        Described("icmp", _ROUTERS[seed // 2 % 2], bfd=False),
    )


def write_configuration(directory: Path, seed: int) -> None:
    """The configuration directory of a run."""
    write(directory, *branches_of(seed), both=True)


def sites_of(branch: Branch) -> dict[str, Site]:
    """What the verdict has to know of a branch, by the name of its probe: that of each IP version is judged by itself.

    Only BIRD's IPv4 floor is guarded: FRR 8 has no BFD for static routes, and the hub speaks no BFD in IPv6. While BGP
    is there the sessions' BFD, which is IPv4 for both versions, moves all of them.
    """
    tunnels = tuple(tunnel.name for tunnel in branch.tunnels)
    bfd = all(tunnel.bfd for tunnel in branch.tunnels)
    names = {version: branch.name + IPV6 * (version != branch.versions[0]) for version in branch.versions}
    return {
        name: Site(name, tunnels, own_bfd=bfd, guarded_floor=bfd and branch.router == BIRD and version == 4)
        for version, name in names.items()
    }
