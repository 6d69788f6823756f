"""Real ExaBGP and FRR's bgpd: both IP versions on one session, with the next hops that FRR makes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from bgp_bench import Bench
from bgp_controller import FIBER, HUB, OWN, OWN6, Controller, play
from bgp_network import HUB6, network

from policies.model.announcement import Announcement
from policies.model.events import RouteRefused, RoutesHeard, SetSent, SpeakerReady
from policies.model.intent import Intent, Session, SessionKind

pytestmark = pytest.mark.integration

BGPD = "/usr/lib/frr/bgpd"


@pytest.fixture(params=[SessionKind.EBGP, SessionKind.IBGP], ids=["ebgp", "ibgp"])
def lab(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One branch whose fiber tunnel ends at bgpd."""
    if not os.access(BGPD, os.X_OK):
        pytest.skip("frr is not installed: apt-get install frr")
    intent = network(1, versions=(4, 6), session=Session(request.param))
    made = Bench(intent)
    try:
        made.set_up()
        made.start_exabgp()
        configuration = made.directory / "bgpd.conf"
        configuration.write_text(bgpd(intent))
        files = ["-f", str(configuration), "-i", str(made.directory / "bgpd.pid"), "--vty_socket", str(made.directory)]
        made.bird = made.spawn(made.far, "bgpd.log", BGPD, "-S", "-Z", "-n", "-P", "0", *files, "--log", "stdout")
        yield made
    finally:
        made.tear_down()


def bgpd(intent: Intent) -> str:
    """The configuration of FRR for the fiber tunnel."""
    branch = intent.branches["b1"]
    link = branch.tunnels[0].link
    return f"""
router bgp {branch.asn}
 bgp router-id {branch.router_id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor {link.hub} remote-as {intent.hub.asn}
 neighbor {link.hub} update-source {link.branch}
 neighbor {link.hub} disable-connected-check
 neighbor {link.hub} timers connect 1
 neighbor {link.hub} advertisement-interval 0
 address-family ipv4 unicast
  network {OWN}
  neighbor {link.hub} activate
 exit-address-family
 address-family ipv6 unicast
  network {OWN6}
  neighbor {link.hub} activate
  neighbor {link.hub} route-map ours out
 exit-address-family
route-map ours permit 10
 set ipv6 next-hop global {link.branch6}
"""


def test_frr_carries_ipv4_and_ipv6_on_one_session(lab: Bench) -> None:
    async def scene() -> None:
        controller = Controller(lab)
        wanted = {HUB: Announcement(1000), HUB6: Announcement(1000)}
        controller.speaker.want({FIBER: wanted}, frozenset())
        await controller.until_told(SetSent)
        await controller.until(lambda: heard(controller, 0) == {OWN, OWN6}, "both prefixes")
        mark = len(controller.events)
        os.kill(lab.relay_pid(), signal.SIGKILL)
        await controller.until_told(SpeakerReady, after=mark)
        assert heard(controller, mark) == {OWN, OWN6}
        # Without a filter FRR announces back what it learned; of its own prefixes none is refused.
        assert {e.prefix for e in controller.told(RouteRefused)} <= {str(HUB), str(HUB6)}
        assert controller.speaker.problems == {}
        await controller.stop()

    play(scene())


def heard(controller: Controller, after: int) -> set[object]:
    """The prefixes that were heard since the event number `after`."""
    return {prefix for event in controller.told(RoutesHeard, after=after) for prefix in event.prefixes}
