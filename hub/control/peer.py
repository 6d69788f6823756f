"""Who is at the other end of a Unix socket: the credentials that the kernel took down when it was connected."""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct

_UCRED = struct.Struct("3i")
"""`struct ucred` of unix(7): process, user, group."""
UNKNOWN = 65534
"""The kernel's own number for a user that it cannot name here (user_namespaces(7))."""


def peer_uid(writer: asyncio.StreamWriter) -> int:
    """The user who connected (SO_PEERCRED, unix(7))."""
    return uid_of(writer.get_extra_info("socket"))


def uid_of(connection: socket.socket) -> int:
    """The same of a connected socket."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return UNKNOWN
    _, uid, _ = _UCRED.unpack(raw)
    return int(uid)


def user_name(uid: int) -> str:
    """The user's name, else the number. It may ask a server of the network: never call it from the loop."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError, OverflowError):
        return f"uid {uid}"
