"""What this kernel can do, found by asking for it on sockets that are closed at once."""

from __future__ import annotations

import shutil
import socket
import struct
from pathlib import Path

from hub.doctor.facts import Features, Unseen
from hub.forwarder.netlink import nexthops
from hub.forwarder.netlink.sockets import Requests
from hub.provisioner.link_kinds import is_installed, is_loaded

_TCP_MD5SIG = 14
"""tcp(7), linux/tcp.h."""
_SOL_NETLINK, _STRICT = 270, 12


def read(*, root: bool) -> Features:
    """Everything."""
    return Features(
        nexthops=_nexthops(),
        strict_dumps=_strict(),
        md5=_md5(),
        ipv6=Path("/proc/sys/net/ipv6").exists(),
        raw_sockets=_raw(root=root),
        wireguard=_wireguard(),
    )


def _nexthops() -> bool:
    try:
        kernel = Requests()
    except OSError:
        return False
    try:
        kernel.whole(nexthops.dump())
    except OSError:
        return False
    finally:
        kernel.close()
    return True


def _strict() -> bool:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asked:
        try:
            asked.setsockopt(_SOL_NETLINK, _STRICT, 1)
        except OSError:
            return False
    return True


def _md5() -> bool:
    """Whether TCP segments can be signed (RFC 2385), tried with a key for an address of documentation."""
    address = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton("192.0.2.1")).ljust(128, b"\0")
    signature = address + struct.pack("=BBHi", 0, 0, 1, 0) + b"k".ljust(80, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asked:
        try:
            asked.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, signature)
        except OSError:
            return False
    return True


def _raw(*, root: bool) -> bool | Unseen:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
            return True
    except PermissionError:
        return False if root else Unseen()
    except OSError:
        return False


def _wireguard() -> str | None:
    """By what WireGuard is there: in the kernel, as a module that can be loaded, or as wireguard-go."""
    if is_loaded("wireguard"):
        return "in the kernel"
    if is_installed("wireguard"):
        return "a module of the kernel"
    return "wireguard-go" if shutil.which("wireguard-go") else None
