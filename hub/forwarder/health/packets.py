"""How many packets were forwarded into and out of interfaces, as the kernel counts them. Blocks: not for the loop."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.forwarder.netlink import nftables
from hub.forwarder.netlink.sockets import NETFILTER, Requests
from hub.interface_counters import InterfaceCounters, interface_counters

AGAIN = 40
"""Readings after which nftables is tried again where it could not be used."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A Reading is the packets (in, out) of each interface that is there, since some instant of the past.

    `trouble` says why nftables could not be used; then they are all packets, our own among them.
    """

    packets: Mapping[str, tuple[int, int]]
    trouble: str | None = None


class PacketCounters:
    """A PacketCounters has a table of nftables in the kernel while there is something to count."""

    def __init__(
        self,
        connect: Callable[[], Requests] = lambda: Requests(NETFILTER),
        by_interface: Callable[[], Mapping[str, InterfaceCounters]] = interface_counters,
    ) -> None:
        """`by_interface` has what interfaces themselves counted, for kernels without nftables."""
        self._connect = connect
        self._by_interface = by_interface
        self._socket: Requests | None = None
        self._counted: frozenset[str] = frozenset()
        self._trouble: str | None = None
        self._try_in = 0

    def remove_what_was_left(self) -> None:
        """Take away the table of a process that died; newer kernels have done that already."""
        if self._socket is not None:
            return
        with contextlib.suppress(OSError):
            socket = self._connect()
            self._change(socket, nftables.remove())
            socket.close()

    def read(self, interfaces: frozenset[str]) -> Reading:
        """Count these interfaces and no others, and say how many packets there were. For none there is no table."""
        if not interfaces:
            self._stop()
            return Reading({})
        if self._trouble is not None and self._try_in > 0:
            self._try_in -= 1
        else:
            try:
                return self._read(interfaces)
            except OSError as error:
                self._stop()
                self._trouble, self._try_in = error.strerror or str(error), AGAIN
        counters = self._by_interface()
        return Reading({name: (each.packets_in, each.packets_out) for name, each in counters.items()}, self._trouble)

    def _read(self, interfaces: frozenset[str]) -> Reading:
        socket = self._socket or self._make()
        changes = nftables.ignore(self._counted - interfaces) + nftables.count(interfaces - self._counted)
        if changes:
            self._change(socket, changes)
            self._counted = interfaces
        packets_in, packets_out = self._dump(socket, nftables.IN), self._dump(socket, nftables.OUT)
        self._trouble = None
        return Reading({name: (count, packets_out.get(name, 0)) for name, count in packets_in.items()})

    def _make(self) -> Requests:
        socket = self._socket = self._connect()
        try:
            self._change(socket, nftables.make(nftables.OWNED))
        except OSError as error:
            if error.errno == errno.EEXIST:
                self._change(socket, nftables.remove())
            elif error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            # Kernels before 5.12 know no owner.
            owned = nftables.OWNED if error.errno == errno.EEXIST else 0
            self._change(socket, nftables.make(owned))
        return socket

    def _stop(self) -> None:
        socket, self._socket, self._counted = self._socket, None, frozenset()
        if socket is not None:
            with contextlib.suppress(OSError):
                self._change(socket, nftables.remove())
            socket.close()

    @staticmethod
    def _change(socket: Requests, changes: list[bytes]) -> None:
        """Raises OSError: the kernel refuses."""
        failures = socket.send_together(nftables.begin(), changes, nftables.end())
        if failures:
            raise OSError(failures[0].code, str(failures[0]))

    @staticmethod
    def _dump(socket: Requests, name: str) -> dict[str, int]:
        return dict(found for _kind, body in socket.whole(nftables.dump(name)) for found in nftables.decode(body))
