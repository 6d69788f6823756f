"""Both forms of IPsec on a real kernel, with strongSwan configured by hand: GRE between loopbacks, XFRM interface.

Two IKE peers at once over two ISPs, with the branch's addresses as they are, and behind NAT.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from kernel_ipsec_bird import Bird
from kernel_ipsec_charon import Association, Charon
from kernel_ipsec_network import (
    BRANCH_LAN,
    GRE,
    HUB_LAN,
    LINES,
    MTU,
    XFRM,
    IpsecNetwork,
    Line,
    blocks,
    ipsec_network,
    isp,
)
from kernel_ipsec_traffic import CLEAR_TEXT, answers, capturing, pinging
from lab_world import wait_until

PATIENCE = 60.0
every_line = pytest.mark.parametrize("line", LINES, ids=lambda line: line.form)


@dataclass(frozen=True)
class Ends:
    """An Ends is the network with a strongSwan at both ends."""

    network: IpsecNetwork
    hub: Charon
    branch: Charon

    def association(self, line: Line) -> Association:
        """That of the hub, as soon as there is exactly one."""
        wait_until(lambda: self.hub.association(line) is not None, PATIENCE)
        found = self.hub.association(line)
        assert found is not None
        return found


@pytest.fixture(scope="module", params=[False, True], ids=["direct", "nat"])
def ends(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    """Both ends connected over both ISPs; once without NAT, once with it."""
    with ExitStack() as stack:
        network = stack.enter_context(ipsec_network(nat=request.param))
        hub = stack.enter_context(closing(Charon(network, "hub", tmp_path_factory.mktemp("hub"))))
        branch = stack.enter_context(closing(Charon(network, "branch", tmp_path_factory.mktemp("branch"))))
        hub.load()
        branch.load()
        made = Ends(network, hub, branch)
        for line in LINES:
            made.association(line)
        yield made


@pytest.fixture(scope="module")
def birds(ends: Ends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bird, ...]]:
    """BGP with BFD over both tunnels, up at both ends."""
    with ExitStack() as stack:
        made = tuple(
            stack.enter_context(closing(Bird(ends.network, part, tmp_path_factory.mktemp(part))))
            for part in ("hub", "branch")
        )
        wait_until(lambda: all(bird.established(line) for bird in made for line in LINES), PATIENCE)
        yield made


@every_line
def test_it_comes_up_with_the_wanted_cipher(ends: Ends, line: Line) -> None:
    found = ends.association(line)
    assert found.cipher == "AES_GCM_16256"
    assert found.encapsulated is ends.network.nat


@every_line
def test_full_size_packets_pass_unbroken(ends: Ends, line: Line) -> None:
    assert answers(ends.network, line.interface, line.branch_link, "-M", "do", "-s", str(MTU - 28))


@every_line
def test_on_the_wire_is_nothing_but_what_is_encrypted(ends: Ends, line: Line, tmp_path: Path) -> None:
    with (
        capturing(ends.network, isp(line), "to-hub", tmp_path) as outside,
        capturing(ends.network, "hub", line.interface, tmp_path) as inside,
    ):
        assert answers(ends.network, line.interface, line.branch_link)
    assert CLEAR_TEXT in inside.capture.raw
    assert CLEAR_TEXT not in outside.capture.raw
    assert outside.capture.lines
    assert outside.capture.clear == []
    assert any("UDP-encap: ESP" in packet for packet in outside.capture.lines) is ends.network.nat


@every_line
@pytest.mark.parametrize("end", ["hub", "branch"])
def test_new_keys_of_a_child_lose_nothing_and_come_from_a_key_exchange_of_their_own(
    ends: Ends, line: Line, end: str
) -> None:
    before = ends.association(line)
    with pinging(ends.network, line.interface, line.branch_link) as pings:
        ask(ends, end).ask("--rekey", "--child", line.form)
        wait_until(lambda: ends.association(line).child != before.child, PATIENCE)
    assert pings.lost == 0
    assert ends.association(line).ike == before.ike
    assert ends.association(line).key_exchange == "ECP_256"


@every_line
@pytest.mark.parametrize("end", ["hub", "branch"])
def test_new_keys_of_ike_lose_nothing_and_leave_the_child(ends: Ends, line: Line, end: str) -> None:
    before = ends.association(line)
    with pinging(ends.network, line.interface, line.branch_link) as pings:
        ask(ends, end).ask("--rekey", "--ike", line.form)
        wait_until(lambda: ends.association(line).ike != before.ike, PATIENCE)
    assert pings.lost == 0
    assert ends.association(line).child == before.child


def ask(ends: Ends, end: str) -> Charon:
    """The strongSwan at this end."""
    return ends.hub if end == "hub" else ends.branch


def test_bfd_finds_a_cut_bgp_leaves_it_and_the_way_back_loses_nothing(ends: Ends, birds: tuple[Bird, ...]) -> None:
    wait_until(lambda: way(ends) == GRE.interface, PATIENCE)
    ends.network.cut(GRE)
    wait_until(lambda: all(bird.found_dead(GRE) for bird in birds), PATIENCE)
    assert all(bird.established(XFRM) for bird in birds)
    wait_until(lambda: way(ends) == XFRM.interface)
    with pinging(ends.network, HUB_LAN, BRANCH_LAN) as pings:
        ends.network.heal(GRE)
        wait_until(lambda: all(bird.established(GRE) for bird in birds) and way(ends) == GRE.interface, PATIENCE)
    assert pings.lost == 0


def way(ends: Ends) -> str:
    """The interface by which the hub sends to the branch's network."""
    words = ends.network.output("hub", "ip", "route", "show", BRANCH_LAN).split()
    return words[words.index("dev") + 1] if "dev" in words else ""


