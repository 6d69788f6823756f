"""Several real ExaBGP processes under one client, and their neighbors changed while they run."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from bgp_bench import Bench, bench
from bgp_network import in_processes, network

from hub.bgp.reload import reconfigure
from hub.bgp.speakers import Speakers
from policies.model.announcement import Announcement
from policies.model.events import Event, SpeakerLost
from policies.model.ids import TunnelId
from policies.model.intent import Intent

pytestmark = pytest.mark.integration

HUB = IPv4Network("10.0.0.0/16")


class Controller:
    """A Controller is the client of all processes, and the record of all that it told."""

    def __init__(self, made: Bench) -> None:
        self.made = made
        self.intent = made.intent
        self.events: list[Event] = []
        self.speakers = Speakers(made.intent, made.places.relay_socket, self.events.append, time.monotonic)
        self._task = asyncio.create_task(self.speakers.run())

    def want(self, med: int, *, urgent: tuple[str, ...] = ()) -> None:
        """The hub's prefix with this MED on every tunnel."""
        wanted = {tunnel: {HUB: Announcement(med)} for tunnel in self.intent.tunnels()}
        self.speakers.want(wanted, frozenset(map(TunnelId.parse, urgent)))

    async def change(self, intent: Intent) -> None:
        """Bring the processes to another intent, which they must take."""
        before, self.intent = self.intent, intent
        outcome = await reconfigure(self.speakers, before, intent, self.made.site())
        assert (outcome.problems, outcome.taken, outcome.unanswered) == ((), True, ())

    async def until_all_have(self, med: int, intent: Intent) -> None:
        """Wait until all branches hold this MED from every tunnel."""
        names = [str(tunnel) for tunnel in intent.tunnels()]
        await self.until(
            lambda: all(self.made.meds(name) == {str(HUB): med} for name in names), f"MED {med} on {names}"
        )

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + 30
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not seen: {what}; {self.speakers.problems}; {self.made.log('exabgp.log')[-900:]}"
                )
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Disconnect."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
def lab() -> Iterator[Bench]:
    """Branch b1 in the first process, b2 in the second, b3 has one tunnel in each."""
    with bench(in_processes(network(3), {"b2": 2, "b3/wireless": 2})) as made:
        yield made


def play(lab: Bench, scene: Callable[[Controller], Coroutine[Any, Any, None]]) -> None:
    """Run a scene with a controller to its end."""

    async def whole() -> None:
        controller = Controller(lab)
        try:
            controller.want(1000)
            await controller.until_all_have(1000, lab.intent)
            await scene(controller)
        finally:
            await controller.stop()

    asyncio.run(asyncio.wait_for(whole(), timeout=90))


def test_every_session_gets_its_set_whichever_process_holds_it(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        controller.want(990, urgent=("b2/fiber", "b3/wireless"))
        await controller.until_all_have(990, lab.intent)
        assert controller.speakers.problems == {}
        assert controller.speakers.counters == {"connected": 2}

    play(lab, scene)


def test_while_one_process_is_dead_the_others_are_told_and_it_catches_up(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        before = lab.up_since("b1/fiber")
        lab.stop(lab.exabgps[2])
        await controller.until(lambda: any(isinstance(e, SpeakerLost) for e in controller.events), "its death")
        controller.want(980, urgent=("b1/fiber", "b2/fiber"))
        await controller.until(lambda: lab.meds("b1/fiber") == {str(HUB): 980}, "the MED of the first process")
        assert [key for key in controller.speakers.problems if key.endswith("-1")] == []
        await controller.until(lambda: list(controller.speakers.problems) == ["relay-2"], "one problem")
        lab.start_exabgp(2)
        await controller.until_all_have(980, lab.intent)
        assert lab.up_since("b1/fiber") == pytest.approx(before, abs=0.5)

    play(lab, scene)


def test_the_last_neighbor_of_a_process_goes_and_nothing_is_left_of_it(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        before = lab.up_since("b1/fiber"), lab.up_since("b3/fiber")
        without = in_processes(network(3), {"b3/wireless": 2})
        fewer = replace(without, branches={name: without.branches[name] for name in ("b1", "b3")})
        await controller.change(fewer)
        assert controller.speakers.processes == (1, 2)
        last = replace(fewer, branches={"b1": fewer.branches["b1"]})
        await controller.change(last)
        assert controller.speakers.processes == (1,)
        assert lab.places.configured_processes() == {1}
        assert sorted(file.name for file in lab.directory.glob("exabgp-*.conf*")) == ["exabgp-1.conf"]
        lab.exabgps[2].send_signal(signal.SIGTERM)
        lab.exabgps[2].wait(timeout=20)
        await controller.until(lambda: not lab.places.relay_socket(2).exists(), "its socket is gone")
        for removed in ("b2_fiber", "b2_wireless", "b3_fiber", "b3_wireless"):
            assert f"{removed}: Received: Administrative reset" in lab.log("bird.log")
        assert lab.up_since("b1/fiber") == pytest.approx(before[0], abs=0.5)

    play(lab, scene)


def test_a_new_process_takes_its_neighbors_when_it_is_started(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        before = lab.up_since("b1/fiber"), lab.up_since("b2/fiber")
        more = in_processes(network(4), {"b2": 2, "b3/wireless": 2, "b4": 3})
        lab.add_links(more.branches["b4"])
        lab.reconfigure_bird(more)
        change = asyncio.create_task(controller.change(more))
        await controller.until(lab.places.exabgp_config(3).exists, "the new process's configuration")
        lab.start_exabgp(3)
        await change
        controller.want(970)
        await controller.until_all_have(970, more)
        assert (lab.up_since("b1/fiber"), lab.up_since("b2/fiber")) == pytest.approx(before, abs=0.5)

    play(lab, scene)


def test_a_tunnel_that_changes_its_process_all_the_same_comes_up_there(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        moved = in_processes(network(3), {"b2": 2, "b3": 2})
        await controller.change(moved)
        controller.want(960)
        await controller.until_all_have(960, moved)

    play(lab, scene)


def test_a_configuration_that_was_replaced_but_not_taken_is_taken_by_the_next_controller(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        site = lab.site()
        more = in_processes(network(4), {"b2": 2, "b3/wireless": 2})
        lab.add_links(more.branches["b4"])
        lab.reconfigure_bird(more)
        lab.configuration.write_text(lab.rendered(more))
        site.untaken(1).touch()
        controller.intent = more
        controller.speakers.reconfigure(more)
        await controller.change(more)
        controller.want(950)
        await controller.until_all_have(950, more)
        assert not site.untaken(1).exists()

    play(lab, scene)


def test_a_process_that_dies_while_its_neighbors_change_has_them_when_it_is_back(lab: Bench) -> None:
    async def scene(controller: Controller) -> None:
        more = in_processes(network(4), {"b2": 2, "b3/wireless": 2, "b4": 2})
        lab.add_links(more.branches["b4"])
        lab.reconfigure_bird(more)
        os.kill(lab.exabgps[2].pid, signal.SIGKILL)
        change = asyncio.create_task(controller.change(more))
        lab.exabgps[2].wait(timeout=20)
        lab.start_exabgp(2)
        await change
        controller.want(940)
        await controller.until_all_have(940, more)

    play(lab, scene)
