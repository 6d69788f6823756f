"""When a certificate ends, read from its PEM (RFC 5280, section 4.1); nothing else of it is looked at. Pure."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


class NoCertificateError(ValueError):
    """This is no certificate that can be read."""


def not_after(text: bytes) -> float:
    """When the first certificate in a PEM ends, in seconds of the wall clock.

    Raises:
        NoCertificateError: there is none.
    """
    found = _PEM.search(text)
    if found is None:
        raise NoCertificateError("no PEM of a certificate")
    try:
        der = binascii.a2b_base64(re.sub(rb"\s", b"", found[1]), strict_mode=True)
    except binascii.Error as error:
        raise NoCertificateError("its base64 is broken") from error
    inner = _inside(_inside(der, _SEQUENCE)[0], _SEQUENCE)[0]  # Certificate, then TBSCertificate
    if inner[:1] == bytes([_VERSION]):
        inner = _inside(inner, _VERSION)[1]
    for _ in range(3):  # serial number, signature, issuer
        inner = _inside(inner, None)[1]
    validity = _inside(inner, _SEQUENCE)[0]
    return _time(_inside(validity, None)[1])


def _inside(data: bytes, tag: int | None) -> tuple[bytes, bytes]:
    """What is in the first value of these, and what comes after it (X.690, section 8.1)."""
    if len(data) < 2 or (tag is not None and data[0] != tag):
        raise NoCertificateError("it is not laid out as a certificate is")
    length, begin = data[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[2:begin], "big")
    if begin + length > len(data):
        raise NoCertificateError("it is cut short")
    return data[begin : begin + length], data[begin + length :]


def _time(data: bytes) -> float:
    """A UTCTime or GeneralizedTime: years of two digits from 50 on are of the last century (RFC 5280, 4.1.2.5)."""
    tag, (said, _) = data[:1], _inside(data, None)
    text = said.decode("ascii", "replace")
    if tag == bytes([_UTC_TIME]):
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif tag != bytes([_GENERALIZED_TIME]):
        raise NoCertificateError("it says no end")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise NoCertificateError("its end is no time") from error
