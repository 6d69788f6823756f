"""What a change of IPsec does to the machine, as the plan says it to the backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.provisioner.ipsec.clear_text import Block
from hub.provisioner.wanted import WantedIpsec


@dataclass(frozen=True, slots=True)
class PutLoopback:
    """A PutLoopback puts the hub's loopback address on `lo`."""

    address: str


@dataclass(frozen=True, slots=True)
class DropLoopback:
    """A DropLoopback removes it."""

    address: str


@dataclass(frozen=True, slots=True)
class PutGuard:
    """A PutGuard makes what is for an address unreachable, as long as no SA leads there."""

    address: str


@dataclass(frozen=True, slots=True)
class DropGuard:
    """A DropGuard removes that."""

    address: str


@dataclass(frozen=True, slots=True)
class PutBlock:
    """A PutBlock has what comes in clear dropped, as long as no SA is there."""

    block: Block


@dataclass(frozen=True, slots=True)
class DropBlock:
    """A DropBlock removes that."""

    block: Block


@dataclass(frozen=True, slots=True)
class MakeLink:
    """A MakeLink makes the inner interface; one of ours that is of another shape goes before."""

    wanted: WantedIpsec
    alias: str


@dataclass(frozen=True, slots=True)
class AdjustLink:
    """An AdjustLink gives an interface its MTU and its addresses, and sets it up."""

    wanted: WantedIpsec
    alias: str


@dataclass(frozen=True, slots=True)
class DropLink:
    """A DropLink removes an inner interface, if it still has this alias."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class LoadSecret:
    """A LoadSecret hands the secret or the private key of a tunnel to charon."""

    name: str
    wanted: WantedIpsec


@dataclass(frozen=True, slots=True)
class DropSecret:
    """A DropSecret takes the secret of this name away."""

    name: str


@dataclass(frozen=True, slots=True)
class DropKey:
    """A DropKey takes a private key away, by what charon calls it."""

    key: str


@dataclass(frozen=True, slots=True)
class LoadConnection:
    """A LoadConnection loads a connection; with `anew` its SA is ended, with `begin` the hub makes one."""

    name: str
    connection: Mapping[str, Any]
    anew: bool = False
    begin: bool = False


@dataclass(frozen=True, slots=True)
class DropConnection:
    """A DropConnection removes a connection and ends its SA."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearCredentials:
    """A ClearCredentials empties charon of credentials, and loads again what these tunnels, by connection, have."""

    network: str
    tunnels: tuple[tuple[str, WantedIpsec], ...]


@dataclass(frozen=True, slots=True)
class LeaveCertificates:
    """A LeaveCertificates is that certificates with these fingerprints are left in charon, as if they were others'."""

    certificates: frozenset[str]


Step = (
    PutLoopback
    | DropLoopback
    | PutGuard
    | DropGuard
    | PutBlock
    | DropBlock
    | MakeLink
    | AdjustLink
    | DropLink
    | LoadSecret
    | DropSecret
    | DropKey
    | LoadConnection
    | DropConnection
    | ClearCredentials
    | LeaveCertificates
)
