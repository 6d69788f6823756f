"""An apply and the tunnels that it has made: what is left after one that failed, and who waits for a slow one."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from changing_rig import TEGAL, WITH_TEGAL, Scene, places_in, without_waiting
from config_directories import BANDUNG

from hub.bgp.reload import Outcome
from hub.control.lock import AlreadyRunningError
from hub.control.places import Places
from hub.controller import ending as ending_module
from hub.controller import taking as taking_module
from hub.controller.not_applied import NotAppliedError
from hub.controller.tunnel_changes import TunnelChanges
from hub.controller.tunnels import Tunnels
from hub.provisioner import main as provisioner_main
from hub.provisioner.asks import Asks
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.remembered import Remembered
from hub.provisioner.server import Server
from hub.provisioner.wanted import Wanted

OTHER_AS = BANDUNG.replace("65001", "65009")
IN_FORCE = {"bandung/fiber", "bandung/wireless"}
WITH_NEW = IN_FORCE | {"tegal/fiber", "tegal/wireless"}


@dataclass
class Machine:
    """A Machine is a slice that has tunnels by their names. While it is not `free` it hangs; `stuck` ones stay."""

    name: str = "machine"
    there: set[str] = field(default_factory=set)
    free: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    stuck: bool = False

    def plan(self, wanted: Wanted) -> Planned:
        names = {each.tunnel for each in wanted.tunnels()}
        made = [Change(self.name, each, f"make {each}") for each in sorted(names - self.there)]
        gone = [Change(self.name, each, f"remove {each}", removes=True) for each in sorted(self.there - names)]
        return Planned((*made, *gone))

    def do(self, change: Change) -> None:
        self.begun.set()
        assert self.free.wait(20)
        if change.removes and self.stuck:
            raise ProvisionError(f"{change.target} stays", "end it by hand")
        (self.there.discard if change.removes else self.there.add)(change.target)

    def verify(self, wanted: Wanted) -> tuple[Finding, ...]:
        return ()

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        return {}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_waiting(monkeypatch)
    monkeypatch.setattr(taking_module, "IN_TURN_SECONDS", 0.2)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = places_in(tmp_path)
    made.run.mkdir()
    return made


@pytest.fixture
def machine(places: Places, tmp_path: Path) -> Iterator[Machine]:
    """A provisioner that listens, with everything that is in force there."""
    made, stop = Machine(there=set(IN_FORCE)), threading.Event()
    made.free.set()
    asks = Asks(Provisioner([made], tmp_path / "lock"), Remembered(tmp_path / "provisioner.json"), lambda _: None)
    server, (wakeup, told) = Server(places.provisioner_socket, asks, lambda _: None, lambda: None), os.pipe()
    thread = threading.Thread(target=server.run, args=(stop.is_set, wakeup))
    thread.start()
    while not places.provisioner_socket.is_socket():
        assert thread.is_alive()
    yield made
    made.free.set()
    stop.set()
    os.write(told, b"x")
    thread.join()
    server.close()
    for descriptor in (wakeup, told):
        os.close(descriptor)


def live(places: Places, scene: Callable[[Scene], Any]) -> None:
    """One life of a controller whose tunnels this machine's provisioner makes; tegal is new in the files."""

    def tunnels(loop: Any, say: Callable[[str], None]) -> TunnelChanges:
        return TunnelChanges(Tunnels(places.provisioner_socket, loop, say), say)

    async def life() -> None:
        made = Scene(places, tunnels)
        made.write(tegal=TEGAL)
        (places.config / "allocations.yaml").write_text(WITH_TEGAL)
        await asyncio.wait_for(scene(made), 30)

    asyncio.run(life())


def test_an_apply_makes_what_is_new(places: Places, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending_module, "LEAVE_WITHIN", 20.0)  # what it waits for comes, be it late

    async def scene(scene: Scene) -> None:
        assert (await scene.changing.apply(None, force=False)).problems == ()
        assert machine.there == WITH_NEW

    live(places, scene)


