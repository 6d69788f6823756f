"""Why a tunnel of IPsec is not up, as two charons say it: with the branch as the one that begins, and with the hub."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ipsec_certificates import branch_with_certificate, certificates, revoke_branch, with_certificates
from ipsec_network import CONNECTION, SECRET, Network, branch_connection, branch_secret, tunnel
from made_network import wait_for

from hub.provisioner.ipsec.charon import connected
from hub.provisioner.wanted import WantedIpsec

pytestmark = pytest.mark.integration
FIBER = tunnel("fiber")
CALLED = tunnel("fiber", remote="10.9.1.2")
"""As the hub has it to begin with itself."""
BEGINS = pytest.mark.parametrize("begins", ["branch", "hub"])


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as built:
        yield built


def hub_ready(network: Network, wanted: WantedIpsec) -> None:
    """The hub's end is there, and charon is heard."""
    network.apply(wanted)
    wait_for(lambda: network.ask("verify", wanted) == [], "a tunnel as it should be")


def refused(network: Network, wanted: WantedIpsec = FIBER, *, secret: str = SECRET, **changes: str) -> None:
    """A hub as it should be, and a branch that differs in this and begins."""
    hub_ready(network, wanted)
    network.load_branch([branch_connection(wanted, **changes)], [branch_secret(wanted, secret)])


def call(network: Network) -> None:
    """The hub begins."""
    network.hub_charon.swanctl("--initiate", "--child", CONNECTION, "--timeout", "1", check=False)


def said(network: Network, wanted: WantedIpsec, part: str, *, sure: bool = True) -> dict[str, Any]:
    """The failure that has this in its reason, which is known to be this tunnel's or not, and is of now."""
    failure = network.failure(wanted, part)
    assert failure["sure"] is sure
    assert failure["mend"]
    assert abs(failure["at"] - time.time()) < 60
    return failure


@pytest.mark.parametrize(
    ("changes", "part", "sure"),
    [
        ({"secret": "another secret of some length"}, "the branch has another secret", True),
        ({"id": "somebody"}, "another identity", True),
        ({"proposals": "aes128-sha256-ecp256"}, "no IKE proposal", False),
        ({"esp_proposals": "aes128-sha256"}, "no ESP proposal", True),
        ({"remote_ts": "10.77.0.0/24"}, "other networks", True),
    ],
)
def test_why_a_branch_that_begins_is_refused_is_said(
    network: Network, changes: dict[str, str], part: str, sure: bool
) -> None:
    refused(network, **changes)
    said(network, FIBER, part, sure=sure)


@pytest.mark.parametrize(
    ("changes", "kind", "part", "mend"),
    [
        ({"secret": "another secret of some length"}, "authentication failed", "refuses the hub", "secret"),
        ({"id": "somebody"}, "authentication failed", "refuses the hub", "both identities"),
        ({"hub_id": "somebody"}, "authentication failed", "refuses the hub", "both identities"),
        ({"proposals": "aes256-sha256-ecp384"}, "no proposal chosen", "no IKE proposal", "let ike have"),
        ({"remote_addrs": "10.9.1.77"}, "no proposal chosen", "does not expect its address", "address"),
        ({"esp_proposals": "aes128-sha256"}, "no proposal chosen", "no ESP proposal", "let esp have"),
        ({"remote_ts": "10.77.0.0/24"}, "traffic selectors unacceptable", "other networks", "two loopbacks"),
    ],
)
def test_what_a_branch_says_that_refuses_what_the_hub_began_is_told_with_all_that_it_may_be(
    network: Network, changes: dict[str, str], kind: str, part: str, mend: str
) -> None:
    hub_ready(network, CALLED)
    secret = changes.get("secret", SECRET)
    text = branch_connection(CALLED, start="none", **changes)
    network.load_branch([text], [branch_secret(CALLED, secret)])
    call(network)
    failure = said(network, CALLED, part)
    assert failure["kind"] == kind
    assert mend in failure["mend"]


