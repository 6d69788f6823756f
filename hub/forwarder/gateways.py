"""The far end of a tunnel whose interface has to be told whom to send to: that of Ethernet, and of VXLAN."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from hub.forwarder.fib_plan import Gateways
from hub.forwarder.interfaces import Interfaces
from hub.forwarder.liveness.model import TunnelSpec


def gateways(interfaces: Interfaces, tunnels: Callable[[], Iterable[TunnelSpec]]) -> Gateways:
    """What says the branch's link address for such an interface; nothing for those that are point to point."""

    def gateway_of(interface: int, family: int) -> bytes:
        if not interfaces.resolves(interface):
            return b""
        name = interfaces.name_of(interface)
        spec = next((each for each in tunnels() if each.interface == name), None)
        far = None if spec is None else spec.remote if family == socket.AF_INET else spec.remote6
        return socket.inet_pton(family, far) if far else b""

    return gateway_of
