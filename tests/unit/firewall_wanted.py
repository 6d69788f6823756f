"""What firewalls of tests are made of: one hub, and tunnels of each kind."""

from __future__ import annotations

from dataclasses import replace

from hub.provisioner.wanted import Wanted, WantedExisting, WantedIpsec, WantedUplink, WantedWireGuard

FIBER = WantedWireGuard(
    tunnel="bandung/fiber",
    interface="wg51000-bandung",
    addresses=("10.255.0.0/31", "fd00:255::/127"),
    mtu=1420,
    uplink="telkom",
    mark=256,
    port=51000,
    allowed=("10.1.0.0/24", "2001:db8:1::/48", "10.255.0.1/32", "10.255.0.3/32", "fd00:255::1/128", "fd00:255::3/128"),
    endpoint=None,
    keepalive=0,
    preshared=False,
    known_from=("192.0.2.7",),
)
LTE = replace(
    FIBER,
    tunnel="bandung/lte",
    interface="wg51001-bandung",
    addresses=("10.255.0.2/31", "fd00:255::2/127"),
    uplink="biznet",
    port=51001,
    known_from=(),
)
SOLO = WantedIpsec(
    tunnel="solo/fiber",
    interface="wg51002-solo",
    addresses=("10.255.0.4/31",),
    mtu=1400,
    uplink="telkom",
    mark=256,
    number=51002,
    local="198.51.100.2",
    remote="192.0.2.9",
    hub_identity="hq.solo-fiber",
    branch_identity="solo-fiber",
    secret_file="solo-fiber.psk",  # noqa: S106  a name of a file
    certificate_file=None,
    key_file=None,
    authority_file=None,
    inner="gre",
    loopback="10.254.0.0",
    branch_loopback="10.254.0.1",
    allowed=("10.2.0.0/24", "10.255.0.5/32"),
    ike=("aes256-sha256-ecp256",),
    esp=("aes256gcm16-ecp256",),
    version=2,
    rekey_ike=14400,
    rekey_child=3000,
    known_from=("192.0.2.9",),
)
OLD = WantedExisting("tegal/old", "gre7", ("10.255.0.6/31",))
TELKOM = WantedUplink("telkom", "telkom", "eth0", "198.51.100.1", "198.51.100.2", 256)
BIZNET = WantedUplink("biznet", "biznet", "eth1", "203.0.113.1", "203.0.113.2", 257)
WANTED = Wanted("kencana", (TELKOM, BIZNET), (FIBER, LTE), (), (), ("10.0.9.0/24", "2001:db8:9::/64"), True, True)
"""Two WireGuard tunnels of one branch, one of a known address."""
EVERYTHING = replace(WANTED, ipsec=(SOLO,), existing=(OLD,))
PINNED = replace(WANTED, wireguard=(FIBER,), ipsec=(SOLO,), management=(), ipv6=False)
NOWHERE = replace(
    EVERYTHING, uplinks=(replace(TELKOM, interface=None), replace(BIZNET, interface=None)), existing=(), management=()
)
EVERY = {"wireguard": WANTED, "everything": EVERYTHING, "pinned": PINNED, "interfaces-unknown": NOWHERE}