def test_a_branch_that_comes_from_an_unexpected_address_is_said(network: Network) -> None:
    wanted = tunnel("fiber", remote="10.9.1.77")
    network.apply(wanted)
    network.load_branch([branch_connection(wanted)], [branch_secret(wanted)])
    assert "10.9.1.2" in network.failure(wanted, "no tunnel is expected there")["reason"]


@pytest.mark.parametrize("aggressive", ["no", "yes"])
def test_ikev1_is_refused_and_said(network: Network, aggressive: str) -> None:
    refused(network, version="1", aggressive=aggressive)
    failure = said(network, FIBER, "speaks IKEv1", sure=False)
    assert "IKEv2" in failure["mend"]
    assert network.sas() == {}


def test_a_branch_that_is_silent_when_the_hub_begins_is_said(network: Network) -> None:
    hub_ready(network, CALLED)
    network.branch_charon.kill()
    call(network)
    assert said(network, CALLED, "silent when the hub begins")["kind"] == "no answer"


def test_a_branch_that_falls_silent_between_two_packets_is_said(tmp_path: Path) -> None:
    network = Network(tmp_path)
    settings = network.hub_charon.directory / "strongswan.conf"
    settings.write_text(settings.read_text().replace("{\n", "{\n    half_open_timeout = 2\n", 1))
    with network:
        network.in_hub("nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }")
        network.in_hub("nft", "add rule inet cut in udp dport 4500 drop")
        refused(network)
        assert "10.9.1.2" in said(network, FIBER, "began and then said no more", sure=False)["reason"]


def test_a_branch_that_ends_its_sa_is_said(network: Network) -> None:
    network.begin(FIBER)
    network.branch_charon.swanctl("--terminate", "--ike", FIBER.uplink)
    assert said(network, FIBER, "the branch ended it")["kind"] == "ended by the branch"


@BEGINS
def test_a_group_that_only_one_end_has_is_said_at_the_first_rekeying(network: Network, begins: str) -> None:
    network.apply(FIBER)
    network.make_branch_ends(FIBER)
    network.load_branch([branch_connection(FIBER, esp_proposals="aes256gcm16")], [branch_secret(FIBER)])
    network.wait_up(FIBER)
    ends = {"hub": (network.hub_charon, CONNECTION), "branch": (network.branch_charon, FIBER.uplink)}
    charon, child = ends[begins]
    charon.swanctl("--rekey", "--child", child)
    assert "its group included" in said(network, FIBER, "no ESP proposal")["mend"]


@BEGINS
def test_a_secret_that_somebody_took_out_of_charon_is_said(network: Network, begins: str) -> None:
    hub_ready(network, CALLED)
    network.hub_charon.swanctl("--load-creds", "--clear", "--noprompt")
    start = "start" if begins == "branch" else "none"
    network.load_branch([branch_connection(CALLED, start=start)], [branch_secret(CALLED)])
    if begins == "hub":
        call(network)
    assert "apply again" in said(network, CALLED, "charon has no secret for bandung-fiber")["mend"]


def test_what_neither_the_kernel_nor_charon_can_encrypt_is_said(network: Network) -> None:
    wanted = tunnel("fiber", esp=("camellia256ccm16-ecp256",))
    refused(network, wanted)
    assert said(network, wanted, "kernel does not take the SA")["kind"] == "the kernel refuses the SA"


def with_certificate(network: Network, directory: Path, begins: str) -> WantedIpsec:
    """Both ends with certificates, and the one that begins has begun."""
    wanted = replace(with_certificates(network, directory), remote="10.9.1.2")
    hub_ready(network, wanted)
    start_branch(network, wanted, begins)
    return wanted


def start_branch(network: Network, wanted: WantedIpsec, begins: str) -> None:
    """The branch with its certificate; and the one that begins has begun."""
    start = "start" if begins == "branch" else "none"
    network.load_branch([branch_with_certificate(wanted, start=start)], [])
    if begins == "hub":
        call(network)


