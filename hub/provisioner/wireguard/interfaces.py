"""The machine at one moment, as the plan needs it: interfaces, and who has which UDP port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.provisioner.wireguard.devices import Device

KERNEL, DAEMON = "wireguard", "tun"
"""Kinds of link: WireGuard in the kernel, and what wireguard-go makes."""
NOT_POSSIBLE = "this kernel has no WireGuard, and wireguard-go is not here"
NOT_POSSIBLE_MEND = "install wireguard-go, or use a kernel with WireGuard"


@dataclass(frozen=True, slots=True)
class Interface:
    """An Interface is a network interface as it is now. `device` is None where it is no WireGuard, or does not answer.

    `addresses` are written with their lengths, without those that IPv6 makes of itself.
    """

    name: str
    index: int
    alias: str
    kind: str
    up: bool
    mtu: int
    addresses: frozenset[str] = frozenset()
    device: Device | None = None

    @property
    def made_by(self) -> str:
        """What carries it, in a word."""
        return {KERNEL: "kernel", DAEMON: "wireguard-go"}.get(self.kind, self.kind or "unknown")


@dataclass(frozen=True, slots=True)
class Seen:
    """A Seen is the machine at one moment.

    `half_made` are interfaces that we were about to make when something interrupted it. `ports` is who has which UDP
    port, as words; interfaces of WireGuard are named. `elsewhere` are names that a wireguard-go of another network
    namespace has. `configured` are those for which we wrote a configuration. `possible` is False where interfaces are
    missing and neither the kernel nor wireguard-go can make them.
    """

    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    half_made: frozenset[str] = frozenset()
    ports: Mapping[int, str] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    configured: frozenset[str] = frozenset()
    possible: bool = True
