"""control.sock: it comes back when its file goes, and whoever asks without end leaves time for the rest."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from hub.control.lock import AlreadyRunningError, hold
from hub.controller import server as server_module
from hub.controller.loop import Loop
from hub.controller.prefix_report import UnknownPrefixError
from hub.controller.server import ControlServer


class SlowLoop:
    """A loop whose report takes a while, as that of a large network does."""

    branches = ("bandung",)

    def status(self) -> dict[str, object]:
        time.sleep(0.01)
        return {"branches": []}

    def why(self, branch: str, prefix: str | None = None) -> dict[str, object] | None:
        if prefix == "10.9.0.0/24":
            raise UnknownPrefixError("10.9.0.0/24 is not known: near are 10.1.0.0/24")
        return {"branch": branch, "prefix": prefix} if branch == "bandung" else None


def serve(path: Path, scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene beside a server."""

    async def whole() -> None:
        server = ControlServer(path, cast("Loop", SlowLoop()), None, print)
        task = asyncio.create_task(server.run())
        try:
            await asyncio.wait_for(scene(), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


async def ask(path: Path, line: bytes) -> Any:
    """Ask as soon as somebody listens."""
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
            break
        except OSError:
            await asyncio.sleep(0.01)
    writer.write(line)
    answer = json.loads(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


def test_a_socket_file_that_is_removed_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LOOK_SECONDS", 0.01)
    path = tmp_path / "control.sock"

    async def scene() -> None:
        for _ in range(3):
            assert await ask(path, b'{"ask":"status"}\n') == {"answer": {"branches": []}}
            path.unlink()

    serve(path, scene)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ({"branch": "bandung"}, {"answer": {"branch": "bandung", "prefix": None}}),
        ({"branch": "bandung", "prefix": "10.1.0.0/24"}, {"answer": {"branch": "bandung", "prefix": "10.1.0.0/24"}}),
        ({"branch": "bandung", "prefix": "10.9.0.0/24"}, {"error": "10.9.0.0/24 is not known: near are 10.1.0.0/24"}),
        ({"branch": "bandunk"}, {"error": 'there is no branch "bandunk": did you mean "bandung"?'}),
    ],
)
def test_why_is_of_a_branch_or_of_one_prefix_of_it(
    question: dict[str, str], answer: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "control.sock"

    async def scene() -> None:
        assert await ask(path, json.dumps({"ask": "why", **question}).encode() + b"\n") == answer

    serve(path, scene)


def test_a_directory_that_is_not_there_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server_module, "LOOK_SECONDS", 0.01)
    path = tmp_path / "run" / "control.sock"

    async def scene() -> None:
        await asyncio.sleep(0.05)
        path.parent.mkdir()
        assert "answer" in await ask(path, b'{"ask":"status"}\n')

    serve(path, scene)
    assert capsys.readouterr().out.count("cannot listen") == 1


def test_between_any_two_answers_there_is_time_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    answers = 20
    turns = 0

    async def rest() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async def scene() -> None:
        await ask(path, b'{"ask":"status"}\n')
        reader, writer = await asyncio.open_unix_connection(str(path))
        task = asyncio.create_task(rest())
        writer.write(b'{"ask":"status"}\n' * 1000)
        for _ in range(answers):
            await reader.readline()
        task.cancel()
        assert turns >= answers - 1
        writer.transport.abort()

    serve(path, scene)


def test_a_second_process_of_a_kind_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    import os

    first = hold(tmp_path / "control.lock", "a controller")
    with pytest.raises(AlreadyRunningError, match=r"a controller is running already .*: stop it first"):
        hold(tmp_path / "control.lock", "a controller")
    os.close(first)
    os.close(hold(tmp_path / "control.lock", "a controller"))