@BEGINS
def test_a_certificate_that_has_run_out_is_said(network: Network, tmp_path: Path, begins: str) -> None:
    certificates(tmp_path, days="-1")
    wanted = with_certificate(network, tmp_path, begins)
    assert said(network, wanted, "the branch's certificate is not valid now")["kind"] == "certificate"


def test_an_authority_that_has_run_out_is_said(network: Network, tmp_path: Path) -> None:
    certificates(tmp_path, authority_days="-1")
    wanted = with_certificate(network, tmp_path, "branch")
    assert said(network, wanted, "the authority's certificate is not valid now")["kind"] == "certificate"


@BEGINS
def test_a_certificate_of_another_authority_is_said(network: Network, tmp_path: Path, begins: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    certificates(tmp_path)
    certificates(theirs)
    for name in ("branch.pem", "branch.key"):
        shutil.copy(theirs / name, tmp_path / name)
    wanted = with_certificate(network, tmp_path, begins)
    assert said(network, wanted, "nobody is known who signed")["kind"] == "certificate"


@BEGINS
def test_a_branch_that_does_not_take_the_hubs_certificate_is_said(
    network: Network, tmp_path: Path, begins: str
) -> None:
    certificates(tmp_path, hub_days="-1")
    wanted = with_certificate(network, tmp_path, begins)
    failure = said(network, wanted, "refuses the hub")
    assert failure["kind"] == "authentication failed"
    assert "certificates" in failure["mend"]


@BEGINS
def test_a_key_that_somebody_took_out_of_charon_is_said(network: Network, tmp_path: Path, begins: str) -> None:
    certificates(tmp_path)
    wanted = replace(with_certificates(network, tmp_path), remote="10.9.1.2")
    hub_ready(network, wanted)
    with connected(network.hub_charon.vici) as charon:
        (key,) = charon.keys()
        charon.unload_key(key)
    start_branch(network, wanted, begins)
    assert said(network, wanted, "charon has no key for hub.bandung-fiber")["mend"] == "apply again"


def test_a_branch_with_a_secret_where_a_certificate_is_wanted_is_said(network: Network, tmp_path: Path) -> None:
    certificates(tmp_path)
    wanted = with_certificates(network, tmp_path)
    hub_ready(network, wanted)
    text = branch_connection(wanted).replace("remote {\n    auth = psk", "remote {\n    auth = pubkey")
    network.load_branch([text], [branch_secret(FIBER)])
    assert "certificates" in said(network, wanted, "no secret for bandung-fiber")["mend"]


def test_a_branch_with_a_certificate_where_a_secret_is_wanted_is_said(network: Network, tmp_path: Path) -> None:
    certificates(tmp_path)
    with_certificates(network, tmp_path)
    shutil.copy(tmp_path / "authority.pem", network.hub_charon.directory / "swanctl" / "x509ca")
    network.hub_charon.swanctl("--load-creds", "--noprompt")
    hub_ready(network, FIBER)
    network.load_branch([branch_with_certificate(FIBER)], [])
    assert "way of authentication" in said(network, FIBER, "does not fit its connection")["reason"]


@BEGINS
def test_a_certificate_that_was_revoked_is_said(tmp_path: Path, begins: str) -> None:
    network = Network(tmp_path / "network")
    settings = network.hub_charon.directory / "strongswan.conf"
    settings.write_text(settings.read_text().replace(" constraints ", " constraints revocation "))
    certificates(tmp_path)
    with network:
        wanted = replace(with_certificates(network, tmp_path), remote="10.9.1.2")
        shutil.copy(revoke_branch(tmp_path), network.hub_charon.directory / "swanctl" / "x509crl")
        network.hub_charon.swanctl("--load-creds", "--noprompt")
        hub_ready(network, wanted)
        start_branch(network, wanted, begins)
        assert said(network, wanted, "was revoked")["kind"] == "certificate"
