"""A strongSwan in a namespace, without systemd and beside others: its files, its process, and what it is asked."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kernel_ipsec_network import GRE, LINES, IpsecNetwork, Line, write
from lab_world import wait_until

CIPHERS = "random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 x509 pubkey"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Association:
    """An Association is what strongSwan says of one connection: the numbers of its IKE SA and its only child SA."""

    ike: int
    child: int
    encapsulated: bool
    cipher: str
    key_exchange: str


class Charon:
    """A Charon is strongSwan's daemon at one end, `hub` or `branch`, with both lines configured."""

    def __init__(self, network: IpsecNetwork, part: str, directory: Path) -> None:
        self._network = network
        self._part = part
        self._directory = directory
        self._socket = directory / "vici"
        self._environment = {
            **os.environ,
            "STRONGSWAN_CONF": str(write(directory / "strongswan.conf", _strongswan_conf(self._socket))),
            "SWANCTL_DIR": str(write(directory / "swanctl" / "swanctl.conf", swanctl_conf(network, part)).parent),
        }
        self._log = (directory / "log").open("w")
        command = network.inside(part, "charon-systemd")
        self._process = subprocess.Popen(command, env=self._environment, stdout=self._log, stderr=self._log)
        wait_until(self._socket.is_socket, PATIENCE)

    def load(self) -> None:
        """Read the files; the branch begins to connect."""
        self.ask("--load-all", "--noprompt")

    def ask(self, *arguments: str) -> str:
        """What `swanctl` prints.

        Raises:
            AssertionError: it failed.
        """
        command = self._network.inside(self._part, "swanctl", *arguments, "--uri", f"unix://{self._socket}")
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}{self.log()[-3000:]}"
        return done.stdout

    def association(self, line: Line) -> Association | None:
        """The connection's security associations; None unless there is exactly one of each, in use."""
        said = self.ask("--list-sas", "--raw", "--ike", line.form)
        ike, _, child = said.partition("child-sas")
        if (said.count("state=ESTABLISHED"), said.count("list-sa event"), said.count("protocol=ESP")) != (1, 1, 1):
            return None
        if "state=INSTALLED" not in child:
            return None
        return Association(
            ike=int(_value(ike, "uniqueid")),
            child=int(_value(child, "uniqueid")),
            encapsulated=_value(child, "encap") == "yes",
            cipher=_value(child, "encr-alg") + _value(child, "encr-keysize"),
            key_exchange=_value(child, "dh-group"),
        )

    def log(self) -> str:
        """What it has said so far."""
        return (self._directory / "log").read_text()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _value(text: str, key: str) -> str:
    found = re.search(rf"\b{key}=(\S+?)[ }}]", text)
    return found[1] if found else ""


def _strongswan_conf(socket: Path) -> str:
    """Routes are ours, not strongSwan's; nothing else is unlike its defaults."""
    return f"""\
charon-systemd {{
    load = {CIPHERS} kernel-netlink socket-default vici
    install_routes = no
    install_virtual_ip = no
    plugins {{
        vici {{
            socket = unix://{socket}
        }}
    }}
}}
swanctl {{
    load = {CIPHERS}
}}
"""


def swanctl_conf(network: IpsecNetwork, part: str) -> str:
    """The connections of both lines, as seen from this end, and their secrets."""
    connections = "".join(_connection(network, line, hub=part == "hub") for line in LINES)
    secrets = "".join(
        f"    ike-{line.form} {{\n        id-hub = {_identity(line, hub=True)}\n"
        f"        id-branch = {_identity(line, hub=False)}\n        secret = {network.secret}\n    }}\n"
        for line in LINES
    )
    return f"connections {{\n{connections}}}\nsecrets {{\n{secrets}}}\n"


def _connection(network: IpsecNetwork, line: Line, *, hub: bool) -> str:
    known = line.branch_outer if not network.nat else "%any"
    return f"""\
    {line.form} {{
        version = 2
        local_addrs = {line.hub_outer if hub else line.branch_outer}
        remote_addrs = {known if hub else line.hub_outer}
        proposals = aes256-sha256-ecp256
        mobike = no
        reauth_time = 0
        rekey_time = 4h
        dpd_delay = 10s
        keyingtries = 0
        unique = replace
        local {{
            auth = psk
            id = {_identity(line, hub=hub)}
        }}
        remote {{
            auth = psk
            id = {_identity(line, hub=not hub)}
        }}
        children {{
            {line.form} {{
                mode = tunnel
                {_selectors(line, hub=hub)}
                esp_proposals = aes256gcm16-ecp256
                rekey_time = 50m
                start_action = {"none" if hub else "start"}
                dpd_action = {"clear" if hub else "restart"}
            }}
        }}
    }}
"""


def _identity(line: Line, *, hub: bool) -> str:
    """One for each connection and end: strongSwan takes two connections of equal identities for one that came anew."""
    return f"{'hub' if hub else 'branch'}-{line.form}.test"


def _selectors(line: Line, *, hub: bool) -> str:
    if line is not GRE:
        any_ = "0.0.0.0/0"
        return (
            f"local_ts = {any_}\n                remote_ts = {any_}\n"
            f"                if_id_in = {line.if_id}\n                if_id_out = {line.if_id}"
        )
    own, other = (line.hub_loopback, line.branch_loopback) if hub else (line.branch_loopback, line.hub_loopback)
    return f"local_ts = {own}/32\n                remote_ts = {other}/32"
