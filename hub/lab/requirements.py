"""Whether this machine can build a lab: programs, kernel features, limits. Everything missing is said at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from hub.lab import strongswan
from hub.lab.names import LabError
from hub.lab.network import BIRD, FRR, Network
from hub.lab.scripts import FRR_DIRECTORIES

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "wg": "wireguard-tools",
    "ping": "iputils-ping",
    "setsid": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}
"""Program → Debian package, for every program without which there is no lab."""

ROUTERS = {BIRD: {"bird": "bird2"}, FRR: {"zebra": "frr", "bgpd": "frr", "bfdd": "frr", "vtysh": "frr"}}
"""For each router that a branch may have, the same of what it consists of."""
USERSPACE_WIREGUARD = ("wireguard-go", "wireguard-go")
_SYSTEM_DIRECTORIES = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{FRR_DIRECTORIES}"
_TUN = Path("/dev/net/tun")
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


def kernel_has_wireguard() -> bool:
    """Whether `ip link add type wireguard` works; tried in a namespace that is gone afterwards."""
    return _works("ip link add name trial type wireguard")


def kernel_has_netem() -> bool:
    """Whether the kernel can delay packets (the netem queueing discipline)."""
    return _works("tc qdisc add dev lo root netem delay 1ms")


def _works(command: str) -> bool:
    return subprocess.run(["unshare", "-n", "sh", "-c", command], capture_output=True, check=False).returncode == 0


def installed(program: str) -> bool:
    """Whether the program is on the PATH or in one of the system's directories."""
    return bool(shutil.which(program) or shutil.which(program, path=_SYSTEM_DIRECTORIES))


def missing(
    *,
    kernel_wireguard: bool,
    routers: Iterable[str] = (BIRD,),
    ipsec: bool = False,
    has: Callable[[str], bool] = installed,
) -> list[tuple[str, str]]:
    """The (program, Debian package) pairs that a lab with such routers, and with IPsec, needs and that are not here."""
    needed = [*PACKAGES.items(), *(pair for router in sorted(set(routers)) for pair in ROUTERS[router].items())]
    if not kernel_wireguard:
        needed.append(USERSPACE_WIREGUARD)
    if ipsec:
        needed += strongswan.PACKAGES.items()
    return [(program, package) for program, package in needed if not has(program)]


def complaint(absent: Iterable[tuple[str, str]]) -> str:
    """One line that names everything missing and how to install it."""
    programs, packages = zip(*absent, strict=True)
    return f"missing for a lab: {', '.join(programs)}: apt-get install {' '.join(dict.fromkeys(packages))}"


def check(network: Network) -> bool:
    """Look for everything that a lab of this network needs; True if the kernel has WireGuard.

    Raises:
        LabError: something is missing; the text names all of it and the mend.
    """
    kernel_wireguard = installed("ip") and installed("unshare") and kernel_has_wireguard()
    routers, ipsec = [branch.router for branch in network.branches], bool(network.ipsec_nodes())
    if absent := missing(kernel_wireguard=kernel_wireguard, routers=routers, ipsec=ipsec):
        raise LabError(complaint(absent))
    if not kernel_wireguard:
        _check_tun()
    _check_inotify(2 * sum(1 for _ in network.tunnels()), kernel_wireguard=kernel_wireguard)
    return kernel_wireguard


def _check_tun() -> None:
    if not _TUN.exists():
        raise LabError(f"this kernel has neither WireGuard nor TUN devices ({_TUN}): modprobe wireguard or tun")
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise LabError(f"{_TUN} is closed to this user: use sudo, or open it as most systems do: chmod 0666 {_TUN}")


def _check_inotify(processes: int, *, kernel_wireguard: bool) -> None:
    try:
        allowed = int(_INOTIFY.read_text())
    except (OSError, ValueError):
        return
    if not kernel_wireguard and processes > allowed:
        raise LabError(
            f"{processes} wireguard-go processes need one inotify instance each and {allowed} are allowed: "
            f"sysctl fs.inotify.max_user_instances={2 * processes}"
        )
