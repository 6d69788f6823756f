"""What the plan says, done: each step alone, and doing it twice is doing it once."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.provisioner.alias import is_ours, read_alias
from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec import clear_text, steps
from hub.provisioner.ipsec.certificates import fingerprints, texts_of
from hub.provisioner.ipsec.charon import Charon, connected
from hub.provisioner.ipsec.inner import Shape, no_such_kind, shape_of
from hub.provisioner.ipsec.leftovers import only_ours
from hub.provisioner.ipsec.memory import Memory, recall, remember
from hub.provisioner.ipsec.names import GUARD_METRIC, INNER_KINDS, LOOPBACK_LABEL, VXLAN_PORT
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.ipsec.secret_files import read_secret
from hub.provisioner.ipsec.seen import look_into_charon
from hub.provisioner.ipv6 import enable_ipv6
from hub.provisioner.keys.secret import Secret
from hub.provisioner.link_kinds import NO_SUCH_KIND
from hub.provisioner.ownership import PROTOCOL
from hub.provisioner.wanted import WantedIpsec

_LOOPBACK_INDEX = 1
_NO_DUPLICATE_DETECTION = 0x02
"""IFA_F_NODAD: nobody else is on a tunnel, and it would keep the address unusable for a second."""
_TTL = 64
_UNFINISHED = "pointsman-new"


@dataclass(frozen=True, slots=True)
class Backend:
    """A Backend carries out steps: on charon at its socket, and on the kernel of the present network namespace."""

    vici: Path
    state: Path
    secrets: Path

    def do(self, step: steps.Step) -> None:
        """Carry out one step.

        Raises:
            ProvisionError: it failed; nothing else was touched.
        """
        match step:
            case steps.LoadSecret() | steps.DropSecret() | steps.LoadConnection() | steps.DropConnection():
                self._in_charon(step)
            case steps.DropKey(key):
                self._drop_key(key)
            case steps.ClearCredentials(network, tunnels):
                self._clear_credentials(network, dict(tunnels))
            case steps.LeaveCertificates(certificates):
                self._keep(lambda memory: memory.without_certificates(certificates))
            case steps.PutBlock(block):
                clear_text.put(block)
            case steps.DropBlock(block):
                clear_text.drop(block)
            case _:
                _in_kernel(step)

    def _in_charon(
        self, step: steps.LoadSecret | steps.DropSecret | steps.LoadConnection | steps.DropConnection
    ) -> None:
        match step:
            case steps.LoadSecret(name, wanted):
                self._load_secret(name, wanted)
            case steps.DropSecret(name):
                with connected(self.vici) as charon:
                    charon.unload_secret(name)
                self._keep(lambda memory: memory.with_secret(name, None))
            case steps.LoadConnection(name, connection, anew, begin):
                with connected(self.vici) as charon:
                    charon.load_connection(name, connection)
                    if anew:
                        charon.terminate(name)
                    if begin:
                        charon.initiate(name)
                self._keep(lambda memory: memory.with_connection(name, connection))
            case steps.DropConnection(name):
                with connected(self.vici) as charon:
                    charon.unload_connection(name)
                    charon.terminate(name)
                self._keep(lambda memory: memory.with_connection(name, None).with_key(name, None))
            case _:
                assert_never(step)

    def _load_secret(self, name: str, wanted: WantedIpsec) -> None:
        secret = self._read(wanted)
        with connected(self.vici) as charon:
            key = _hand_over(charon, name, wanted, secret)
        if key is None:
            self._keep(lambda memory: memory.with_secret(name, _digest(memory, wanted, secret)).with_key(name, None))
        else:
            self._keep(lambda memory: memory.with_key(name, (key, _digest(memory, wanted, secret))))

    def _drop_key(self, key: str) -> None:
        if key in (used for used, _ in recall(self.state).keys.values()):
            return  # written otherwise in its file, and still the same
        with connected(self.vici) as charon:
            charon.unload_key(key)
        self._keep(lambda memory: memory.without_key(key))

    def _clear_credentials(self, network: str, tunnels: Mapping[str, WantedIpsec]) -> None:
        """All at once, for charon has no other way; first is read all that is put back, and it is what charon has."""
        memory = recall(self.state)
        held = {name: wanted for name, wanted in tunnels.items() if name in {*memory.secrets, *memory.keys}}
        secrets = {name: self._secret_as_loaded(name, wanted, memory) for name, wanted in held.items()}
        with connected(self.vici) as charon:
            there = replace(look_into_charon(self.vici), certificates=charon.loaded_certificates())
            if not only_ours(network, there, memory):
                raise ProvisionError(
                    "others have just loaded credentials into charon: theirs would go too", "apply again"
                )
            charon.clear_credentials()
            for name, wanted in held.items():
                _hand_over(charon, name, wanted, secrets[name])
            texts = {each for connection in memory.connections.values() for each in texts_of(connection)}
            for text, authority in texts:
                charon.load_certificate(text, authority=authority)
        gone = memory.certificates.keys() - fingerprints(text for text, _ in texts)
        self._keep(lambda memory: memory.without_certificates(gone))

    def _secret_as_loaded(self, name: str, wanted: WantedIpsec, memory: Memory) -> Secret:
        """What is in its file, if charon has taken the same once: whether it takes another is not known."""
        secret, kept = self._read(wanted), memory.secrets.get(name)
        if wanted.secret_file is None:
            _, kept = memory.keys.get(name, ("", None))
        if _digest(memory, wanted, secret) != kept:
            said = f"{wanted.secret_file or wanted.key_file} is not what was loaded of it"
            raise ProvisionError(f"{said}: no certificates are taken from charon", "put it right, and apply again")
        return secret

    def _read(self, wanted: WantedIpsec) -> Secret:
        if wanted.secret_file is not None:
            return SecretFiles(self.secrets).in_use(wanted.tunnel, wanted.secret_file)
        return read_secret(self.secrets, wanted.key_file or "")

    def _keep(self, change: Callable[[Memory], Memory]) -> None:
        remember(self.state, change(recall(self.state)))


def _hand_over(charon: Charon, name: str, wanted: WantedIpsec, secret: Secret) -> str | None:
    """Have charon load a secret, or a private key; what it calls the key."""
    if wanted.secret_file is None:
        return charon.load_key(name, secret.reveal_bytes())
    charon.load_secret(name, secret.reveal_bytes(), (wanted.hub_identity, wanted.branch_identity))
    return None


def _digest(memory: Memory, wanted: WantedIpsec, secret: Secret) -> str:
    owners = f"{wanted.hub_identity}\0{wanted.branch_identity}".encode()
    return memory.digest(secret.reveal_bytes(), *([] if wanted.secret_file is None else [owners]))


_InKernel = (
    steps.PutLoopback
    | steps.DropLoopback
    | steps.PutGuard
    | steps.DropGuard
    | steps.MakeLink
    | steps.AdjustLink
    | steps.DropLink
)


def _in_kernel(step: _InKernel) -> None:
    try:
        with IPRoute(strict_check=True) as netlink:
            _carry_out(netlink, step)
    except (NetlinkError, OSError) as error:
        raise _refused(step, error) from error


def _carry_out(netlink: Any, step: _InKernel) -> None:
    match step:
        case steps.PutLoopback(address):
            ours = {"address": address, "prefixlen": 32, "label": LOOPBACK_LABEL}
            _quietly(errno.EEXIST, lambda: netlink.addr("add", index=_LOOPBACK_INDEX, **ours))
        case steps.DropLoopback(address):
            gone = lambda: netlink.addr("del", index=_LOOPBACK_INDEX, address=address, prefixlen=32)  # noqa: E731
            _quietly(errno.EADDRNOTAVAIL, gone)
        case steps.PutGuard(address):
            _quietly(errno.EEXIST, lambda: netlink.route("add", **_guard(address)))
        case steps.DropGuard(address):
            _quietly(errno.ESRCH, lambda: netlink.route("del", **_guard(address)))
        case steps.MakeLink(wanted, alias):
            _make(netlink, wanted, alias)
        case steps.AdjustLink(wanted, alias):
            index = _ours(netlink, wanted.interface, alias)
            if index is None:
                raise ProvisionError(f"interface {wanted.interface} is gone or not ours any more", "apply again")
            _set_up(netlink, index, wanted, _addresses(netlink, index))
        case steps.DropLink(name, alias):
            index = _ours(netlink, name, alias)
            if index is not None:
                _quietly(errno.ENODEV, lambda: netlink.link("del", index=index))
        case _:
            assert_never(step)


def _guard(address: str) -> dict[str, Any]:
    return {"dst": f"{address}/32", "type": "unreachable", "proto": PROTOCOL, "priority": GUARD_METRIC}


def _make(netlink: Any, wanted: WantedIpsec, alias: str) -> None:
    """Made under a name of ours, and given its own together with the alias: an interruption leaves nothing foreign."""
    meant = read_alias(alias)
    for found in netlink.link_lookup(ifname=wanted.interface):
        there = netlink.get_links(found)[0].get_attr("IFLA_IFALIAS")
        if meant is None or not is_ours(meant.network, there):
            raise ProvisionError(f"there is an interface {wanted.interface}, and it is not ours", "rename or remove it")
        netlink.link("del", index=found)
    for found in netlink.link_lookup(ifname=_UNFINISHED):
        netlink.link("del", index=found)
    netlink.link("add", ifname=_UNFINISHED, mtu=wanted.mtu, **_attributes(shape_of(wanted)))
    index = netlink.link_lookup(ifname=_UNFINISHED)[0]
    try:
        netlink.link("set", index=index, ifname=wanted.interface, ifalias=alias)
        _set_up(netlink, index, wanted)
    except (NetlinkError, OSError):
        netlink.link("del", index=index)
        raise


def _attributes(shape: Shape) -> dict[str, Any]:
    match shape.kind:
        case "xfrm":
            return {"kind": "xfrm", "xfrm_if_id": shape.number}
        case "vxlan":
            ends = {"vxlan_local": shape.local, "vxlan_group": shape.remote, "vxlan_learning": 0}
            return {"kind": "vxlan", "vxlan_id": shape.number, "vxlan_port": VXLAN_PORT, "vxlan_ttl": _TTL, **ends}
        case _:
            # Rather fragmented than lost where the path is narrower; with a TTL of its own it would forbid fragments.
            ends = {"gre_local": shape.local, "gre_remote": shape.remote}
            return {"kind": "gre", "gre_pmtudisc": 0, **ends}


def _set_up(netlink: Any, index: int, wanted: WantedIpsec, there: Collection[str] = ()) -> None:
    """Its MTU and its addresses, of which these are there already; and up."""
    if any(":" in address for address in wanted.addresses):
        enable_ipv6(wanted.interface)
    netlink.link("set", index=index, mtu=wanted.mtu, state="up")
    for address in wanted.addresses:
        if address not in there:
            plain, length = address.split("/")
            flags = {"flags": _NO_DUPLICATE_DETECTION} if ":" in plain else {}
            netlink.addr("add", index=index, address=plain, prefixlen=int(length), **flags)
    for address in {*there} - {*wanted.addresses}:
        plain, length = address.split("/")
        netlink.addr("del", index=index, address=plain, prefixlen=int(length))


def _addresses(netlink: Any, index: int) -> frozenset[str]:
    """The addresses of an interface, but for those that IPv6 gives it by itself."""
    return frozenset(
        f"{each.get_attr('IFA_LOCAL') or each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}"
        for each in netlink.get_addr(index=index)
        if each["scope"] == 0
    )


def _ours(netlink: Any, name: str, alias: str) -> int | None:
    for index in netlink.link_lookup(ifname=name):
        message = netlink.get_links(index)[0]
        info = message.get_attr("IFLA_LINKINFO")
        kind = info.get_attr("IFLA_INFO_KIND") if info else None
        if message.get_attr("IFLA_IFALIAS") == alias and kind in INNER_KINDS:
            return int(index)
    return None


def _quietly(code: int, do: Callable[[], Any]) -> None:
    try:
        do()
    except NetlinkError as error:
        if error.code != code:
            raise


def _refused(step: _InKernel, error: Exception) -> ProvisionError:
    code = error.code if isinstance(error, NetlinkError) else getattr(error, "errno", 0)
    said = str(error.args[-1]) if error.args else type(error).__name__
    match step:
        case steps.MakeLink(wanted, _) if code in NO_SUCH_KIND:
            return ProvisionError(*no_such_kind(wanted.inner))
        case steps.MakeLink(wanted, _) | steps.AdjustLink(wanted, _):
            return ProvisionError(f"interface {wanted.interface}: the kernel refuses: {said}", _interface_mend(code))
        case steps.DropLink(name, _):
            return ProvisionError(f"interface {name} cannot be removed: {said}", "ip link del it by hand")
        case _:
            return ProvisionError(f"address {step.address}: the kernel refuses: {said}", _interface_mend(code))


def _interface_mend(code: int) -> str:
    if code in (errno.EPERM, errno.EACCES):
        return "run as root, with CAP_NET_ADMIN"
    if code == errno.EEXIST:
        return "something else has the same addresses or number: look at ip -d link"
    return "look at ip -d link and dmesg"
