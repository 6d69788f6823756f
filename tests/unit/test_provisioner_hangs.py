"""A provisioner that hangs is called one that hangs: what it would do is not known, and nothing is said to be well."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from small_network import a_network
from test_plan_made_anew import as_ipsec
from test_plan_outlook import NOW, SEMARANG, live

from hub.cli import keys_list
from hub.cli import tunnels as tunnels_command
from hub.cli.main import main
from hub.cli.render_plan import applied_view, plan_view
from hub.controller import ending as ending_module
from hub.controller import tunnels as tunnels_module
from hub.controller.ending import Taken, ended
from hub.controller.plan_report import applied_report, plan_report
from hub.controller.tunnel_changes import NotMadeError, TunnelChanges
from hub.controller.tunnels import Tunnels
from policies.model.ids import TunnelId
from policies.model.intent import Intent, Security
from policies.model.view import View
from policies.plan import plan
from policies.transition import transition

INTENT = a_network(SEMARANG)
HANGS = "the provisioner is running, but has not answered within 0.1 s"


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of a provisioner that takes questions and answers none."""
    for module in (tunnels_command, keys_list):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(tunnels_module, "PLANNED_SECONDS", 0.1)
    monkeypatch.setitem(Tunnels.apply.__kwdefaults__, "within", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "provisioner.sock"))
        listening.listen()
        yield tmp_path / "provisioner.sock"


def following(path: Path) -> Tunnels:
    loop = SimpleNamespace(intent=SimpleNamespace(security=Security()), problems={}, made={})
    return Tunnels(path, loop, lambda _: None)  # type: ignore[arg-type]


def changes(path: Path) -> TunnelChanges:
    return TunnelChanges(following(path), lambda _: None)


def shown(view: Any) -> str:
    console = Console(width=300, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def planned(path: Path, after: Intent) -> str:
    made, found = changes(path), plan(INTENT, after, live(), NOW)
    made.note(found.id, after)
    tunnels = asyncio.run(made.of_plan(found.id))
    return shown(plan_view({**plan_report(found), "tunnels": tunnels, "configuration": None}, proposal=False))


def test_a_plan_says_that_what_becomes_of_tunnels_is_not_known(hanging: Path) -> None:
    text = planned(hanging, INTENT)
    assert text.startswith(f"what would be done to tunnels is not known: {HANGS}")
    assert "nothing else would change: 1 branch stays as it is" in text
    assert "what would be done to tunnels is not known" in planned(hanging, a_network(as_ipsec(SEMARANG)))


def test_where_no_provisioner_runs_tunnels_are_somebody_else_s_and_a_plan_says_nothing_of_them(tmp_path: Path) -> None:
    assert planned(tmp_path / "provisioner.sock", INTENT) == "nothing would change: 1 branch stays as it is\n"


def test_one_that_died_and_left_its_socket_leaves_not_known_what_becomes_of_tunnels(tmp_path: Path) -> None:
    path = tmp_path / "provisioner.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
    assert "what would be done to tunnels is not known: no provisioner is running here" in planned(path, INTENT)


def test_tunnels_alone_are_not_said_to_want_a_provisioner_that_is_there(hanging: Path) -> None:
    for asked in (changes(hanging).planned(INTENT), changes(hanging).made(INTENT, None)):
        with pytest.raises(NotMadeError) as found:
            asyncio.run(asked)
        assert str(found.value).startswith(HANGS)
        assert "systemctl start" not in str(found.value)


def test_status_says_that_it_hangs_or_is_at_work_and_what_to_do(hanging: Path) -> None:
    tunnels = following(hanging)
    asyncio.run(tunnels._look())
    ((text, mend),) = tunnels._loop.problems.values()
    assert text.startswith(HANGS)
    assert text.endswith(": it hangs, or is at work that takes long")
    assert "systemctl restart pointsman-provisioner, by which no tunnel goes" in mend


def test_status_says_so_while_it_is_still_waited_for_to_make_tunnels(
    hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = SimpleNamespace(intent=INTENT, problems={}, made={})
    tunnels = Tunnels(hanging, loop, lambda _: None)  # type: ignore[arg-type]

    async def never(*_arguments: object, **_more: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Tunnels, "take", never)

    async def scene() -> None:
        running = asyncio.create_task(tunnels.run())
        for _ in range(2000):
            if loop.problems:
                break
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(scene())
    assert list(loop.problems) == ["tunnels:silent"]


@pytest.mark.parametrize(("for_long", "said"), [(60.0, []), (0.0, ["tunnels:silent"])])
def test_status_does_not_call_it_hanging_while_it_makes_what_it_was_just_told(
    hanging: Path, monkeypatch: pytest.MonkeyPatch, for_long: float, said: list[str]
) -> None:
    monkeypatch.setattr(tunnels_module, "WORKING_SECONDS", for_long)
    tunnels = following(hanging)

    async def scene() -> None:
        making = asyncio.create_task(tunnels.apply(INTENT, None, grow_only=True, within=0.5))
        await asyncio.sleep(0)
        await tunnels._look()
        making.cancel()

    asyncio.run(scene())
    assert list(tunnels._loop.problems) == said


@pytest.mark.parametrize("command", [("tunnels",), ("keys", "list")])
def test_a_command_that_asks_it_says_so(
    hanging: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert main([*command, "--run-dir", str(hanging.parent)]) == 3
    said = capsys.readouterr().err
    assert HANGS in said
    assert "no provisioner is running" not in said
    assert "systemctl restart pointsman-provisioner" in said


@pytest.mark.parametrize(("on", "carries"), [("fiber", True), ("wireless", False)])
def test_an_apply_says_that_a_tunnel_still_carries_only_where_it_does(
    monkeypatch: pytest.MonkeyPatch, on: str, carries: bool
) -> None:
    monkeypatch.setattr(ending_module, "LEAVE_WITHIN", 0.01)
    monkeypatch.setattr(ending_module, "MOVED_WITHIN", 0.01)
    after = a_network(as_ipsec(SEMARANG))
    change = transition(INTENT, after)
    view: View = live(on=TunnelId("semarang", on))
    loop = SimpleNamespace(intent=change.interim, view=view, now=lambda: NOW)

    async def hangs() -> Any:
        finishing = asyncio.create_task(asyncio.sleep(60))
        taken = Taken(plan(INTENT, after, live(), NOW), change, (), finishing)  # type: ignore[arg-type]
        try:
            return await ended(taken, loop)  # type: ignore[arg-type]
        finally:
            finishing.cancel()

    applied = asyncio.run(hangs())
    text = shown(applied_view(applied_report(applied)))
    assert ("semarang/fiber still carries its branch" in text) is carries
    assert ("no traffic is on semarang/fiber any more, and what comes of that is not done yet" in text) is not carries
