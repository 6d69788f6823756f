"""A hub at two providers, an access network that both end in, and a branch with an address of each.

            198.51.100.0/24   isp1 ---+                     +--- access .9 --- 198.18.9.0/30 ---+
    hub ----                          +--- 192.0.2.0/24 ----+                                   +--- branch
            203.0.113.0/24    isp2 ---+                     +--- other .10 --- 198.18.10.0/30 --+

The branch is 198.18.1.2 and 2001:db8:a::1 by the first provider, 198.18.2.2 and 2001:db8:a::2 by the second. What has
mark 101 leaves the hub by the first, what has 102 by the second. At first the ways to all of them end in `access`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from made_network import MadeNetwork, run

MARKS = {"telkom": 101, "biznet": 102}
FIBER, WIRELESS = "198.18.1.2", "198.18.2.2"
FIBER6, WIRELESS6 = "2001:db8:a::1", "2001:db8:a::2"
ACCESS, OTHER, ACCESS6 = "192.0.2.9", "192.0.2.10", "2001:db8:e::9"


@dataclass(frozen=True)
class _Net:
    """A _Net is the networks of one IP version, each without its last number."""

    version: str
    length: int
    uplink1: str
    uplink2: str
    exchange: str
    line1: str
    line2: str
    branch: str


_FOUR = _Net("-4", 24, "198.51.100.", "203.0.113.", "192.0.2.", "198.18.9.", "198.18.10.", "198.18.0.0/16")
_SIX = _Net("-6", 64, "2001:db8:1::", "2001:db8:2::", "2001:db8:e::", "2001:db8:b::", "2001:db8:c::", "2001:db8:a::/64")


def _ends(four: str, six: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (f"{four}2/24", f"{six}2/64"), (f"{four}1/24", f"{six}1/64")


class ProviderNetwork(MadeNetwork):
    """A ProviderNetwork is these namespaces, while a with statement lasts."""

    def __init__(self) -> None:
        unique = f"{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        roles = ("hub", "isp1", "isp2", "exchange", "access", "other", "branch")
        self.names = {role: f"pm-way-{role}-{unique}" for role in roles}
        self.hub = self.names["hub"]

    def part(self) -> None:
        """The second provider reaches the branch by `other` from now on."""
        self._ip("isp2", "route", "replace", f"{WIRELESS}/32", "via", OTHER)
        self._ip("isp2", "-6", "route", "replace", f"{WIRELESS6}/128", "via", "2001:db8:e::10")

    def silence(self) -> None:
        """The branch answers nothing from now on, as behind most firewalls."""
        rules = "table inet shut { chain in { type filter hook input priority 0; meta l4proto udp drop; }\n }"
        run("ip", "netns", "exec", self.names["branch"], "nft", rules)

    def build(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            quick = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
            forwards = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            run("ip", "netns", "exec", name, "sysctl", "-qw", *quick, *limits, *forwards)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self._ip("exchange", "link", "add", "ix", "type", "bridge")
        self._ip("exchange", "link", "set", "ix", "up")
        for role, host in (("isp1", 1), ("isp2", 2), ("access", 9), ("other", 10)):
            self._join("exchange", role, role, "ix", (), (f"192.0.2.{host}/24", f"2001:db8:e::{host}/64"))
            self._ip("exchange", "link", "set", role, "master", "ix")
        self._join("hub", "isp1", "up1", "hub", *_ends(_FOUR.uplink1, _SIX.uplink1))
        self._join("hub", "isp2", "up2", "hub", *_ends(_FOUR.uplink2, _SIX.uplink2))
        self._join("access", "branch", "site", "line1", *_ends(_FOUR.line1, _SIX.line1))
        self._join("other", "branch", "site", "line2", *_ends(_FOUR.line2, _SIX.line2))
        self._routes()

    def _routes(self) -> None:
        for address in (f"{FIBER}/32", f"{WIRELESS}/32", f"{FIBER6}/128", f"{WIRELESS6}/128"):
            self._ip("branch", "addr", "add", address, "dev", "lo")
        for net in (_FOUR, _SIX):
            for isp in ("isp1", "isp2"):
                self._route(isp, net, net.branch, net.exchange + "9")
            for router, line in (("access", net.line1), ("other", net.line2)):
                self._route(router, net, net.branch, line + "1")
                for number, uplink in ((1, net.uplink1), (2, net.uplink2)):
                    self._route(router, net, f"{uplink}0/{net.length}", f"{net.exchange}{number}")
            self._route("branch", net, "default", net.line1 + "2")
            self._route("hub", net, "default", net.uplink1 + "1")
            for mark, uplink in ((101, net.uplink1), (102, net.uplink2)):
                self._route("hub", net, "default", uplink + "1", "table", str(mark))
                self._ip("hub", net.version, "rule", "add", "fwmark", str(mark), "table", str(mark))

    def _route(self, role: str, net: _Net, to: str, via: str, *more: str) -> None:
        self._ip(role, net.version, "route", "add", to, "via", via, *more)

    def _join(self, here: str, there: str, name: str, far: str, mine: Iterable[str], theirs: Iterable[str]) -> None:
        peer = ("peer", "name", far, "netns", self.names[there])
        self._ip(here, "link", "add", name, "type", "veth", *peer)
        for role, device, addresses in ((here, name, mine), (there, far, theirs)):
            self._ip(role, "link", "set", device, "up")
            for address in addresses:
                self._ip(role, "addr", "add", address, "dev", device)

    def _ip(self, role: str, *command: str) -> None:
        run("ip", "-n", self.names[role], *command)

    def destroy(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "del", name, check=False)
