"""ExaBGP 5's configuration, rendered from the intent: pure, and the same for the same intent."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, Intent, SessionKind, Tunnel

HOLD_TIME = 9
"""Seconds without a message after which a session is given up; ExaBGP sends a keepalive every third of it."""

BGP_PORT = 179

HIGHEST_TTL = 255
"""What a packet still has that crossed no router (RFC 5082 section 3)."""

NO_PASSWORDS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Rendering:
    """A Rendering is what ExaBGP's configuration needs beside the intent.

    `python` runs the relay, which listens at `socket`; `port` is where the sessions are accepted. Neither path may
    contain white space or one of `;{}#"`, because ExaBGP splits its configuration there.
    """

    python: str
    socket: str
    port: int = BGP_PORT

    def __post_init__(self) -> None:
        for path in (self.python, self.socket):
            if not path.isascii() or re.search(r'[\s;{}#"\']', path):
                raise ValueError(f'ExaBGP cannot use the path "{path}": choose one of plain letters, without spaces')
            if not path.startswith("/"):
                raise ValueError(f'ExaBGP works in "/": write the path "{path}" in full')


def render(
    intent: Intent,
    rendering: Rendering,
    tunnels: Iterable[TunnelId] | None = None,
    passwords: Mapping[str, str] = NO_PASSWORDS,
) -> str:
    """The configuration of one ExaBGP process, with one passive neighbor a tunnel.

    Args:
        intent: what the operator wrote.
        rendering: where the relay and the port are.
        tunnels: the tunnels of this process; all of them when None.
        passwords: the password in each file that a session names.

    Raises:
        KeyError: a session names a file without a password.
    """
    chosen = None if tunnels is None else frozenset(tunnels)
    neighbors = [
        _neighbor(intent.hub, branch, tunnel, rendering.port, passwords)
        for branch in intent.branches.values()
        for tunnel in branch.tunnels
        if chosen is None or tunnel.id in chosen
    ]
    return "\n".join([_HEAD, _process(rendering), _template(intent), *neighbors])


_HEAD = """\
# Written by Pointsman from network.yaml and branches/*.yaml. Changes made here are lost.
"""


def _process(rendering: Rendering) -> str:
    return f"""\
process relay {{
    run {rendering.python} -m speaker.bgp.relay --socket {rendering.socket};
    encoder json;
    respawn true;
}}
"""


def _template(intent: Intent) -> str:
    return f"""\
template {{
    neighbor branch {{
        router-id {intent.hub.router_id};
        local-as {intent.hub.asn};
        hold-time {HOLD_TIME};
        passive true;
        group-updates true;
        adj-rib-out true;
        adj-rib-in true;
        manual-eor true;
        capability {{
            asn4 enable;
            route-refresh disable;
            graceful-restart disable;
        }}
        api {{
            processes [ relay ];
            neighbor-changes;
            receive {{ parsed; open; update; notification; }}
            send {{ parsed; update; }}
        }}
    }}
}}
"""


def _neighbor(hub: Hub, branch: Branch, tunnel: Tunnel, port: int, passwords: Mapping[str, str]) -> str:
    families = " ".join(f"ipv{version} unicast;" for version in branch.versions or (4,))
    return f"""\
neighbor {tunnel.link.branch} {{
    inherit branch;
    description "{_described(tunnel.id)}";
    local-address {tunnel.link.hub};
    peer-as {hub.asn if branch.session.kind is SessionKind.IBGP else branch.asn};
    listen {port};
{_security(branch, passwords)}    family {{ {families} }}
}}
"""


def _security(branch: Branch, passwords: Mapping[str, str]) -> str:
    """The password goes in base64: ExaBGP changes commas, brackets and spaces even where they are quoted."""
    lines = ""
    if branch.session.password_file is not None:
        password = b64encode(passwords[branch.session.password_file].encode("ascii")).decode("ascii")
        lines += f'    md5-password "{password}";\n    md5-base64 true;\n'
    if branch.session.ttl_security:
        lines += f"    incoming-ttl {HIGHEST_TTL};\n"
    return lines


def _described(tunnel: TunnelId) -> str:
    """The tunnel's name with only such characters as ExaBGP reads in a quoted string."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", str(tunnel))
