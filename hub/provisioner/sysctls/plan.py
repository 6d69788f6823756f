"""Which settings of the kernel are wanted, and what differs. Pure: what is read is passed in.

Only what is needed is set, and what it was before is remembered, so that it can be put back. Names are paths below
/proc/sys, as they have interfaces in them whose names may have dots (ip-sysctl in the kernel's documentation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hub.provisioner.changes import Change
from hub.provisioner.wanted import Wanted

SLICE = "sysctls"
FORWARD_IPV4 = "net/ipv4/ip_forward"
FORWARD_IPV6 = "net/ipv6/conf/all/forwarding"
EVERYWHERE = "everywhere"
"""The target of what concerns no single tunnel or uplink."""
STRICT, LOOSE = 1, 2
_UNLESS_FORWARDING, _ALWAYS = 1, 2
"""Values of accept_ra: with 1 routers' advertisements are taken until the machine forwards, with 2 also then."""

Read = Callable[[str], str | None]
"""The value of a setting, None where there is no such one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A Setting is what a setting of the kernel should be, for which target, and why.

    `passing`: it goes with its interface, so that what it was before need not be remembered.
    """

    name: str
    value: str
    target: str
    because: str
    passing: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.name)}={self.value}"


@dataclass(frozen=True, slots=True)
class Work:
    """A Work is a setting to write, and whether it is to be remembered what it was, or forgotten."""

    name: str
    value: str
    remember: bool = False
    forget: bool = False


def dotted(name: str) -> str:
    """As sysctl(8) takes it: dots between, and a slash in place of a dot of an interface's name."""
    return name.replace(".", "\0").replace("/", ".").replace("\0", "/")


def settings(wanted: Wanted, read: Read) -> Iterator[Setting]:
    """What is not as it has to be, in the order in which it is to be set. An existing tunnel's own are left alone."""
    made = [(each.interface, each.tunnel, any(":" in a for a in each.addresses)) for each in wanted.tunnels()]
    carries = bool(made or wanted.existing)
    if carries and read(FORWARD_IPV4) == "0":
        yield Setting(FORWARD_IPV4, "1", EVERYWHERE, "nothing goes from the headquarters to a branch")
    if carries and wanted.ipv6 and read(FORWARD_IPV6) == "0":
        yield from _advertised(wanted, read)
        yield Setting(FORWARD_IPV6, "1", EVERYWHERE, "no IPv6 goes from the headquarters to a branch")
    for interface, tunnel, _ in made:
        yield from _loose(interface, tunnel, read, passing=True)
    for uplink in wanted.uplinks:
        if uplink.interface is not None and uplink.gateway is not None:
            yield from _loose(uplink.interface, f"uplink {uplink.name}", read, passing=False)
    for interface, tunnel, with_ipv6 in made:
        name = f"net/ipv6/conf/{interface}/disable_ipv6"
        if with_ipv6 and read(name) == "1":
            yield Setting(name, "0", tunnel, "the tunnel is to carry IPv6", passing=True)


def _advertised(wanted: Wanted, read: Read) -> Iterator[Setting]:
    """A machine that forwards takes no router's advertisement any more, and would lose an uplink's IPv6 address."""
    for uplink in wanted.uplinks:
        name = f"net/ipv6/conf/{uplink.interface}/accept_ra"
        if uplink.interface is not None and read(name) == str(_UNLESS_FORWARDING):
            because = "a machine that forwards would lose what the ISP's router advertises"
            yield Setting(name, str(_ALWAYS), f"uplink {uplink.name}", because)


def _loose(interface: str, target: str, read: Read, *, passing: bool) -> Iterator[Setting]:
    """What counts is the larger one of `all` and the interface's own: so the interface's own 2 makes a strict 1 loose.

    An interface that is not there yet will begin with what `default` says.
    """
    name = f"net/ipv4/conf/{interface}/rp_filter"
    own = read(name)
    if own is None:
        if not passing:
            return  # an uplink's interface that is not there is told by its pin
        own = read("net/ipv4/conf/default/rp_filter")
    if max(_number(own), _number(read("net/ipv4/conf/all/rp_filter"))) == STRICT:
        because = "strict filtering drops what comes back another way than it went"
        yield Setting(name, str(LOOSE), target, because, passing=passing)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0


def changes(wanted: Wanted, read: Read, remembered: Mapping[str, tuple[str, str]]) -> Iterator[Change]:
    """What is to be set, and what is to be put back because it is no longer wanted.

    `remembered` has of each setting that we changed what it was before, and what we made it.
    """
    for each in settings(wanted, read):
        work = Work(each.name, each.value, remember=not each.passing)
        yield Change(SLICE, each.target, f"set {each}: {each.because}", how=work)
    needed = set(needs(wanted))
    for name, (before, made) in sorted(remembered.items()):
        if name in needed:
            continue
        if read(name) == made:
            text = f"put {dotted(name)} back to {before}, as it was"
            yield Change(SLICE, EVERYWHERE, text, removes=True, how=Work(name, before, forget=True))


def needs(wanted: Wanted) -> Iterator[str]:
    """The settings that outlive tunnels and that this configuration may need."""
    if not (wanted.tunnels() or wanted.existing):
        return
    yield FORWARD_IPV4
    if wanted.ipv6:
        yield FORWARD_IPV6
    for uplink in wanted.uplinks:
        if uplink.interface is None:
            continue
        if wanted.ipv6:
            yield f"net/ipv6/conf/{uplink.interface}/accept_ra"
        if uplink.gateway is not None:
            yield f"net/ipv4/conf/{uplink.interface}/rp_filter"
