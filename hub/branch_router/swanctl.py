"""The branch's ends of its IPsec tunnels as a file for strongSwan, 5.9.6 and later: swanctl.conf(5).

The branch begins (`start`), begins again when packets want to leave (`trap`), and never gives up (`keyingtries = 0`).
UDP is forced (`encap`), because lines that drop ESP are more common than lines that drop UDP. With `trap` there is
always a policy, so that nothing leaves in clear.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from hub.branch_router.end import BranchEnd, IpsecEnd, TunnelEnd
from hub.branch_router.secrets import NO_SECRETS, Secrets
from policies.model.transport import DPD_DELAY, REPLAY_WINDOW


def swanctl_config(end: BranchEnd, secrets: Secrets = NO_SECRETS) -> str:
    """The text of /etc/swanctl/conf.d/pointsman.conf for all IPsec tunnels of this branch."""
    connections = [_connection(end, tunnel, carrier) for tunnel, carrier in end.ipsec()]
    keys = [_secret(tunnel, carrier, secrets) for tunnel, carrier in end.ipsec() if carrier.secret_file is not None]
    parts = [f"# The IPsec tunnels of {end.name}.\n", _section(0, "connections", "".join(connections))]
    return "".join([*parts, *([_section(0, "secrets", "".join(keys))] if keys else [])])


def connection_name(tunnel: str) -> str:
    """How a tunnel's connection, and its child, are called: `pointsman-bandung-fiber`."""
    return f"pointsman-{tunnel.replace('/', '-')}"


def _connection(end: BranchEnd, tunnel: TunnelEnd, carrier: IpsecEnd) -> str:
    name, address = connection_name(tunnel.name), end.uplink(tunnel.uplink).address
    settings = {
        "version": str(carrier.version),
        **({} if address is None else {"local_addrs": address}),
        "remote_addrs": str(tunnel.endpoint),
        "proposals": ", ".join(carrier.ike),
        "rekey_time": f"{carrier.rekey_ike}s",
        "reauth_time": "0s",
        "dpd_delay": f"{DPD_DELAY}s",
        "keyingtries": "0",
        "mobike": "no",
        "encap": "yes",
        "unique": "replace",
    }
    body = "".join(_settings(2, settings)) + "".join(_ends(carrier, name))
    child = "".join(_settings(4, _child(tunnel, carrier)))
    return _section(1, name, body + _section(2, "children", _section(3, name, child)))


def _ends(carrier: IpsecEnd, name: str) -> Iterator[str]:
    """Who the two are. Files of certificates are looked for in x509 and x509ca of swanctl's directory."""
    method = "pubkey" if carrier.secret_file is None else "psk"
    own = {"auth": method, "id": carrier.own_identity}
    hub = {"auth": method, "id": carrier.hub_identity}
    if carrier.secret_file is None:
        own["certs"], hub["cacerts"] = f"{name}.pem", f"{name}-authority.pem"
    yield _section(2, "local", "".join(_settings(3, own)))
    yield _section(2, "remote", "".join(_settings(3, hub)))


def _child(tunnel: TunnelEnd, carrier: IpsecEnd) -> dict[str, str]:
    settings = {
        "mode": "tunnel",
        **_selectors(tunnel, carrier),
        "esp_proposals": ", ".join(carrier.esp),
        "rekey_time": f"{carrier.rekey_child}s",
        "replay_window": str(REPLAY_WINDOW),
        "start_action": "trap|start",
        "dpd_action": "restart",
        "close_action": "start",
    }
    if carrier.inner == "xfrm":
        settings |= {"if_id_in": str(carrier.number), "if_id_out": str(carrier.number)}
    return settings


def _selectors(tunnel: TunnelEnd, carrier: IpsecEnd) -> dict[str, str]:
    """What is protected: the two loopbacks, or with XFRM everything, of which the hub takes what it wants.

    It is the responder that narrows it down (RFC 7296 section 2.9), so that other prefixes need no other text here.
    """
    if carrier.inner != "xfrm":
        return {"local_ts": f"{carrier.own_loopback}/32", "remote_ts": f"{carrier.hub_loopback}/32"}
    everything = "0.0.0.0/0" if tunnel.own_link6 is None else "0.0.0.0/0, ::/0"
    return {"local_ts": everything, "remote_ts": everything}


def _secret(tunnel: TunnelEnd, carrier: IpsecEnd, secrets: Secrets) -> str:
    settings = {
        "id-hub": carrier.hub_identity,
        "id-own": carrier.own_identity,
        "secret": quoted_secret(secrets.preshared_key(tunnel.name)),
    }
    return _section(1, f"ike-{connection_name(tunnel.name)}", "".join(_settings(2, settings)))


def quoted_secret(secret: str) -> str:
    """A secret as swanctl.conf takes it: what it would read as hexadecimal or base64 is written as base64."""
    if secret.startswith(("0x", "0s")) or not secret.isprintable():
        return "0s" + base64.b64encode(secret.encode()).decode()
    return '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _settings(depth: int, settings: dict[str, str]) -> Iterator[str]:
    return (f"{'    ' * depth}{key} = {value}\n" for key, value in settings.items())


def _section(depth: int, name: str, body: str) -> str:
    indent = "    " * depth
    return f"{indent}{name} {{\n{body}{indent}}}\n"
