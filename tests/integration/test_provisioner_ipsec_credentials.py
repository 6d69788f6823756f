"""Secrets, keys and certificates in charon: what goes when nobody needs it, what can not, and what comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipsec_certificates import branch_with_certificate, certificates, with_certificates
from ipsec_network import CONNECTION, Network, branch_connection, branch_secret, tunnel
from made_network import wait_for

from hub.provisioner.ipsec.charon import connected
from hub.provisioner.wanted import WantedIpsec

pytestmark = pytest.mark.integration
FIBER, WIRELESS = tunnel("fiber"), tunnel("wireless")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path / "network") as built:
        yield built


def held(network: Network) -> tuple[set[str], int, int]:
    """The names of the secrets that the hub's charon has, how many keys, and how many certificates."""
    with connected(network.hub_charon.vici) as charon:
        return set(charon.shared()), len(charon.keys()), len(charon.loaded_certificates())


def up_with_certificates(network: Network, directory: Path, *others: WantedIpsec) -> WantedIpsec:
    """The tunnel with certificates, up, and others."""
    certificates(directory)
    wanted = with_certificates(network, directory)
    network.apply(wanted, *others)
    network.make_branch_ends(wanted, *others)
    secrets = [branch_secret(each) for each in others]
    network.load_branch([branch_with_certificate(wanted), *map(branch_connection, others)], secrets)
    for each in (wanted, *others):
        network.wait_up(each)
    return wanted


def begin_again(network: Network, wanted: WantedIpsec) -> None:
    """The branch ends its SA, and authenticates anew."""
    before = network.sas().get(CONNECTION)
    network.branch_charon.swanctl("--terminate", "--ike", wanted.uplink, check=False)
    network.branch_charon.swanctl("--initiate", "--child", wanted.uplink, "--timeout", "10", check=False)
    wait_for(lambda: network.sas().get(CONNECTION, before) != before, "another SA")


def test_a_tunnel_that_goes_takes_its_certificates_along_and_others_stay_as_they_are(
    network: Network, tmp_path: Path
) -> None:
    up_with_certificates(network, tmp_path, WIRELESS)
    assert held(network) == ({"pointsman-kencana.bandung.wireless"}, 1, 2)
    before = network.sas()["pointsman-kencana.bandung.wireless"]
    done = network.apply(WIRELESS)
    assert any("certificates of bandung/fiber taken from charon" in text for _, text in done)
    assert held(network) == ({"pointsman-kencana.bandung.wireless"}, 0, 0)
    assert network.sas() == {"pointsman-kencana.bandung.wireless": before}
    assert network.ask("plan", WIRELESS)["changes"] == []
    assert network.ask("verify", WIRELESS) == []
    network.branch_charon.swanctl("--terminate", "--ike", WIRELESS.uplink, check=False)
    network.branch_charon.swanctl("--initiate", "--child", WIRELESS.uplink, "--timeout", "10", check=False)
    network.wait_up(WIRELESS)


def test_another_authority_and_its_certificates_take_the_place_of_those_before(
    network: Network, tmp_path: Path
) -> None:
    wanted = up_with_certificates(network, tmp_path)
    theirs = tmp_path / "another"
    theirs.mkdir()
    certificates(theirs)
    with_certificates(network, theirs)
    done = network.apply(wanted)
    assert any("the branch's authority is another" in text for _, text in done)
    assert not any("BEGIN" in text for _, text in done)
    assert held(network) == (set(), 1, 2)
    network.load_branch([branch_with_certificate(wanted, start="none")], [])
    begin_again(network, wanted)
    network.wait_up(wanted)
    assert network.ask("plan", wanted)["changes"] == []


def test_where_others_have_credentials_they_stay_and_what_charon_keeps_is_said_once(
    network: Network, tmp_path: Path
) -> None:
    network.hub_charon.configure('secrets { ike-office { id = a\n secret = "whatever" } }\n')
    up_with_certificates(network, tmp_path)
    done = network.apply()
    assert any("charon keeps the certificates of bandung/fiber until its restart" in text for _, text in done)
    assert held(network) == ({"ike-office"}, 0, 2)
    assert network.apply() == []


def test_a_tunnel_that_has_a_secret_in_place_of_certificates_leaves_none_behind(
    network: Network, tmp_path: Path
) -> None:
    up_with_certificates(network, tmp_path)
    network.apply(FIBER)
    assert held(network) == ({CONNECTION}, 0, 0)
    assert network.ask("plan", FIBER)["changes"] == []


def test_a_tunnel_that_has_certificates_in_place_of_a_secret_leaves_none_behind(
    network: Network, tmp_path: Path
) -> None:
    network.begin(FIBER)
    certificates(tmp_path)
    network.apply(with_certificates(network, tmp_path))
    assert held(network) == (set(), 1, 2)


def test_a_key_that_two_tunnels_have_goes_with_the_last(network: Network, tmp_path: Path) -> None:
    certificates(tmp_path)
    wanted = with_certificates(network, tmp_path)
    files = {"certificate_file": "hub.pem", "key_file": "hub.key", "authority_file": "authority.pem"}
    other = tunnel("wireless", secret_file=None, **files)
    network.apply(wanted, other)
    network.apply(other)
    assert held(network) == (set(), 1, 2)
    network.apply()
    assert held(network) == (set(), 0, 0)


def test_what_somebody_threw_out_of_charon_comes_back_with_its_authority(network: Network, tmp_path: Path) -> None:
    wanted = up_with_certificates(network, tmp_path)
    network.hub_charon.swanctl("--load-creds", "--clear", "--noprompt")
    findings = network.ask("verify", wanted)
    assert [finding["repaired"] for finding in findings] == [True, True]
    assert "charon had lost its certificates" in findings[1]["text"]
    begin_again(network, wanted)
    network.wait_up(wanted)
    assert network.ask("verify", wanted) == []


def test_nothing_is_thrown_out_that_could_not_be_loaded_again(network: Network, tmp_path: Path) -> None:
    up_with_certificates(network, tmp_path, WIRELESS)
    (network.state / "secrets" / "bandung-wireless.psk").unlink()
    network.ask("apply", WIRELESS)
    assert held(network) == ({"pointsman-kencana.bandung.wireless"}, 0, 2)
    shutil.copy(network.state / "secrets" / "bandung-fiber.psk", network.state / "secrets" / "bandung-wireless.psk")
    network.apply(WIRELESS)
    assert held(network) == ({"pointsman-kencana.bandung.wireless"}, 0, 0)
