"""Certificates by their fingerprints, as charon's list and the text of a connection both give them. Pure."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def fingerprint(encoded: bytes) -> str:
    """A name of a certificate (DER)."""
    return hashlib.sha256(encoded).hexdigest()


def fingerprints(texts: Iterable[str]) -> frozenset[str]:
    """Of each text in PEM the first certificate, which is the one that charon takes; a text without one has none."""
    found = (_PEM.search(text) for text in texts)
    return frozenset(fingerprint(der) for each in found if each and (der := _decoded(each[1])))


def texts_of(connection: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """The certificates of a connection as PEM, and whether each is an authority's."""
    own = [(text, False) for text in connection.get("local", {}).get("certs", ())]
    return (*own, *((text, True) for text in connection.get("remote", {}).get("cacerts", ())))


def fingerprints_of(connection: Mapping[str, Any]) -> frozenset[str]:
    """The certificates of a connection."""
    return fingerprints(text for text, _ in texts_of(connection))


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return b""
