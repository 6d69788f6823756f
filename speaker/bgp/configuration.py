"""ExaBGP 5's configuration, rendered from the intent: pure, and the same for the same intent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel

HOLD_TIME = 9
"""Seconds without a message after which a session is given up; ExaBGP sends a keepalive every third of it."""

BGP_PORT = 179


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


def render(intent: Intent, rendering: Rendering, tunnels: Iterable[TunnelId] | None = None) -> str:
    """The configuration of one ExaBGP process, with one passive neighbor a tunnel.

    Args:
        intent: what the operator wrote.
        rendering: where the relay and the port are.
        tunnels: the tunnels of this process; all of them when None.
    """
    chosen = None if tunnels is None else frozenset(tunnels)
    neighbors = [
        _neighbor(branch, tunnel, rendering.port)
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
        family {{
            ipv4 unicast;
        }}
        api {{
            processes [ relay ];
            neighbor-changes;
            receive {{ parsed; update; notification; }}
            send {{ parsed; update; }}
        }}
    }}
}}
"""


def _neighbor(branch: Branch, tunnel: Tunnel, port: int) -> str:
    return f"""\
neighbor {tunnel.link.branch} {{
    inherit branch;
    description "{_described(tunnel.id)}";
    local-address {tunnel.link.hub};
    peer-as {branch.asn};
    listen {port};
}}
"""


def _described(tunnel: TunnelId) -> str:
    """The tunnel's name with only such characters as ExaBGP reads in a quoted string."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", str(tunnel))
