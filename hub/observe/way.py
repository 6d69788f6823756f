"""By which way a target is asked: an interface, and our own address on it.

A socket that is bound to a device (SO_BINDTODEVICE, socket(7); unprivileged since Linux 5.7 where none was bound
before) sends by that device whatever the routes say, and hears only what comes back by it. So through a tunnel the
source is the hub's own end of it: the branch answers to that by the same tunnel. An address inside an announced prefix
would be answered by the tunnel that the branch prefers, which the kernel does not hand to a socket bound to another.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from hub.observe.answer import CannotAskError
from policies.model.ids import Address

_SIOCGIFADDR = 0x8915
_IP_BIND_ADDRESS_NO_PORT = 24
_GLOBAL_SCOPE = "00"
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")


@dataclass(frozen=True, slots=True)
class Way:
    """A Way is the interface that is asked through and the source; without an interface the kernel's routes decide.

    Without a source it is the interface's own address of the moment. IPv6 has none: where no route says so the kernel
    sends no IPv6 into an interface, so that only the tunnel in use could be asked through.
    """

    interface: str | None = None
    source: IPv4Address | None = None

    def socket_to(self, address: Address, kind: int, protocol: int = 0) -> socket.socket:
        """A socket, not blocking, that sends by this way to that address.

        Raises:
            CannotAskError: the interface or our address on it is not there, or may not be used by this user.
            OSError: no socket of that kind is to be had.
        """
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        try:
            if self.interface is not None:
                _bind_to_device(sock, self.interface)
                _bind_to_address(sock, self._source_for(sock, self.interface), kind)
        except BaseException:
            sock.close()
            raise
        return sock

    def _source_for(self, sock: socket.socket, interface: str) -> str:
        if sock.family == socket.AF_INET:
            return str(self.source) if self.source is not None else _ipv4_of(sock, interface)
        if self.source is not None:
            raise CannotAskError(f"IPv6 cannot be asked through {interface} separately", "write via: active")
        return _ipv6_of(interface)


def _bind_to_device(sock: socket.socket, interface: str) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except PermissionError as error:
        text = f"asking through {interface} is not permitted to this user"
        raise CannotAskError(text, "Linux 5.7 or newer permits it; older ones only with CAP_NET_RAW") from error
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise CannotAskError(f"there is no interface {interface}", "see ip link") from error


def _bind_to_address(sock: socket.socket, source: str, kind: int) -> None:
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((source, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        raise CannotAskError(f"{source} is no address of this machine", "see ip address") from error


def _ipv4_of(sock: socket.socket, interface: str) -> str:
    """The interface's first IPv4 address (SIOCGIFADDR, netdevice(7))."""
    request = struct.pack("16s16x", interface.encode())
    try:
        return socket.inet_ntop(socket.AF_INET, fcntl.ioctl(sock, _SIOCGIFADDR, request)[20:24])
    except OSError as error:
        raise CannotAskError(f"{interface} has no IPv4 address", "see ip address") from error


def _ipv6_of(interface: str) -> str:
    """The interface's first IPv6 address that is good for more than its link."""
    for line in _IPV6_ADDRESSES.read_text(encoding="ascii").splitlines():
        address, _, _, scope, _, name = line.split()
        if name == interface and scope == _GLOBAL_SCOPE:
            return str(IPv6Address(int(address, 16)))
    raise CannotAskError(f"{interface} has no IPv6 address", "see ip -6 address")
