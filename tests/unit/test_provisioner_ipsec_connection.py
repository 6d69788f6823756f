"""A tunnel as charon's `load-conn` takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipsec_values import tunnel

from hub.provisioner.ipsec.connection import connection_of, differences, must_be_made_anew

GOLDEN = Path(__file__).parents[1] / "golden" / "ipsec"
WITH_CERTIFICATES = {
    "secret_file": None,
    "certificate_file": "hub.pem",
    "key_file": "hub.key",
    "authority_file": "authority.pem",
}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gre", {}),
        ("vxlan-fixed-branch", {"inner": "vxlan", "remote": "198.51.100.7"}),
        ("xfrm", {"inner": "xfrm", "loopback": None, "branch_loopback": None}),
        ("xfrm-ipv6", {"inner": "xfrm", "allowed": ("192.168.1.0/24", "2001:db8:1::/48")}),
        ("certificates", WITH_CERTIFICATES),
    ],
)
def test_a_tunnel_renders_as_its_golden_file(name: str, changes: dict[str, Any]) -> None:
    made = connection_of(tunnel(**changes), "pointsman-kencana.bandung.fiber", "THE HUB'S", "THE AUTHORITY'S")
    assert json.dumps(made, indent=2) + "\n" == (GOLDEN / f"{name}.json").read_text()


def test_equal_connections_have_no_differences() -> None:
    made = connection_of(tunnel(), "name")
    assert differences(made, json.loads(json.dumps(made))) == {}


FIELDS = {
    "local": st.none() | st.ip_addresses(v=4).map(str),
    "remote": st.none() | st.ip_addresses(v=4).map(str),
    "hub_identity": st.text(min_size=1),
    "branch_identity": st.text(min_size=1),
    "ike": st.lists(st.text(min_size=1), min_size=1, max_size=2).map(tuple),
    "esp": st.lists(st.text(min_size=1), min_size=1, max_size=2).map(tuple),
    "version": st.sampled_from([1, 2]),
    "rekey_ike": st.integers(1, 9),
    "inner": st.sampled_from(["gre", "xfrm"]),
}


@given(st.fixed_dictionaries({}, optional=FIELDS), st.fixed_dictionaries({}, optional=FIELDS))
def test_there_are_differences_where_and_only_where_two_are_not_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    first, second = connection_of(tunnel(**a), "name"), connection_of(tunnel(**b), "name")
    assert bool(differences(first, second)) == (first != second)


def test_only_how_long_keys_are_used_may_change_under_an_sa() -> None:
    before = connection_of(tunnel(), "name")
    assert not must_be_made_anew(differences(before, connection_of(tunnel(rekey_ike=60, rekey_child=60), "name")))
    assert must_be_made_anew(differences(before, connection_of(tunnel(rekey_ike=60, esp=("aes256gcm16",)), "name")))
