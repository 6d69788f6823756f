"""Real traces through real routers: two providers of a hub that end in one access network, until they part."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fib_namespaces import Controller, ForwarderProcess
from provider_network import (
    ACCESS,
    ACCESS6,
    FIBER,
    FIBER6,
    MARKS,
    OTHER,
    WIRELESS,
    WIRELESS6,
    ProviderNetwork,
)
from small_network import HUB, a_branch, a_network

from hub.controller.forwarder import ForwarderLink
from hub.controller.outer_paths import EVERY_SECONDS, OuterPaths
from hub.controller.troubles import Believed, Troubles
from policies.arrivals import ONE_WAY_FOR
from policies.model.clock import Instant, Now
from policies.model.intent import Branch
from policies.model.overrides import NO_OVERRIDES
from policies.model.view import LivenessState, LivenessView, View

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


@pytest.fixture
def providers() -> Iterator[ProviderNetwork]:
    with ProviderNetwork() as made:
        yield made


@pytest.fixture
def tracer(providers: ProviderNetwork, tmp_path: Path) -> Iterator[ForwarderProcess]:
    made = ForwarderProcess(providers, tmp_path)  # type: ignore[arg-type]
    try:
        made.start()
        yield made
    finally:
        made.close()


def traced(controller: Controller, to: str, mark: int) -> dict[str, object]:
    controller.forget()
    controller.say({"trace": {"tunnel": "bandung/fiber", "to": to, "mark": mark, "source": None}})
    found: dict[str, object] = controller.wait("traced")
    return {key: found[key] for key in ("hops", "reached")}


def test_packets_go_by_the_uplink_whose_mark_they_have(tracer: ForwarderProcess) -> None:
    with Controller(tracer.socket) as controller:
        assert traced(controller, FIBER, 101) == {"hops": ["198.51.100.1", ACCESS], "reached": True}
        assert traced(controller, FIBER, 102) == {"hops": ["203.0.113.1", ACCESS], "reached": True}
        assert traced(controller, FIBER6, 101) == {"hops": ["2001:db8:1::1", ACCESS6], "reached": True}
        assert traced(controller, WIRELESS6, 102) == {"hops": ["2001:db8:2::1", ACCESS6], "reached": True}


def test_an_end_that_answers_nothing_hides_no_router(providers: ProviderNetwork, tracer: ForwarderProcess) -> None:
    providers.silence()
    with Controller(tracer.socket) as controller:
        assert traced(controller, WIRELESS, 102) == {"hops": ["203.0.113.1", ACCESS], "reached": False}


def test_where_no_route_leads_nothing_is_found_and_that_is_said(
    providers: ProviderNetwork, tracer: ForwarderProcess
) -> None:
    with Controller(tracer.socket) as controller:
        controller.say({"trace": {"tunnel": "bandung/fiber", "to": "192.0.2.77", "mark": 0, "source": "192.0.2.78"}})
        found = controller.wait("traced")
        assert (found["hops"], found["error"]) == ([], "Cannot assign requested address")


def test_what_is_no_address_is_refused(tracer: ForwarderProcess) -> None:
    with Controller(tracer.socket) as controller:
        controller.say({"trace": {"tunnel": "bandung/fiber", "to": "bandung.example", "mark": 0, "source": None}})
        assert controller.wait("error") == "trace.to: an address is needed"


def a_hub() -> tuple[Branch, Believed]:
    """bandung: fiber over telkom, wireless over biznet; both live, and are where the providers have them."""
    uplinks = {name: replace(uplink, mark=MARKS[name]) for name, uplink in HUB.uplinks.items()}
    branch = a_branch()
    fiber, wireless = branch.tunnels
    tunnels = (replace(fiber, hub_uplink=uplinks["telkom"]), replace(wireless, hub_uplink=uplinks["biznet"]))
    branch = replace(branch, tunnels=tunnels)
    intent = replace(a_network(branch), hub=replace(HUB, uplinks=uplinks))
    view = View(liveness={t.id: LivenessView(LivenessState.UP, Instant(1.0)) for t in tunnels}, forwarder=True)
    endpoints = {tunnels[0].id: f"{FIBER}:51820", tunnels[1].id: f"{WIRELESS}:51820"}
    return branch, Believed(intent, view, NO_OVERRIDES, Now(Instant(0.0), datetime.now(UTC)), endpoints)


@asynccontextmanager
async def linked(tracer: ForwarderProcess, believed: Believed) -> AsyncIterator[ForwarderLink]:
    connected = asyncio.Event()
    link = ForwarderLink(tracer.socket, believed.intent, lambda _event: connected.set(), time.monotonic)
    task = asyncio.create_task(link.run())
    try:
        await connected.wait()
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


async def trace_all(paths: OuterPaths) -> None:
    while (turn := paths.next()) is not None:
        await paths.measure(*turn)


def test_paths_that_end_in_one_router_are_told_until_they_part(
    providers: ProviderNetwork, tracer: ForwarderProcess
) -> None:
    branch, believed = a_hub()
    clock, said = Clock(), list[str]()
    troubles = Troubles(lambda: believed, said.append, dict)

    def looked() -> list[str]:
        now = Now(Instant(clock()), believed.now.wall + timedelta(seconds=clock.ahead))
        troubles.take(troubles.look(replace(believed, now=now)))
        return sorted(troubles.problems)

    async def course() -> None:
        async with linked(tracer, believed) as link:
            paths = OuterPaths(link, lambda: believed, clock, said.append)
            troubles.paths = paths.known
            await trace_all(paths)
            assert {tunnel.id for tunnel in branch.tunnels} == paths.known().keys()
            assert looked() == []
            clock.ahead = ONE_WAY_FOR.total_seconds()
            await trace_all(paths)
            assert looked() == [f"shared-fate:bandung:through {ACCESS}"]
            providers.part()
            clock.ahead += EVERY_SECONDS
            await trace_all(paths)
            assert looked() == []
            assert paths.known()[branch.tunnels[1].id].trace.hops == ("203.0.113.1", OTHER)

    asyncio.run(course())
    told, over = said
    assert told.startswith(
        f"fiber and wireless of bandung both arrive through the same router {ACCESS}, the last before both, though "
        "their ISPs are isp-fiber and isp-wireless, since "
    )
    assert "one outage takes both (mend: ask isp-fiber and isp-wireless for the way of each line" in told
    assert over.startswith("over: fiber and wireless of bandung both arrive through the same router")
