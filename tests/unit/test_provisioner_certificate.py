"""When a certificate ends: read from those that OpenSSL made, and never from what is none."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.provisioner.certificate import NoCertificateError, not_after

TWENTY_DAYS = b"""\
-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUMiGMMgMF8vjSSrgZeeeoJCJQyZowCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDaHViMB4XDTI2MTEyMjAwMzI0OFoXDTI2MTIxMjAwMzI0OFow
DjEMMAoGA1UEAwwDaHViMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE64bDdsMg
i/qinHPwV1c11Q5tg39mSSvM8EM3dDSqK+2bMoJqm2u3rfQNpJ5kY1iLDr0bwKmd
hcFSy6g1HC7aHqNTMFEwHQYDVR0OBBYEFC4m50XRpEBkNc0Nq64tVzimt8oaMB8G
A1UdIwQYMBaAFC4m50XRpEBkNc0Nq64tVzimt8oaMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAJULSF8UMX3JLfvWHHWT8TdUiL4T5GKzqQGStS8X
6DodAiEA6Cczv1azPsQENxfHvaSzxiOYqJiUfdcm6CyBN1KV9Kw=
-----END CERTIFICATE-----
"""
FAR = b"""\
-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUVU02s/tLRnjSPy8UWrtj+SyUy/QwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDaHViMCAXDTI2MTEyMjAwMzI0OFoYDzIwODEwODI1MDAzMjQ4
WjAOMQwwCgYDVQQDDANodWIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASDzW1T
7zwMNpQL2VIdWMm7dJAXYnFFu/3nM2seoKPJK6UoqZUDH537IHXkDlAiSWuBmUgl
5SejDFo21ayUxWvBo1MwUTAdBgNVHQ4EFgQUm97Sq5wjl0OPWUi9fk6j6cNEVQEw
HwYDVR0jBBgwFoAUm97Sq5wjl0OPWUi9fk6j6cNEVQEwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiADeZ2InbUd2D+HJOzUQDCmrXbYY3SJH7R1z+O7
Xv4SKwIgDXMeC+bgJ+0Ah+L4AqXB3IF/Bhc1++bNGf5DYq9bll4=
-----END CERTIFICATE-----
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_end_of_this_century_and_of_the_next_is_read() -> None:
    assert not_after(TWENTY_DAYS) == at("2026-12-12 00:32:48")
    assert not_after(b"subject=CN = hub\n" + FAR) == at("2081-08-25 00:32:48")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no PEM"),
        (b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", "base64 is broken"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "cut short"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "laid out"),
    ],
)
def test_what_is_no_certificate_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(NoCertificateError, match=why):
        not_after(text)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_harm_than_a_refusal(data: bytes) -> None:
    text = b"-----BEGIN CERTIFICATE-----" + base64.b64encode(data) + b"-----END CERTIFICATE-----"
    with pytest.raises(NoCertificateError):
        not_after(text)


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_spoilt_certificate_is_read_or_refused(position: int, octet: int) -> None:
    whole = bytearray(base64.b64decode(TWENTY_DAYS.split(b"-----")[2]))
    whole[position % len(whole)] = octet
    text = b"-----BEGIN CERTIFICATE-----" + base64.b64encode(whole) + b"-----END CERTIFICATE-----"
    with contextlib.suppress(NoCertificateError):
        assert isinstance(not_after(text), float)
