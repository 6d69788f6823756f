"""Secrets, keys and certificates of ours that charon still knows when no tunnel has them any more. Pure.

VICI has no way to take one certificate out: what came with a connection stays when the connection goes, and
`flush-certs` empties only the cache of what peers have sent. `clear-creds` throws out all that was loaded, by whomever
(strongSwan 5.9.8; `tests/integration/test_provisioner_ipsec_credentials.py`). So it is used where all is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.provisioner.changes import Change
from hub.provisioner.ipsec import steps
from hub.provisioner.ipsec.certificates import fingerprints, fingerprints_of
from hub.provisioner.ipsec.memory import Memory
from hub.provisioner.ipsec.names import SLICE, connection_name, tunnel_of
from hub.provisioner.ipsec.seen import InCharon, Seen
from hub.provisioner.wanted import Wanted


def credentials_removed(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """All that charon is to forget, as far as it can."""
    with_secret = {connection_name(wanted.network, each.tunnel) for each in wanted.ipsec if each.secret_file}
    for name in sorted((seen.charon.secrets | seen.memory.secrets.keys()) - with_secret):
        if tunnel := tunnel_of(wanted.network, name):
            yield removal(tunnel, f"secret of {name} taken from charon", steps.DropSecret(name))
    used = frozenset(_keys_in_use(wanted, seen))
    for key, name in sorted(seen.memory.loaded_keys.items()):
        tunnel = tunnel_of(wanted.network, name)
        if tunnel and key in seen.charon.keys and key not in used:
            yield removal(tunnel, f"key of {name} taken from charon", steps.DropKey(key))
    yield from _certificates_removed(wanted, seen)


def _keys_in_use(wanted: Wanted, seen: Seen) -> Iterator[str]:
    with_key = {connection_name(wanted.network, each.tunnel): each for each in wanted.ipsec if each.key_file}
    for name, (key, digest) in seen.memory.keys.items():
        each = with_key.get(name)
        material = seen.materials[each.tunnel] if each else None
        if material is None:
            in_use = tunnel_of(wanted.network, name) is None
        else:
            in_use = bool(material.problem) or material.digest == digest
        if in_use:
            yield key


def _certificates_removed(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """How charon forgets the certificates that no tunnel has; or, once, that it cannot."""
    left = leftovers(wanted, seen)
    if not left:
        return
    tunnels = sorted({tunnel_of(wanted.network, name) or name for name in left.values()})
    names = {connection_name(wanted.network, each.tunnel): each for each in wanted.ipsec}
    if only_ours(wanted.network, seen.charon, seen.memory):
        text = f"certificates of {', '.join(tunnels)} taken from charon; what is used is loaded again"
        step: steps.Step = steps.ClearCredentials(wanted.network, tuple(names.items()))
    else:
        text = (
            f"charon keeps the certificates of {', '.join(tunnels)} until its restart: it can only throw out all, and "
            "others have loaded some too"
        )
        step = steps.LeaveCertificates(frozenset(left))
    yield removal(tunnels[0], text, step)


def leftovers(wanted: Wanted, seen: Seen) -> Mapping[str, str]:
    """The fingerprints of certificates that were loaded for this network and are of no tunnel now: whose each was.

    None where a tunnel's material has a problem: what charon has of that could not be loaded again.
    """
    if any(material.problem for material in seen.materials.values()):
        return {}
    texts = (text for each in seen.materials.values() for text in (each.certificate, each.authority))
    used = fingerprints(texts).union(
        *(fingerprints_of(c) for name, c in seen.memory.connections.items() if not tunnel_of(wanted.network, name))
    )
    return {
        each: name
        for each, name in seen.memory.certificates.items()
        if each in seen.charon.certificates and each not in used and tunnel_of(wanted.network, name)
    }


def only_ours(network: str, charon: InCharon, memory: Memory) -> bool:
    """Whether all that is loaded into charon was loaded for this network.

    A secret without a name cannot be seen; whoever has one has a connection too.
    """
    named = charon.connections | charon.secrets
    keys = {key for key, name in memory.loaded_keys.items() if tunnel_of(network, name)}
    certificates = {each for each, name in memory.certificates.items() if tunnel_of(network, name)}
    return (
        all(tunnel_of(network, name) for name in named) and charon.keys <= keys and charon.certificates <= certificates
    )


def removal(target: str, text: str, step: steps.Step) -> Change:
    """A change that takes something away."""
    return Change(SLICE, target, text, removes=True, how=step)
