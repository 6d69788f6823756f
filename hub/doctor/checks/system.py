"""The machine itself: kernel, clock, disk, programs."""

from __future__ import annotations

from collections.abc import Iterator

from hub.doctor.facts import Directory, Facts, Unseen, Wanted
from hub.doctor.findings import Finding, fine, unseen, warning, wrong
from speaker.bgp.launcher import CannotStartError, check_version

_KERNEL, _CLOCK, _DISK, _PROGRAMS = "kernel", "clock", "disk", "programs"
_EARLIEST = 1_735_689_600.0
"""2025-01-01: before this software."""
_LEAST_BYTES, _FEW_BYTES, _FEW_FILES = 1 << 20, 64 << 20, 100
_PACKET_MEMORY = 768
"""Bytes that the kernel charges for one waiting BFD packet."""
_STALL_SECONDS = 0.2
"""How long a stall of the machine the receive buffer should outlast."""
_RMEM = "/proc/sys/net/core/rmem_max"
_ASKED_BUFFER = 1 << 20
"""Bytes that the forwarder asks for."""


def kernel(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """What the kernel must be able to do."""
    features = facts.features
    newer = "use a kernel of 5.3 or later, with it built in"
    if not features.nexthops:
        yield wrong(_KERNEL, "nexthops", "this kernel has no nexthop objects, by which tunnels are switched", newer)
    if not features.strict_dumps:
        yield wrong(_KERNEL, "strict", "this kernel does not check netlink requests strictly (4.20)", newer)
    if wanted.passwords and not features.md5:
        text = "this kernel has no TCP MD5, and a session has a password"
        yield wrong(_KERNEL, "md5", text, "use a kernel with CONFIG_TCP_MD5SIG, or take the passwords out")
    if isinstance(features.raw_sockets, Unseen):
        yield unseen(_KERNEL, "raw", "raw sockets", features.raw_sockets.why)
    elif not features.raw_sockets:
        yield wrong(_KERNEL, "raw", "no raw sockets: ICMP cannot be sent", "give this container CAP_NET_RAW")
    if features.nexthops and features.strict_dumps:
        yield fine(_KERNEL, "nexthops", "nexthop objects and strict netlink requests are there")


def wireguard(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """WireGuard, asked for only while tunnels are missing: other kinds of tunnels may stand in."""
    there = set() if isinstance(facts.interfaces, Unseen) else {each.name for each in facts.interfaces}
    missing = any(tunnel.interface not in there for tunnel in wanted.tunnels)
    if facts.features.wireguard:
        yield fine(_KERNEL, "wireguard", f"WireGuard is there ({facts.features.wireguard})")
    elif missing:
        text = "this kernel has no WireGuard, there is no wireguard-go, and tunnels are missing"
        yield wrong(_KERNEL, "wireguard", text, "apt-get install wireguard-go, or use a kernel with WireGuard")


def receive_buffer(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Room for the BFD packets that arrive while the machine stalls: what is lost there looks like silence."""
    most = facts.number(_RMEM)
    rate = sum(1 / tunnel.liveness.active.interval.total_seconds() for tunnel in wanted.tunnels)
    needed = int(rate * _STALL_SECONDS * _PACKET_MEMORY)
    # The kernel doubles what is asked for (socket(7), SO_RCVBUF).
    if most is not None and 2 * min(most, _ASKED_BUFFER) < needed and most < _ASKED_BUFFER:
        text = f"net.core.rmem_max is {most}, and {rate:.0f} liveness packets a second come in"
        yield warning(_KERNEL, "receive-buffer", text, f"sysctl -w net.core.rmem_max={_ASKED_BUFFER}")


def clock(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """The wall clock, by which windows and logs go; liveness goes by the monotonic one."""
    found = facts.clock
    if found.wall < _EARLIEST:
        yield wrong(_CLOCK, "wall", "the clock is years behind", "timedatectl set-ntp true, or install chrony")
    elif isinstance(found.synchronized, Unseen):
        yield unseen(_CLOCK, "synchronized", "whether the clock is synchronized", found.synchronized.why)
    elif not found.synchronized:
        text = "the clock is not synchronized: logs and windows of time go wrong"
        yield warning(_CLOCK, "synchronized", text, "timedatectl set-ntp true, or install chrony")
    else:
        yield fine(_CLOCK, "synchronized", "the clock is synchronized")
    if found.slept > 1:
        text = f"this machine was suspended for {found.slept:.0f} s since it was started: branches were alone then"
        yield warning(_CLOCK, "slept", text, "systemctl mask sleep.target suspend.target")
    for zone in found.missing_zones:
        yield wrong(_CLOCK, "zone", f"there is no time zone {zone} here", "apt-get install tzdata")


def directories(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Room and leave to write in the state and runtime directories."""
    for each in facts.directories:
        yield from _directory(each)


def _directory(each: Directory) -> Iterator[Finding]:
    if not each.exists:
        yield fine(_DISK, "directory", f"{each.path} is not there yet: pointsman run makes it")
        return
    if each.read_only or each.writable is False:
        how = "is on a file system that is read-only" if each.read_only else "may not be written"
        mend = f"mount -o remount,rw, or look at ls -ld {each.path}"
        yield wrong(_DISK, "writable", f"{each.path} {how}: nothing is remembered over a restart", mend)
    elif isinstance(each.writable, Unseen):
        yield unseen(_DISK, "writable", f"whether the hub may write in {each.path}", each.writable.why)
    full = each.free_files == 0 or (each.free_bytes is not None and each.free_bytes < _LEAST_BYTES)
    few = each.free_files is not None and each.free_files < _FEW_FILES
    if full:
        yield wrong(_DISK, "room", f"the disk of {each.path} is full", f"make room: df -h {each.path}")
    elif few or (each.free_bytes is not None and each.free_bytes < _FEW_BYTES):
        yield warning(_DISK, "room", f"the disk of {each.path} is nearly full", f"make room: df -hi {each.path}")
    elif not each.read_only and each.writable is True:
        yield fine(_DISK, "room", f"{each.path} can be written and has room")


def programs(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """ExaBGP of a version that the launcher knows, and setpriv."""
    try:
        check_version(facts.exabgp or "(none)")
    except CannotStartError as error:
        what, _, mend = str(error).partition(": ")
        yield wrong(_PROGRAMS, "exabgp", what if facts.exabgp else "ExaBGP is not installed", mend)
    else:
        yield fine(_PROGRAMS, "exabgp", f"ExaBGP {facts.exabgp} is known")
    if facts.setpriv:
        yield fine(_PROGRAMS, "setpriv", "setpriv is there")
    else:
        text = "setpriv is missing: all processes keep all capabilities"
        yield warning(_PROGRAMS, "setpriv", text, "apt-get install util-linux")
