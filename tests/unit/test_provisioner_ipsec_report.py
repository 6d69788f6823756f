"""What is said of a tunnel by IPsec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ipsec_values import NETWORK, seen_with, tunnel, wanting

from hub.provisioner.ipsec.failures import Failure
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.reasons import Kind, Reason
from hub.provisioner.ipsec.slice import told, without_route

WALL = 1_700_000_000.0
SA: dict[str, Any] = {
    "uniqueid": b"3",
    "state": b"ESTABLISHED",
    "remote-host": b"198.51.100.7",
    "remote-port": b"4500",
    "local-host": b"203.0.113.30",
    "local-port": b"4500",
    "nat-remote": b"yes",
    "encr-alg": b"AES_CBC",
    "encr-keysize": b"256",
    "integ-alg": b"HMAC_SHA2_256_128",
    "established": b"100",
    "rekey-time": b"14000",
    "child-sas": {
        "a-1": {"state": b"REKEYED", "install-time": b"90", "encr-alg": b"AES_GCM_16", "packets-in": b"9"},
        "a-2": {
            "state": b"INSTALLED",
            "install-time": b"10",
            "encr-alg": b"AES_GCM_16",
            "encr-keysize": b"256",
            "encap": b"yes",
            "packets-in": b"4",
            "bytes-in": b"400",
            "rekey-time": b"2900",
        },
    },
}


def test_an_sa_is_reported_with_its_times_and_its_youngest_child() -> None:
    about = told([SA], None, None, WALL)
    assert (about["state"], about["since"], about["rekey_at"]) == ("established", WALL - 100, WALL + 14000)
    assert (about["remote"], about["nat"], about["ike"]) == ("198.51.100.7:4500", True, "AES_CBC-256/HMAC_SHA2_256_128")
    assert (about["child"]["packets_in"], about["child"]["bytes_in"], about["child"]["packets_out"]) == (4, 400, 0)
    assert (about["child"]["esp"], about["child"]["encapsulated"]) == ("AES_GCM_16-256", True)


def test_of_two_sas_the_one_that_is_up_counts() -> None:
    beginning = {**SA, "uniqueid": b"9", "state": b"CONNECTING", "child-sas": {}}
    assert told([SA, beginning], None, None, WALL)["state"] == "established"


def test_without_an_sa_it_is_down_since_when_that_was_heard_and_why() -> None:
    failure = Failure(Reason(Kind.AUTHENTICATION, "the branch has another secret", "write the same"), 5.0, True, "1")
    assert told([], failure, 4.0, WALL) == {
        "state": "down",
        "since": 4.0,
        "child": None,
        "failure": {
            "kind": "authentication failed",
            "reason": "the branch has another secret",
            "mend": "write the same",
            "at": 5.0,
            "sure": True,
        },
    }


@pytest.mark.parametrize("spoilt", [{}, {"established": b"soon", "child-sas": {"x": {"state": b"INSTALLED"}}}])
def test_what_charon_leaves_out_is_none(spoilt: dict[str, Any]) -> None:
    assert told([spoilt], None, None, WALL)["since"] is None


def test_an_sa_without_a_route_is_found_and_the_setting_named() -> None:
    fiber = tunnel()
    seen = seen_with(fiber)
    up = replace(seen, charon=replace(seen.charon, installed=frozenset({connection_name(NETWORK, fiber.tunnel)})))
    assert without_route(wanting(fiber), up) == []
    (finding,) = without_route(wanting(fiber), replace(up, kernel=replace(up.kernel, routed=frozenset())))
    assert "install_routes" in finding.mend
