"""charon, strongSwan's IKE daemon, through its VICI socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import vici
from vici.exception import CommandException, DeserializationException, EventUnknownException, SessionException

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.certificates import fingerprint

SYSTEM_SOCKET = Path("/run/charon.vici")
PATIENCE = 10.0
"""Seconds that charon may take for an answer."""
_ROUNDS = 3
"""How often: meanwhile a peer may send its own once more."""
_START = "systemctl start strongswan (without Debian's charon-systemd: apt-get install charon-systemd)"

_SPOILT = (SessionException, EventUnknownException, DeserializationException, ValueError, KeyError, IndexError)
"""What the library raises where an answer is no answer."""

_T = TypeVar("_T")
Message = Mapping[str, Any]


class Charon:
    """A Charon is a connection to the daemon. What it refuses and that it is not there are ProvisionErrors."""

    def __init__(self, session: vici.Session) -> None:
        self._session = session

    def connections(self) -> frozenset[str]:
        """The names of all connections that are loaded, ours and others'."""
        return frozenset(_texts(self._ask("asking for its connections", self._session.get_conns), "conns"))

    def shared(self) -> frozenset[str]:
        """The names of all shared secrets that were loaded with one."""
        return frozenset(_texts(self._ask("asking for the names of secrets", self._session.get_shared), "keys"))

    def keys(self) -> frozenset[str]:
        """What charon calls the private keys that it has."""
        return frozenset(_texts(self._ask("asking for the names of keys", self._session.get_keys), "keys"))

    def certificates(self) -> frozenset[str]:
        """The fingerprints of all certificates that it knows, also of those that peers have sent, and of lists."""
        found = self._ask("asking for its certificates", lambda: list(self._session.list_certs()))
        return frozenset(fingerprint(each["data"]) for each in found)

    def loaded_certificates(self) -> frozenset[str]:
        """The fingerprints of those that were loaded: they stay when charon forgets what peers have sent."""
        found = self.certificates()
        for _ in range(_ROUNDS):
            self._ask("forgetting certificates of peers", self._session.flush_certs)
            found &= self.certificates()
        return found

    def encrypts_itself(self) -> bool:
        """Whether ESP is its own and not the kernel's (the plugin kernel-libipsec)."""
        return "kernel-libipsec" in _texts(self._ask("asking for its plugins", self._session.stats), "plugins")

    def started(self) -> str:
        """When it was started, as it says it itself."""
        uptime = self._ask("asking how long it runs", self._session.stats).get("uptime", {})
        since = uptime.get("since", b"")
        return since.decode(errors="replace") if isinstance(since, bytes) else ""

    def sas(self) -> tuple[tuple[str, Message], ...]:
        """All IKE SAs with their child SAs, by the name of their connection."""
        found = self._ask("asking for its SAs", lambda: list(self._session.list_sas()))
        return tuple((name, sa) for each in found for name, sa in each.items())

    def load_connection(self, name: str, connection: Mapping[str, Any]) -> None:
        """Load a connection, or replace the one of this name; SAs that are there stay."""
        self._ask(f"loading {name}", lambda: self._session.load_conn({name: connection}))

    def unload_connection(self, name: str) -> None:
        """Forget a connection; its SAs stay."""
        if name in self.connections():
            self._ask(f"removing {name}", lambda: self._session.unload_conn({"name": name}))

    def load_secret(self, name: str, secret: bytes, owners: tuple[str, ...]) -> None:
        """Load a secret that these identities share, or replace the one of this name."""
        message = {"id": name, "type": "IKE", "data": secret, "owners": list(owners)}
        self._ask(f"loading the secret {name}", lambda: self._session.load_shared(message))

    def unload_secret(self, name: str) -> None:
        """Forget a secret; who has authenticated himself by it stays."""
        if name in self.shared():
            self._ask(f"removing the secret {name}", lambda: self._session.unload_shared({"id": name}))

    def load_key(self, name: str, key: bytes) -> str:
        """Load a private key (PEM); what charon calls it."""
        message = {"type": "any", "data": key}
        answer = self._ask(f"loading the key of {name}", lambda: self._session.request("load-key", message))
        return _text(answer.get("id", b""))

    def unload_key(self, key: str) -> None:
        """Forget a private key, by what charon calls it."""
        if key in self.keys():
            self._ask("removing a key", lambda: self._session.request("unload-key", {"id": key}))

    def load_certificate(self, text: str, *, authority: bool) -> None:
        """Load a certificate (PEM), or an authority's."""
        message = {"type": "X509", "flag": "CA" if authority else "NONE", "data": text}
        self._ask("loading a certificate", lambda: self._session.load_cert(message))

    def clear_credentials(self) -> None:
        """Forget all secrets, keys and certificates that anybody has loaded; SAs stay."""
        self._ask("forgetting all credentials", self._session.clear_creds)

    def terminate(self, name: str) -> None:
        """End the IKE SAs of a connection, and their child SAs, without waiting for the other end."""
        if any(each == name for each, _ in self.sas()):
            message = {"ike": name, "timeout": "-1"}
            self._ask(f"ending the SA of {name}", lambda: self._session.request("terminate", message))

    def end(self, number: int) -> None:
        """End one IKE SA, by charon's number of it, without waiting for the other end."""
        message = {"ike-id": str(number), "timeout": "-1"}
        self._ask(f"ending SA {number}", lambda: self._session.request("terminate", message))

    def initiate(self, name: str) -> None:
        """Begin with a connection, without waiting for how it ends."""
        message = {"child": name, "ike": name, "timeout": "-1"}
        self._ask(f"beginning with {name}", lambda: self._session.request("initiate", message))

    def _ask(self, doing: str, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except CommandException as error:
            said = str(error).removeprefix("Command failed: ")
            raise ProvisionError(f"charon refuses {doing}: {said}", _mend(said)) from None
        except (OSError, *_SPOILT) as error:
            raise ProvisionError(f"charon does not answer, {doing}: {error or type(error).__name__}", _START) from None


def _mend(said: str) -> str:
    if "certificate" in said or "key" in said or "building" in said or "parsing" in said:
        return "look at the certificate, its key and the authority: PEM each"
    return "look at ike and esp: strongSwan may lack the plugin (apt-get install libstrongswan-standard-plugins)"


@contextmanager
def connected(path: Path) -> Iterator[Charon]:
    """A connection to the daemon that listens there.

    Raises:
        ProvisionError: nobody does.
    """
    plug = plugged(path)
    try:
        yield Charon(vici.Session(plug))
    finally:
        plug.close()


def plugged(path: Path) -> socket.socket:
    """A socket to the daemon.

    Raises:
        ProvisionError: nobody listens there.
    """
    plug = socket.socket(socket.AF_UNIX)
    plug.settimeout(PATIENCE)
    try:
        plug.connect(str(path))
    except OSError as error:
        plug.close()
        raise ProvisionError(f"strongSwan's charon is not there ({path}: {error.strerror})", _START) from None
    return plug


def _texts(answer: Message, key: str) -> list[str]:
    return [_text(each) for each in answer.get(key, ())]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
