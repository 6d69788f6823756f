"""IPsec tunnels as they are wanted and seen, for the tests of the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.provisioner.alias import Alias
from hub.provisioner.ipsec.clear_text import Block
from hub.provisioner.ipsec.connection import connection_of
from hub.provisioner.ipsec.inner import SeenLink, shape_of
from hub.provisioner.ipsec.memory import Memory
from hub.provisioner.ipsec.names import LOOPBACK_LABEL, connection_name
from hub.provisioner.ipsec.seen import InCharon, InKernel, Material, Seen
from hub.provisioner.wanted import Wanted, WantedIpsec, WantedWireGuard

NETWORK = "kencana"
SALT = "00" * 32


def tunnel(name: str = "bandung/fiber", number: int = 51821, **changes: Any) -> WantedIpsec:
    """A tunnel as RouterOS has it: GRE between loopbacks, a branch whose address nobody knows."""
    plain = name.replace("/", "-")
    usual = WantedIpsec(
        tunnel=name,
        interface=f"pm-{plain}"[:15],
        addresses=(f"172.31.0.{2 * (number % 100)}/31",),
        mtu=1390,
        uplink="telkom",
        mark=28673,
        number=number,
        local="203.0.113.30",
        remote=None,
        hub_identity=f"hub.{plain}",
        branch_identity=plain,
        secret_file=f"{plain}.psk",
        certificate_file=None,
        key_file=None,
        authority_file=None,
        inner="gre",
        loopback=f"10.254.0.{2 * (number % 100)}",
        branch_loopback=f"10.254.0.{2 * (number % 100) + 1}",
        allowed=("192.168.1.0/24", "172.31.0.43/32"),
        ike=("aes256-sha256-ecp256",),
        esp=("aes256gcm16-ecp256", "aes256-sha256-ecp256"),
        version=2,
        rekey_ike=14400,
        rekey_child=3000,
    )
    return replace(usual, **changes)


def wanting(*tunnels: WantedIpsec, wireguard: tuple[WantedWireGuard, ...] = ()) -> Wanted:
    """A network that wants these tunnels."""
    return Wanted(NETWORK, (), wireguard, tunnels, (), (), ipv6=False)


def link_of(wanted: WantedIpsec, **changes: Any) -> SeenLink:
    """Its interface, as it should be."""
    alias = str(Alias(NETWORK, wanted.tunnel))
    usual = SeenLink(
        9, wanted.interface, shape_of(wanted), alias, wanted.mtu, up=True, addresses=frozenset(wanted.addresses)
    )
    return replace(usual, **changes)


def seen_with(*tunnels: WantedIpsec, materials: tuple[WantedIpsec, ...] = ()) -> Seen:
    """A machine on which these tunnels are as they should be; `materials` are those whose secrets are there too."""
    names = {connection_name(NETWORK, each.tunnel): each for each in tunnels}
    addresses = {each.loopback: LOOPBACK_LABEL for each in tunnels if each.loopback}
    guards = frozenset(each.branch_loopback for each in tunnels if each.branch_loopback)
    blocks = frozenset(
        Block(each.branch_loopback, each.loopback, each.inner)
        for each in tunnels
        if each.branch_loopback and each.loopback
    )
    return Seen(
        InCharon(frozenset(names), frozenset(names), established=frozenset(names), started="Nov 21 2026"),
        InKernel({each.interface: link_of(each) for each in tunnels}, addresses, guards, guards, blocks),
        Memory(
            SALT,
            {name: connection_of(each, name) for name, each in names.items()},
            {name: f"digest of {each.tunnel}" for name, each in names.items()},
        ),
        {each.tunnel: Material(f"digest of {each.tunnel}") for each in (*tunnels, *materials)},
    )
