"""What is mended in ExaBGP 5.0 before it starts, and the proof that the mend holds.

ExaBGP files a pending change under its attributes and forgets to take away the pending change before it: of A (MED 10),
A (MED 20), A (MED 10) in one batch the branch ends with 20, for ever. The mend keeps one pending change a prefix.

The listening sockets also get IP_FREEBIND: one tunnel whose address comes late must not keep all others from BGP.
And they answer with TTL 255: a branch with TTL security (RFC 5082) drops a SYN-ACK with less, and never gets a session.

They also forget TTL security when a reload takes it away: the kernel would go on refusing the branch.

A message with a broken header makes ExaBGP fail in its own report of it, with a traceback and without a NOTIFICATION to
the branch. The report is left out; the session's end is reported all the same.

A reload while a session is just coming up makes ExaBGP ask for the configured routes of a neighbor that has no earlier
definition, and the session is closed with a traceback. There are none, and that is what it is told.

ExaBGP is imported inside the functions, because it reads its settings from the environment when it is imported.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from speaker.bgp.configuration import HIGHEST_TTL

IP_FREEBIND = 15
"""ip(7); Python 3.11 has no name for it."""

IP_MINTTL = 21
"""ip(7); Python 3.11 has no name for it either."""


class MendError(Exception):
    """ExaBGP is not as we know it, so that a mend does not hold."""


@contextmanager
def _known(that: str) -> Iterator[None]:
    """Whatever part of ExaBGP is missing or of another shape inside, it is not `that` which we know.

    Raises:
        MendError: so it is.
    """
    try:
        yield
    except (AttributeError, TypeError, ValueError, KeyError, ImportError) as error:
        raise MendError(f"ExaBGP's {that} that we know ({error})") from error


def mend_outgoing_queue() -> None:
    """Let ExaBGP's outgoing queue hold one pending change a prefix, the newest.

    Raises:
        MendError: ExaBGP's queue is another.
    """
    with _known("outgoing queue is not the one"):
        from exabgp.rib.outgoing import OutgoingRIB

        original = OutgoingRIB._update_rib

    def update_rib(self: Any, change: Any) -> Any:
        index = change.index()
        pending = self._new_nlri.get(index)
        if pending is not None:
            family = pending.nlri.family().afi_safi()
            self._new_attr_af_nlri.get(pending.attributes.index(), {}).get(family, {}).pop(index, None)
        return original(self, change)

    OutgoingRIB._update_rib = update_rib


def test_outgoing_queue() -> None:
    """Try the outgoing queue with the sequences that ExaBGP alone sends in the wrong order.

    Raises:
        MendError: something else than the last change of a prefix comes out.
    """
    cases: tuple[tuple[int | None, ...], ...] = ((10, 20, 10), (10, None, 10), (10, None), (None, 10), (10, 20))
    for changes in cases:
        with _known("outgoing queue is not the one"):
            left = list(_emitted(changes))
        if left != [changes[-1]]:
            raise MendError(f"ExaBGP's outgoing queue sends {left} where {changes[-1]} is meant")


def _emitted(changes: tuple[int | None, ...]) -> Iterator[int | None]:
    """The MEDs (None for a withdrawal) that the queue sends for one prefix after these changes in one batch."""
    from exabgp.bgp.message import Action
    from exabgp.environment import getenv
    from exabgp.logger import log
    from exabgp.protocol.family import AFI, SAFI
    from exabgp.rib.outgoing import OutgoingRIB

    log.init(getenv())
    family = (AFI.ipv4, SAFI.unicast)
    queue = OutgoingRIB(cache=True, families={family})
    for med in changes:
        change = _change(10 if med is None else med)
        if med is None:
            queue.del_from_rib(change)
        else:
            queue.add_to_rib(change)
    for update in queue.updates(grouped=True):
        for nlri in update.nlris:
            yield None if nlri.action == Action.WITHDRAW else _med_of(update)


def _change(med: int) -> Any:
    from exabgp.bgp.message import Action
    from exabgp.bgp.message.update.attribute import MED, Attributes, Origin
    from exabgp.bgp.message.update.nlri.cidr import CIDR
    from exabgp.bgp.message.update.nlri.inet import INET
    from exabgp.protocol.family import AFI, SAFI
    from exabgp.protocol.ip import IP
    from exabgp.rib.change import Change

    attributes = Attributes()
    attributes.add(Origin(Origin.IGP))
    attributes.add(MED(med))
    nlri = INET(AFI.ipv4, SAFI.unicast, Action.ANNOUNCE)
    nlri.cidr = CIDR(socket.inet_aton("192.0.2.0"), 24)
    nlri.nexthop = IP.create("192.0.2.1")
    return Change(nlri, attributes)


def _med_of(update: Any) -> int:
    from exabgp.bgp.message.update.attribute import Attribute

    return int(update.attributes[Attribute.CODE.MED].med)


def free_bind() -> None:
    """Let ExaBGP listen on addresses that are not there yet (IP_FREEBIND, which needs no privilege).

    Raises:
        MendError: ExaBGP's listener is another.
    """
    with _known("listener is not the one"):
        from exabgp.reactor import listener

        original: Callable[[socket.socket, bool], None] = listener.set_listener_options

    def set_listener_options(sock: socket.socket, ipv6: bool) -> None:  # noqa: FBT001  ExaBGP's signature
        original(sock, ipv6)
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        if not ipv6:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HIGHEST_TTL)

    listener.set_listener_options = set_listener_options


def let_go_of_ttl_security() -> None:
    """Let a reload that takes TTL security away from a neighbor take it from its listening socket too.

    Raises:
        MendError: ExaBGP's listener is another.
    """
    with _known("listener is not the one"):
        from exabgp.reactor.listener import Listener

        original = Listener.listen_on

    def listen_on(self: Any, local: Any, remote: Any, port: int, md5: Any, base64: Any, ttl: int | None) -> Any:
        listening = original(self, local, remote, port, md5, base64, ttl)
        for sock, (address, its_port, *_) in self._sockets.items():
            if not ttl and (address, its_port) == (local.top(), port):
                sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 0)
        return listening

    Listener.listen_on = listen_on


class _NoEarlier:
    """In place of the earlier definition of a neighbor that has none: false, and without routes."""

    changes: tuple[object, ...] = ()

    def __bool__(self) -> bool:
        return False


def bear_a_reload_while_a_session_comes_up() -> None:
    """Let a neighbor without an earlier definition have one without routes.

    Raises:
        MendError: ExaBGP's neighbors are others.
    """
    with _known("neighbors are not those"):
        from exabgp.bgp.neighbor import Neighbor
    if Neighbor().previous is not None:
        raise MendError("ExaBGP's neighbors are not those that we know")

    def previous(self: Any) -> Any:
        return self.__dict__.get("_earlier") or _NoEarlier()

    def remember(self: Any, earlier: Any) -> None:
        self.__dict__["_earlier"] = earlier

    Neighbor.previous = property(previous, remember)


def leave_out_report_of_broken_headers() -> None:
    """Let ExaBGP answer a broken header (RFC 4271 section 6.1) without first failing in its report of it.

    Raises:
        MendError: ExaBGP's reports are others.
    """
    with _known("reports are not those"):
        from exabgp.reactor.api.processes import Processes
    if not hasattr(Processes, "notification"):
        raise MendError("ExaBGP's reports are not those that we know")
    Processes.notification = _report_nothing


def _report_nothing(*_: object) -> None:
    """The session's end, which follows, is what counts."""
