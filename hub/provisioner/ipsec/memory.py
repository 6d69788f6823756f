"""What was loaded into charon: it tells the names of what it has, but neither proposals nor secrets.

The file is read at each plan, so that the process that applies need not be the one that verifies. Without it all is
loaded once more, which disturbs nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.certificates import fingerprints_of
from hub.provisioner.ownership import is_ours, write_ours

FILE = "ipsec.json"


@dataclass(frozen=True, slots=True)
class Memory:
    """A Memory is what was loaded last, by its name in charon: connections as they were, of secrets a digest.

    `certificates` (by fingerprint) and `loaded_keys` (as charon calls them) are all of ours that charon may still have,
    with the connection that each was for: also what another has taken the place of.
    `keys` are private keys by the name of the connection: what charon calls the key, and a digest. `salt` keys the
    digests, so that a digest is worth nothing without this file, which is as well kept as the secrets. `started` is
    when charon was, as it says it itself: one that was started since has lost all.
    """

    salt: str = field(repr=False)
    connections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    certificates: Mapping[str, str] = field(default_factory=dict)
    loaded_keys: Mapping[str, str] = field(default_factory=dict)
    started: str = ""

    def digest(self, *parts: bytes) -> str:
        """A name of a secret that changes with it."""
        keyed = hashlib.blake2b(key=bytes.fromhex(self.salt), digest_size=16)
        for part in parts:
            keyed.update(len(part).to_bytes(4) + part)
        return keyed.hexdigest()

    def with_connection(self, name: str, connection: Mapping[str, Any] | None) -> Memory:
        """With this connection as the one that is loaded; None: there is none, but its certificates stay in charon."""
        came = dict.fromkeys(fingerprints_of(connection or {}), name)
        connections = _with(self.connections, name, connection)
        return replace(self, connections=connections, certificates={**self.certificates, **came})

    def without_certificates(self, gone: Collection[str]) -> Memory:
        """Without these, which charon has not, or which are left to it."""
        return replace(self, certificates={key: name for key, name in self.certificates.items() if key not in gone})

    def of_charon(self, started: str, certificates: Collection[str], keys: Collection[str]) -> Memory:
        """As of a charon that was started then and has these: if it is another than before, the rest is forgotten.

        Somebody else may load a certificate later that was ours once.
        """
        if started in ("", self.started):
            return self
        kept = {key: name for key, name in self.loaded_keys.items() if key in keys}
        gone = self.certificates.keys() - set(certificates)
        return replace(self.without_certificates(gone), loaded_keys=kept, started=started)

    def with_secret(self, name: str, digest: str | None) -> Memory:
        """With this digest of a secret; None: there is none."""
        return replace(self, secrets=_with(self.secrets, name, digest))

    def with_key(self, name: str, key: tuple[str, str] | None) -> Memory:
        """With this private key, as charon calls it, and its digest; None: it uses none (any more)."""
        came = {} if key is None else {key[0]: name}
        return replace(self, keys=_with(self.keys, name, key), loaded_keys={**self.loaded_keys, **came})

    def without_key(self, key: str) -> Memory:
        """Without a private key that charon has no more."""
        return replace(self, loaded_keys=_with(self.loaded_keys, key, None))


def _with(before: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    rest = {key: each for key, each in before.items() if key != name}
    return rest if value is None else {**rest, name: value}


def recall(state: Path) -> Memory:
    """What was remembered; nothing where there is no file that can be read, or where others may have written it."""
    try:
        if not is_ours(state / FILE):
            return Memory(secrets.token_hex(32))
        read = json.loads((state / FILE).read_bytes())
        keys = {str(name): (str(key), str(digest)) for name, (key, digest) in read["keys"].items()}
        loaded = dict(read["connections"]), dict(read["secrets"])
        # A file of before these were kept: what is in use is ours all the same.
        came = {each: name for name, connection in loaded[0].items() for each in fingerprints_of(connection)}
        had = {key: name for name, (key, _) in keys.items()}
        credentials = dict(read.get("certificates", came)), dict(read.get("loaded_keys", had))
        memory = Memory(str(read["salt"]), *loaded, keys, *credentials, str(read.get("started", "")))
        memory.digest(b"")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory(secrets.token_hex(32))
    return memory


def remember(state: Path, memory: Memory) -> None:
    """Keep it, by one rename.

    Raises:
        ProvisionError: the disk is full, or the directory cannot be written.
    """
    path = state / FILE
    text = asdict(memory)
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_ours(path, json.dumps(text))
    except OSError as error:
        said = f"what was loaded cannot be written to {path}: {error.strerror}"
        raise ProvisionError(said, "make room or put the directory right; the next apply loads it once more") from error
