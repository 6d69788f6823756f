"""Other programs that manage routes: systemd-networkd, BIRD, FRR."""

from __future__ import annotations

from collections.abc import Iterator

from hub.doctor.facts import Facts, Networkd, Wanted
from hub.doctor.findings import Finding, fine, warning, wrong

PLACE = "daemons"
FOREIGN_SINCE = {
    "ManageForeignRoutes": 246,
    "ManageForeignRoutingPolicyRules": 249,
    "ManageForeignNextHops": 256,
}
"""What networkd.conf(5) must set to `no`, and the version since which systemd-networkd deletes such things."""
ROUTING = frozenset({"bird", "bird6", "zebra", "gobgpd"})
_COMPAT_MODE = "/proc/sys/net/ipv4/nexthop_compat_mode"


def networkd(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """systemd-networkd that is about to delete our routes, rules and nexthops when it starts."""
    found = facts.networkd
    if not (found.running or found.enabled):
        yield fine(PLACE, "networkd", "systemd-networkd neither runs nor is enabled")
        return
    unsafe = deleting(found)
    if not unsafe:
        yield fine(PLACE, "networkd", "systemd-networkd leaves the routes of others alone")
        return
    how = "runs" if found.running else "is enabled"
    text = f"systemd-networkd {how}, and deletes Pointsman's routes when it starts"
    wanted = " ".join(f"{option}=no" for option in unsafe)
    mend = f"write [Network] {wanted} to /etc/systemd/networkd.conf.d/pointsman.conf, a line each"
    yield wrong(PLACE, "networkd", text, mend) if found.running else warning(PLACE, "networkd", text, mend)


def deleting(found: Networkd) -> tuple[str, ...]:
    """The options that this version knows and that are not set to `no`; all of them when the version is unknown."""
    version = found.version
    return tuple(
        option
        for option, since in FOREIGN_SINCE.items()
        if (version is None or version >= since) and found.settings.get(option, True)
    )


def routing(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Routing daemons beside us: what they cannot read, and what they may take up."""
    beside = sorted({each.name for each in facts.daemons if each.name in ROUTING})
    for where in facts.learning if beside else ():
        text = f"{where} takes up routes of others, and so Pointsman's: it may announce them, and follow them late"
        yield warning(PLACE, "learning", text, "filter them out there (BIRD: krt_source = 112)")
    if beside and facts.number(_COMPAT_MODE) == 0:
        text = f"nexthop_compat_mode is off: {', '.join(beside)} cannot read Pointsman's routes"
        yield warning(PLACE, "compat-mode", text, "sysctl -w net.ipv4.nexthop_compat_mode=1, at the price of speed")
