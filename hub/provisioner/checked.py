"""What is wanted, looked at before root acts on it: whoever says it may be mistaken, or not who he seems. Pure.

The forms are those of the configuration, but here nobody relies on somebody else's having looked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address, ip_interface, ip_network

from hub.provisioner.changes import ProvisionError
from hub.provisioner.wanted import Wanted, WantedIpsec, WantedWireGuard

_NETWORK = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TUNNEL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}/[a-z0-9][a-z0-9-]{0,31}")
_INTERFACE = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,14}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A name in `secrets`, and no path: root reads it."""
_IDENTITY = re.compile(r"[A-Za-z0-9@._:=, -]{1,200}")
_PROPOSAL = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
_IKEV2 = 2
"""The only one: IKEv1 is retired (RFC 9395), and charon takes 0 for both."""
_SMALLEST_MTU, _LARGEST_MTU = 576, 65_535


def checked(wanted: Wanted) -> Wanted:
    """The same, if nothing in it could be taken for anything else than what it should be.

    Raises:
        ProvisionError: something could; the text says what.
    """
    for what, fine in _looked_at(wanted):
        if not fine:
            raise ProvisionError(f"what is wanted has a wrong {what}", "pointsman check; are both of one version?")
    return wanted


def _looked_at(wanted: Wanted) -> Iterator[tuple[str, bool]]:
    yield "name of the network", not wanted.network or _is(_NETWORK, wanted.network)
    for uplink in wanted.uplinks:
        yield f"name of an uplink: {uplink.name[:40]!r}", _is(_NETWORK, uplink.name)
        yield f"interface of uplink {uplink.name}", uplink.interface is None or _is(_INTERFACE, uplink.interface)
        yield f"gateway of uplink {uplink.name}", uplink.gateway in (None, "dhcp") or _read(ip_address, uplink.gateway)
        yield f"address of uplink {uplink.name}", uplink.address is None or _read(ip_address, uplink.address)
        yield f"mark of uplink {uplink.name}", 0 <= uplink.mark < 1 << 31
    yield "prefix of management", _all(ip_network, wanted.management)
    for each in wanted.existing:
        yield f"existing tunnel: {each.tunnel[:70]!r}", _is(_TUNNEL, each.tunnel) and _is(_INTERFACE, each.interface)
        yield f"address of {each.tunnel}", _all(ip_interface, each.addresses)
    for tunnel in wanted.tunnels():
        yield f"tunnel: {tunnel.tunnel[:70]!r}", _is(_TUNNEL, tunnel.tunnel)
        yield from ((f"{what} of {tunnel.tunnel}", fine) for what, fine in _of_tunnel(tunnel))


def _of_tunnel(tunnel: WantedWireGuard | WantedIpsec) -> Iterator[tuple[str, bool]]:
    yield "interface", _is(_INTERFACE, tunnel.interface)
    yield "address", _all(ip_interface, tunnel.addresses)
    yield "prefix", _all(ip_network, tunnel.allowed)
    yield "MTU", _SMALLEST_MTU <= tunnel.mtu <= _LARGEST_MTU
    yield "mark", 0 <= tunnel.mark < 1 << 31
    if isinstance(tunnel, WantedWireGuard):
        yield "port", 0 < tunnel.port < 1 << 16
        return
    yield "number", 0 < tunnel.number < 1 << 24
    files = (tunnel.secret_file, tunnel.certificate_file, tunnel.key_file, tunnel.authority_file)
    yield "file", all(name is None or _is(_FILE, name) for name in files)
    outer = (tunnel.local, tunnel.remote, tunnel.loopback, tunnel.branch_loopback)
    yield "outer address", all(address is None or _read(ip_address, address) for address in outer)
    yield "identity", _is(_IDENTITY, tunnel.hub_identity) and _is(_IDENTITY, tunnel.branch_identity)
    yield "proposal", all(_is(_PROPOSAL, text) for text in (*tunnel.ike, *tunnel.esp))
    yield "version of IKE", tunnel.version == _IKEV2
    yield "inner tunnel", tunnel.inner in ("gre", "vxlan", "xfrm")


def _is(form: re.Pattern[str], text: str) -> bool:
    return form.fullmatch(text) is not None


def _all(read: Callable[[str], object], texts: Iterable[str]) -> bool:
    return all(_read(read, text) for text in texts)


def _read(read: Callable[[str], object], text: str | None) -> bool:
    try:
        read(text or "")
    except ValueError:
        return False
    return True