def test_an_apply_says_what_was_made_and_removed(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        applied = await scene.changing.apply(None, force=False)
        assert [each["text"] for each in applied.made] == ["make tegal/fiber", "make tegal/wireless"]
        machine.there |= {"stray/fiber"}
        applied = await scene.changing.apply(None, force=False)
        assert applied.plan.empty
        assert [each["text"] for each in applied.made] == ["remove stray/fiber"]

    live(places, scene)


def test_after_an_apply_that_exabgp_refuses_the_tunnels_are_as_before(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        with pytest.raises(NotAppliedError) as refused:
            await scene.changing.apply(None, force=False)
        assert str(refused.value) == "ExaBGP refuses it"
        assert machine.there == IN_FORCE

    live(places, scene)


def test_that_what_was_made_for_it_cannot_be_removed_again_is_said(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        machine.stuck = True
        with pytest.raises(NotAppliedError) as refused:
            await scene.changing.apply(None, force=False)
        said = str(refused.value)
        assert "what was made of tunnels for it is not undone: tegal/fiber: remove tegal/fiber" in said
        assert "tegal/fiber stays" in said

    live(places, scene)


def test_that_the_provisioner_is_gone_by_then_is_said(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        scene.neighbors.outcome = Outcome(("ExaBGP refuses it",), taken=False)
        real = scene.neighbors.take

        async def take(*arguments: Any) -> Outcome:
            places.run.rename(places.run.with_name("gone"))
            return await real(*arguments)

        scene.neighbors.take = take  # type: ignore[method-assign]
        with pytest.raises(NotAppliedError, match="not undone: the provisioner is gone: systemctl start"):
            await scene.changing.apply(None, force=False)
        places.run.with_name("gone").rename(places.run)

    live(places, scene)


async def confirmable(scene: Scene) -> None:
    """Another AS is in force; the configuration before can be gone back to."""
    scene.write(bandung=OTHER_AS)
    await scene.changing.apply(None, force=True)
    assert scene.loop.intent.branches["bandung"].asn == 65009


async def hang(machine: Machine, scene: Scene) -> asyncio.Task[Any]:
    """An apply of one more branch, whose provisioner hangs while it makes the tunnels."""
    solo = TEGAL.replace("65002", "65003").replace("10.2.0.0", "10.3.0.0")
    scene.write(solo=solo)
    with (scene.places.config / "allocations.yaml").open("a") as file:
        file.write("solo/fiber: {to: telkom, link: 10.255.0.8/31, port: 51004}\n")
        file.write("solo/wireless: {to: biznet, link: 10.255.0.10/31, port: 51005}\n")
    machine.begun.clear()
    machine.free.clear()
    applying = asyncio.create_task(scene.changing.apply(None, force=True))
    assert await asyncio.to_thread(machine.begun.wait, 20)
    return applying


def test_going_back_does_not_wait_for_a_provisioner_that_hangs(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        await confirmable(scene)
        applying = await hang(machine, scene)
        went_back = await scene.changing.go_back("me", "it was wrong")
        assert scene.loop.intent.branches["bandung"].asn == 65001
        assert not applying.done()
        assert any("the provisioner has not answered within 0.2 s" in problem for problem in went_back.problems)
        machine.free.set()
        with pytest.raises(NotAppliedError, match="somebody went back"):
            await applying
        assert set(scene.loop.intent.branches) == {"bandung"}
        await scene.until(lambda: machine.there == IN_FORCE)

    live(places, scene)


def test_confirming_does_not_wait_for_a_provisioner_that_hangs(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        await confirmable(scene)
        applying = await hang(machine, scene)
        with pytest.raises(NotAppliedError, match="no configuration waits to be confirmed"):
            await scene.changing.confirm(None, "me")
        assert "solo" not in scene.loop.intent.branches
        machine.free.set()
        await applying
        assert "solo" in scene.loop.intent.branches

    live(places, scene)


def test_confirming_does_not_wait_for_tunnels_alone(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        await confirmable(scene)
        machine.there.discard("bandung/fiber")
        machine.begun.clear()
        machine.free.clear()
        making = asyncio.create_task(scene.changing.apply_tunnels(None, "me"))
        assert await asyncio.to_thread(machine.begun.wait, 20)
        with pytest.raises(NotAppliedError, match="no configuration waits to be confirmed"):
            await scene.changing.confirm(None, "me")
        assert not making.done()
        machine.free.set()
        await making

    live(places, scene)


def test_a_plan_that_is_another_when_its_tunnels_are_made_is_not_taken(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        planned = await scene.changing.plan()
        machine.free.clear()
        applying = asyncio.create_task(scene.changing.apply(planned.id, force=False))
        assert await asyncio.to_thread(machine.begun.wait, 20)
        scene.loop.view = type(scene.loop.view)(forwarder=False)
        machine.free.set()
        with pytest.raises(NotAppliedError, match=f"{planned.id} is not the present plan"):
            await applying
        assert machine.there == IN_FORCE

    live(places, scene)


def test_a_second_apply_waits_for_the_first(places: Places, machine: Machine) -> None:
    async def scene(scene: Scene) -> None:
        machine.free.clear()
        first = asyncio.create_task(scene.changing.apply(None, force=False))
        assert await asyncio.to_thread(machine.begun.wait, 20)
        second = asyncio.create_task(scene.changing.apply(None, force=False))
        machine.free.set()
        assert not (await first).plan.empty
        assert (await second).plan.empty
        assert machine.there == WITH_NEW

    live(places, scene)


def test_that_another_network_holds_the_machine_is_a_fault_with_its_name(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(_state: Path) -> None:
        raise AlreadyRunningError("the provisioner of /srv/first makes the tunnels of this network namespace already")

    monkeypatch.setattr(provisioner_main, "hold_machine", held)
    assert provisioner_main.main(["--run-dir", str(places.run), "--state-dir", str(places.state)]) == 1
    loop = SimpleNamespace(intent=None, problems={}, made={"x": {}})
    tunnels = Tunnels(places.provisioner_socket, loop, lambda _: None)  # type: ignore[arg-type]
    asyncio.run(tunnels._look())
    (((key, (text, _))),) = loop.problems.items()
    assert key == "tunnels:machine:begin"
    assert text.startswith("the provisioner does not begin: the provisioner of /srv/first makes the tunnels")


def test_a_provisioner_that_begins_takes_its_last_refusal_away(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    places.provisioner_refusal.write_text("/srv/first makes the tunnels")
    monkeypatch.setattr(provisioner_main, "hold_machine", lambda _state: io.StringIO())
    provisioner_main._claimed(places)
    assert not places.provisioner_refusal.exists()
