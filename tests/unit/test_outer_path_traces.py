"""Which tunnels are traced and when, and what is made of the answers.

bandung: fiber to 198.18.1.2 by telkom, wireless to 198.18.2.2 by biznet; both live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from small_network import a_branch, a_network, moment

from hub.control.lines import Message
from hub.controller import outer_paths
from hub.controller.outer_paths import AGAIN_SECONDS, EVERY_SECONDS, LOOK_SECONDS, OuterPaths
from hub.controller.troubles import Believed
from policies.arrivals import address_of
from policies.model.as_numbers import SharedFateSigns
from policies.model.ids import Address, TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.overrides import NO_OVERRIDES
from policies.model.transport import Existing, Ipsec, PresharedKey, Transport
from policies.model.view import LivenessState, LivenessView, View

BANDUNG = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BANDUNG.tunnels)
ENDPOINTS = {FIBER: "198.18.1.2:51820", WIRELESS: "198.18.2.2:51820"}


class Hub:
    """What the controller believes, its clock, and a forwarder that finds `found`, or `None`: is not there."""

    def __init__(self, *branches: Branch) -> None:
        self.intent: Intent = a_network(*(branches or (BANDUNG,)))
        self.endpoints: Mapping[TunnelId, str] = dict(ENDPOINTS)
        self.dead: frozenset[TunnelId] = frozenset()
        self.now = 100.0
        self.found: Message | None = {"hops": ["192.0.2.1"], "reached": True, "error": None}
        self.asked: list[tuple[TunnelId, str, int, str | None]] = []
        self.said: list[str] = []
        self.paths = OuterPaths(self, self.believed, lambda: self.now, self.said.append)

    def believed(self) -> Believed:
        state = {
            each: LivenessView(LivenessState.DOWN if each in self.dead else LivenessState.UP, moment(1.0).monotonic)
            for each in self.intent.tunnels()
        }
        return Believed(
            self.intent, View(liveness=state, forwarder=True), NO_OVERRIDES, moment(self.now), self.endpoints
        )

    def trace(self, tunnel: TunnelId, to: str, mark: int, source: str | None) -> asyncio.Future[Message | None] | None:
        self.asked.append((tunnel, to, mark, source))
        if self.found is None:
            return None
        answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        answer.set_result({"tunnel": str(tunnel), "to": to, **self.found})
        return answer

    def trace_all(self) -> list[TunnelId]:
        """All whose turn it is, in order."""
        asked = len(self.asked)

        async def course() -> None:
            while (turn := self.paths.next()) is not None:
                await self.paths.measure(*turn)

        asyncio.run(course())
        return [tunnel for tunnel, *_ in self.asked[asked:]]


def test_each_has_its_turn_again_after_some_minutes() -> None:
    hub = Hub()
    assert hub.trace_all() == [FIBER, WIRELESS]
    hub.now += EVERY_SECONDS - LOOK_SECONDS
    assert hub.trace_all() == []
    hub.now += LOOK_SECONDS
    assert hub.trace_all() == [FIBER, WIRELESS]


def test_where_a_tunnel_is_now_is_traced_soon_and_what_was_before_says_nothing() -> None:
    hub = Hub()
    hub.trace_all()
    hub.endpoints, hub.found = (
        {**ENDPOINTS, FIBER: "198.18.1.9:51820"},
        {"hops": [None], "reached": True, "error": None},
    )
    hub.now += LOOK_SECONDS
    assert hub.trace_all() == [FIBER]
    assert hub.paths.known()[FIBER].trace.hops == (None,)


def test_a_router_that_is_silent_now_and_then_stays_known() -> None:
    hub = Hub()
    hub.trace_all()
    hub.now, hub.found = hub.now + EVERY_SECONDS, {"hops": [None], "reached": True, "error": None}
    hub.trace_all()
    assert hub.paths.known()[FIBER].trace.hops == ("192.0.2.1",)


@pytest.mark.parametrize("found", [None, {"hops": [], "reached": False, "error": "Network is unreachable"}])
def test_what_could_not_be_traced_leaves_what_is_known_and_is_tried_again_soon(found: Message | None) -> None:
    hub = Hub()
    hub.trace_all()
    known, hub.found = hub.paths.known(), found
    hub.now += EVERY_SECONDS
    assert hub.trace_all() == [FIBER, WIRELESS]
    assert hub.paths.known() == known
    hub.now += AGAIN_SECONDS
    assert hub.trace_all() == [FIBER, WIRELESS]


def test_an_answer_to_another_question_is_none() -> None:
    hub = Hub()
    hub.found = {"hops": [], "reached": True, "error": None, "to": "198.18.9.9"}
    hub.trace_all()
    assert hub.paths.known() == {}


def test_who_is_dead_or_unknown_or_alone_is_not_traced() -> None:
    alone = a_branch("bogor", ("fiber",), number=2)
    hub = Hub(BANDUNG, alone)
    hub.endpoints = {FIBER: "198.18.1.2:51820", WIRELESS: "(none)", alone.tunnels[0].id: "198.18.3.2:51820"}
    assert hub.trace_all() == [FIBER]
    hub.dead, hub.now = frozenset({FIBER}), hub.now + EVERY_SECONDS
    assert hub.trace_all() == []


def test_switched_off_nothing_is_traced_and_nothing_known() -> None:
    hub = Hub()
    hub.trace_all()
    hub.intent, hub.now = replace(hub.intent, shared_fate=SharedFateSigns(paths=False)), hub.now + EVERY_SECONDS
    assert hub.trace_all() == []
    assert hub.paths.known() == {}


def test_a_tunnel_that_is_removed_is_forgotten() -> None:
    hub = Hub()
    hub.trace_all()
    hub.intent = a_network(a_branch(tunnels=("fiber", "satellite")))
    hub.now += LOOK_SECONDS
    hub.trace_all()
    assert hub.paths.known().keys() == {FIBER}


def test_what_nobody_thought_of_is_said_once_and_ends_nothing() -> None:
    hub = Hub()
    hub.found = {"hops": [], "reached": True}
    for _ in range(2):
        asyncio.run(hub.paths.step())
    assert hub.said == ["tracing the ways of tunnels failed: KeyError: 'error'; please report it"]
    hub.found = {"hops": ["192.0.2.1"], "reached": True, "error": None}
    hub.now += LOOK_SECONDS
    asyncio.run(hub.paths.step())
    assert FIBER in hub.paths.known()


def test_tunnels_are_looked_at_every_half_minute_only_and_each_endpoint_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub, looks, read = Hub(), list[float](), list[str]()

    def address(endpoint: str) -> Address | None:
        read.append(endpoint)
        return address_of(endpoint)

    def believed() -> Believed:
        looks.append(hub.now)
        return hub.believed()

    monkeypatch.setattr(outer_paths, "address_of", address)
    hub.paths = OuterPaths(hub, believed, lambda: hub.now, hub.said.append)
    for second in range(61):
        hub.now = 100.0 + second
        hub.trace_all()
    assert looks == [100.0, 130.0, 160.0]
    assert sorted(read) == sorted(ENDPOINTS.values())


def over(transport: Transport | None, address: str | None = "198.51.100.2") -> Tunnel:
    fiber = BANDUNG.tunnels[0]
    uplink = replace(fiber.hub_uplink, mark=28673, address=None if address is None else IPv4Address(address))
    return replace(fiber, hub_uplink=uplink, **({} if transport is None else {"transport": transport}))


IPSEC = Ipsec(PresharedKey("a.psk"), "hq", "bandung")


@pytest.mark.parametrize(
    ("tunnel", "to", "mark", "source"),
    [
        (over(None), "198.18.1.2:1", 28673, None),
        (over(None), "[2001:db8::1]:1", 28673, None),
        (over(IPSEC), "198.18.1.2:1", 0, "198.51.100.2"),
        (over(IPSEC, None), "198.18.1.2:1", 0, None),
        (over(Existing()), "198.18.1.2:1", 0, None),
    ],
    ids=["WireGuard", "WireGuard over IPv6", "IPsec", "IPsec by an address that may change", "somebody else's"],
)
def test_a_trace_goes_as_the_tunnel_s_own_packets_do(tunnel: Tunnel, to: str, mark: int, source: str | None) -> None:
    hub = Hub(replace(BANDUNG, tunnels=(tunnel, BANDUNG.tunnels[1])))
    hub.endpoints = {FIBER: to}
    hub.trace_all()
    assert [asked[2:] for asked in hub.asked] == [(mark, source)]
