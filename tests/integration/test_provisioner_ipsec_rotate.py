"""Exchanging the secret of an IPsec tunnel between two charons: it counts when the branch has shown that it has it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipsec_network import CONNECTION, OTHER_CONNECTION, SECRET, Network, Ping, branch_connection, branch_secret, tunnel
from made_network import wait_for

from hub.lab.strongswan import kernel_has_esp
from hub.provisioner.ipsec.secret_exchange import SecretFiles

pytestmark = pytest.mark.integration
FIBER, WIRELESS = tunnel("fiber"), tunnel("wireless")
CALLED = tunnel("fiber", remote="10.9.1.2")
FILE = "bandung-fiber.psk"
TRAP = "trap|start"
"""What the branch's text has: it begins, and begins again when packets want to leave."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as built:
        yield built


def in_force(network: Network) -> str:
    return SecretFiles(network.state / "secrets").present(FILE).reveal()


def staged(network: Network) -> str | None:
    found = SecretFiles(network.state / "secrets").staged("bandung/fiber", FILE)
    return None if found is None else found.reveal()


def give(network: Network, secret: str, *, start: str = TRAP, both: bool = True) -> None:
    """The branch gets its text, with this secret for the first tunnel."""
    tunnels = (FIBER, WIRELESS) if both else (FIBER,)
    secrets = [branch_secret(FIBER, secret), *map(branch_secret, tunnels[1:])]
    network.load_branch([branch_connection(each, start=start) for each in tunnels], secrets)


def knock(network: Network) -> None:
    """A packet of the branch wants to leave by the tunnel, as its BFD does all the time.

    strongSwan's own ESP does not begin by that (no `trap`): there somebody has to say it.
    """
    if not kernel_has_esp() and CONNECTION not in network.sas():
        network.branch_charon.swanctl("--initiate", "--child", FIBER.uplink, "--timeout", "5", check=False)
    network.pings_of_branch(FIBER)


def verified(network: Network) -> bool:
    knock(network)
    return bool(network.ask("rotate-status", FIBER, WIRELESS)["verified"])


def begun(network: Network) -> str:
    """Both tunnels up, and the exchange begun: the new secret."""
    network.begin(FIBER, WIRELESS)
    give(network, SECRET)
    network.wait_up(FIBER)
    report = network.ask("rotate-begin", FIBER, WIRELESS)
    assert (report["exchanging"], report["switched"], report["verified"]) == (True, True, False)
    new = staged(network)
    assert new is not None
    return new


def test_a_new_secret_is_in_force_when_the_branch_was_heard_over_an_sa_that_it_made(network: Network) -> None:
    network.begin(FIBER, WIRELESS)
    give(network, SECRET)
    network.wait_up(FIBER)
    other, before = Ping(network, WIRELESS), network.sas()
    report = network.ask("rotate-begin", FIBER, WIRELESS)
    assert (report["switched"], report["verified"]) == (True, False)
    new = staged(network)
    assert new is not None
    assert len(base64.b64decode(new)) == 32
    assert in_force(network) == SECRET
    assert "nothing was heard" in network.ask("rotate-commit", FIBER, WIRELESS)["error"]
    give(network, new)
    wait_for(lambda: verified(network), f"the new secret: {network.hub_charon.log()[-3000:]}")
    assert network.ask("rotate-commit", FIBER, WIRELESS)["committed"]
    assert in_force(network) == new
    assert {path.name for path in (network.state / "secrets").iterdir()} == {FILE, "bandung-wireless.psk"}
    assert network.ask("plan", FIBER, WIRELESS)["changes"] == []
    assert network.ask("verify", FIBER, WIRELESS) == []
    assert network.sas()[CONNECTION] != before[CONNECTION]
    assert network.sas()[OTHER_CONNECTION] == before[OTHER_CONNECTION]
    assert other.lost() == 0


def test_a_branch_that_keeps_the_old_secret_is_refused_and_comes_back_when_it_was_taken_back(network: Network) -> None:
    begun(network)
    knock(network)
    network.failure(FIBER, "another secret")
    report = network.ask("rotate-status", FIBER, WIRELESS)
    assert (report["established"], report["verified"]) == (False, False)
    assert CONNECTION not in network.sas()
    assert network.ask("rotate-rollback", FIBER, WIRELESS)["was"]
    assert in_force(network) == SECRET
    assert staged(network) is None
    wait_for(lambda: knock(network) or network.pings(FIBER), "the old secret")
    assert network.ask("plan", FIBER, WIRELESS)["changes"] == []
    assert network.ask("verify", FIBER, WIRELESS) == []


def test_a_provisioner_that_dies_meanwhile_and_a_charon_too_go_on_with_the_same_new_secret(network: Network) -> None:
    new = begun(network)
    network.restart_provisioner()
    assert network.ask("plan", FIBER, WIRELESS)["changes"] == []
    (found,) = network.ask("verify", FIBER, WIRELESS)
    assert "a new secret stands beside the one in force" in found["text"]
    network.hub_charon.kill()
    network.hub_charon.start()
    network.apply(FIBER, WIRELESS)
    assert network.ask("rotate-begin", FIBER, WIRELESS)["switched"]
    assert staged(network) == new
    give(network, new)
    wait_for(lambda: verified(network), "the new secret")
    assert network.ask("rotate-commit", FIBER, WIRELESS)["committed"]
    assert in_force(network) == new


def test_where_the_branch_only_waits_the_hub_begins_once_more_when_it_is_asked_again(network: Network) -> None:
    network.apply(CALLED)
    network.make_branch_ends(CALLED)
    give(network, SECRET, start="none", both=False)
    network.ask("rotate-begin", CALLED)
    network.failure(CALLED, "refuses the hub")
    new = staged(network)
    assert new is not None
    give(network, new, start="none", both=False)

    def heard() -> bool:
        network.ask("rotate-begin", CALLED)
        network.pings(CALLED)
        return bool(network.ask("rotate-status", CALLED)["verified"])

    wait_for(heard, "the hub's SA")
    assert network.ask("rotate-commit", CALLED)["committed"]
    assert in_force(network) == new


def test_where_the_branch_only_waits_with_the_old_secret_the_hub_brings_the_tunnel_back(network: Network) -> None:
    network.apply(CALLED)
    network.make_branch_ends(CALLED)
    give(network, SECRET, start="none", both=False)
    network.ask("rotate-begin", CALLED)
    network.failure(CALLED, "refuses the hub")
    assert network.ask("rotate-rollback", CALLED)["was"]
    network.wait_up(CALLED)
    assert in_force(network) == SECRET
