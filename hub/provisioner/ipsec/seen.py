"""What of IPsec is on this machine now: in charon, among interfaces, addresses and routes, and in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.charon import connected
from hub.provisioner.ipsec.clear_text import Block, blocks
from hub.provisioner.ipsec.inner import SeenLink, Shape
from hub.provisioner.ipsec.memory import Memory, recall
from hub.provisioner.ipsec.names import GUARD_METRIC, INNER_KINDS, INNER_MODULES, connection_name
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.ipsec.secret_files import read_public, read_secret
from hub.provisioner.link_kinds import lacking
from hub.provisioner.ownership import PROTOCOL
from hub.provisioner.wanted import Wanted, WantedIpsec

_UNREACHABLE = 7
"""RTN_UNREACHABLE (rtnetlink(7))."""
_MAIN = 254
_UP = 1
_LINK_LOCAL = 253
_IPV4 = 2


@dataclass(frozen=True, slots=True)
class Material:
    """A Material is what a tunnel's ends know each other by: digests of what is secret, and the certificates.

    `problem` and `mend` say why there is none.
    """

    digest: str = ""
    certificate: str = ""
    authority: str = ""
    problem: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class InCharon:
    """An InCharon is what charon has; `established` are connections with an IKE SA that is up.

    `certificates` are fingerprints, also of what peers have sent.
    """

    connections: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    established: frozenset[str] = frozenset()
    installed: frozenset[str] = frozenset()
    started: str = ""
    encrypts_itself: bool = False


@dataclass(frozen=True, slots=True)
class InKernel:
    """An InKernel is interfaces by name, addresses of the machine with their labels, and routes to one address.

    `guards` are ours that lead nowhere, and `blocks` what is dropped in clear; `routed` are the protected
    addresses that are reached all the same; `lacking` are kinds of interfaces that are wanted, are not there, and that
    this kernel does not make.
    """

    links: Mapping[str, SeenLink] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    guards: frozenset[str] = frozenset()
    routed: frozenset[str] = frozenset()
    blocks: frozenset[Block] = frozenset()
    lacking: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """A Seen is all that is looked at for a plan; `is_news`: charon was started anew, and `memory` is to be kept."""

    charon: InCharon
    kernel: InKernel
    memory: Memory
    materials: Mapping[str, Material]
    is_news: bool = False


def look(wanted: Wanted, vici: Path, state: Path, secrets: Path) -> Seen:
    """What there is now. charon is asked only where it has, or had, something of ours.

    Raises:
        ProvisionError: charon or the kernel do not answer.
    """
    memory = recall(state)
    materials = {each.tunnel: material_of(each, memory, secrets) for each in wanted.ipsec}
    asked = bool(wanted.ipsec or memory.connections or memory.secrets)
    charon = look_into_charon(vici) if asked else _left_in_charon(vici, memory)
    settled = memory.of_charon(charon.started, charon.certificates, charon.keys)
    kernel = look_into_kernel(_protected(wanted, charon))
    missing = {each.inner: INNER_MODULES[each.inner] for each in wanted.ipsec if not _is_there(each, kernel)}
    kernel = replace(kernel, lacking=lacking(missing))
    if asked and not charon.encrypts_itself:
        kernel = replace(kernel, blocks=blocks())
    elif kernel.guards or asked:
        # Guards go after the blocks: whoever was interrupted may have left both. Where charon encrypts itself now, the
        # kernel may have those of before.
        with suppress(ProvisionError):  # a kernel that cannot say has none
            kernel = replace(kernel, blocks=blocks())
    return Seen(charon, kernel, settled, materials, is_news=settled is not memory)


def _left_in_charon(vici: Path, memory: Memory) -> InCharon:
    """Where nothing of ours is wanted or loaded: what an interrupted removal has left. A stopped charon has nothing."""
    if not (memory.loaded_keys or memory.certificates):
        return InCharon()
    try:
        return look_into_charon(vici)
    except ProvisionError:
        return InCharon()


def _is_there(wanted: WantedIpsec, kernel: InKernel) -> bool:
    link = kernel.links.get(wanted.interface)
    return link is not None and link.shape.kind == wanted.inner


def _protected(wanted: Wanted, charon: InCharon) -> list[str]:
    """The far loopbacks of the tunnels that have an SA."""
    return [
        each.branch_loopback
        for each in wanted.ipsec
        if each.branch_loopback and connection_name(wanted.network, each.tunnel) in charon.installed
    ]


def look_into_charon(vici: Path) -> InCharon:
    """What charon has now.

    Raises:
        ProvisionError: it does not answer.
    """
    with connected(vici) as charon:
        sas = charon.sas()
        return InCharon(
            connections=charon.connections(),
            secrets=charon.shared(),
            keys=charon.keys(),
            certificates=charon.certificates(),
            established=frozenset(name for name, sa in sas if sa.get("state") == b"ESTABLISHED"),
            installed=frozenset(name for name, sa in sas if _has_installed(sa)),
            started=charon.started(),
            encrypts_itself=charon.encrypts_itself(),
        )


def _has_installed(sa: Mapping[str, Any]) -> bool:
    return any(child.get("state") == b"INSTALLED" for child in sa.get("child-sas", {}).values())


def material_of(wanted: WantedIpsec, memory: Memory, secrets: Path) -> Material:
    """What is in the files by which the ends of this tunnel know each other, or why that is not to be had."""
    owners = f"{wanted.hub_identity}\0{wanted.branch_identity}".encode()
    try:
        if wanted.secret_file is not None:
            secret = SecretFiles(secrets).in_use(wanted.tunnel, wanted.secret_file)
            return Material(memory.digest(secret.reveal_bytes(), owners))
        key = read_secret(secrets, wanted.key_file or "").reveal_bytes()
        certificate = read_public(secrets, wanted.certificate_file or "")
        return Material(memory.digest(key), certificate, read_public(secrets, wanted.authority_file or ""))
    except ProvisionError as error:
        return Material(problem=str(error), mend=error.mend)


def look_into_kernel(protected: Iterable[str] = ()) -> InKernel:
    """Interfaces, addresses and routes of the present network namespace; `protected` are asked for one by one.

    Raises:
        ProvisionError: the kernel does not answer.
    """
    try:
        with IPRoute(strict_check=True) as netlink:
            links, addresses = list(netlink.get_links()), list(netlink.get_addr())
            # Filtered by the kernel (NETLINK_GET_STRICT_CHK): the forwarder's routes may be thousands.
            ours = {"table": _MAIN, "proto": PROTOCOL, "type": _UNREACHABLE}
            guards = _hosts(netlink.get_routes(family=_IPV4, **ours))
            routed = frozenset(each for each in protected if _leads_somewhere(netlink, each))
    except (OSError, NetlinkError) as error:
        raise ProvisionError(f"the kernel does not say what interfaces it has: {error}") from error
    by_link: dict[int, set[str]] = {}
    for each in addresses:
        if each["scope"] != _LINK_LOCAL:
            by_link.setdefault(each["index"], set()).add(f"{_address(each)}/{each['prefixlen']}")
    seen = (_link(each, frozenset(by_link.get(each["index"], ()))) for each in links)
    return InKernel(
        links={link.name: link for link in seen},
        addresses={str(_address(each)): str(each.get_attr("IFA_LABEL") or "") for each in addresses},
        guards=guards,
        routed=routed,
    )


def _address(message: Any) -> str:
    return str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))


def _leads_somewhere(netlink: Any, address: str) -> bool:
    try:
        netlink.route("get", dst=address)
    except NetlinkError:
        return False
    return True


def _hosts(routes: Iterable[Any]) -> frozenset[str]:
    return frozenset(
        str(each.get_attr("RTA_DST"))
        for each in routes
        if each["dst_len"] == 32 and _is_guard(each["type"], each["proto"], each.get_attr("RTA_PRIORITY"))
    )


def _is_guard(kind: int, protocol: int, metric: int | None) -> bool:
    return (kind, protocol, metric) == (_UNREACHABLE, PROTOCOL, GUARD_METRIC)


def _link(message: Any, addresses: frozenset[str]) -> SeenLink:
    info = message.get_attr("IFLA_LINKINFO")
    kind = str((info.get_attr("IFLA_INFO_KIND") if info else "") or "")
    data = info.get_attr("IFLA_INFO_DATA") if info and kind in INNER_KINDS else None
    return SeenLink(
        index=message["index"],
        name=str(message.get_attr("IFLA_IFNAME")),
        shape=_shape(kind, data),
        alias=message.get_attr("IFLA_IFALIAS"),
        mtu=int(message.get_attr("IFLA_MTU") or 0),
        up=bool(message["flags"] & _UP),
        addresses=addresses,
    )


def _shape(kind: str, data: Any) -> Shape:
    if data is None:
        return Shape(kind)
    match kind:
        case "vxlan":
            ends = data.get_attr("IFLA_VXLAN_LOCAL"), data.get_attr("IFLA_VXLAN_GROUP")
            return Shape(kind, *ends, data.get_attr("IFLA_VXLAN_ID"))
        case "xfrm":
            return Shape(kind, number=data.get_attr("IFLA_XFRM_IF_ID"))
        case _:
            return Shape(kind, data.get_attr("IFLA_GRE_LOCAL"), data.get_attr("IFLA_GRE_REMOTE"))