@every_line
def test_without_a_security_association_nothing_leaves_in_clear(ends: Ends, line: Line, tmp_path: Path) -> None:
    ends.association(line)
    ends.branch.ask("--terminate", "--ike", line.form)
    wait_until(lambda: "list-sa event" not in ends.hub.ask("--list-sas", "--raw", "--ike", line.form), PATIENCE)
    with capturing(ends.network, isp(line), "to-hub", tmp_path) as outside:
        assert not answers(ends.network, line.interface, line.branch_link)
    assert CLEAR_TEXT not in outside.capture.raw
    assert outside.capture.clear == []
    ends.branch.ask("--initiate", "--child", line.form)
    ends.association(line)
    assert answers(ends.network, line.interface, line.branch_link)


@pytest.mark.parametrize(
    ("connected", "blocked"),
    [(True, True), (True, False), (False, True)],
    ids=["connected", "connected, strongSwan's policies alone", "not connected"],
)
def test_gre_that_is_clear_is_not_taken_from_the_internet(
    ends: Ends, connected: bool, blocked: bool, tmp_path: Path
) -> None:
    ends.association(GRE)
    if not blocked:
        selector = f"src {GRE.branch_loopback}/32 dst {GRE.hub_loopback}/32 proto gre"
        ends.network.script("hub", f"ip xfrm policy delete {selector} dir in")
    if not connected:
        ends.branch.ask("--terminate", "--ike", GRE.form)
        wait_until(lambda: "list-sa event" not in ends.hub.ask("--list-sas", "--raw", "--ike", GRE.form), PATIENCE)
    with (
        capturing(ends.network, "hub", GRE.underlay, tmp_path) as outside,
        capturing(ends.network, "hub", GRE.interface, tmp_path) as inside,
    ):
        forge_gre(ends.network)
    assert CLEAR_TEXT in outside.capture.raw
    assert CLEAR_TEXT not in inside.capture.raw
    if not blocked:
        ends.network.script("hub", blocks(GRE.branch_loopback, GRE.hub_loopback, "in"))
    if not connected:
        ends.branch.ask("--initiate", "--child", GRE.form)
        ends.association(GRE)


def forge_gre(network: IpsecNetwork) -> None:
    """The ISP sends the hub what looks like the branch's, but is not encrypted."""
    made = (
        f"ip address add {GRE.branch_loopback}/32 dev lo\n"
        f"ip route add {GRE.hub_loopback}/32 via {GRE.hub_outer} src {GRE.branch_loopback}\n"
        f"ip link add name forged type gre local {GRE.branch_loopback} remote {GRE.hub_loopback} ttl 64\n"
        f"ip address add {GRE.branch_link}/31 dev forged\nip link set forged up\n"
    )
    removed = (
        f"ip link delete forged; ip address delete {GRE.branch_loopback}/32 dev lo; ip route flush {GRE.hub_loopback}"
    )
    network.script(isp(GRE), made)
    pattern = CLEAR_TEXT.hex()
    network.output(isp(GRE), "ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "-p", pattern, GRE.hub_link)
    network.script(isp(GRE), removed)
