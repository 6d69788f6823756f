"""The controller's end of the forwarder's socket, against a forwarder of another version."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from small_network import a_branch, a_network

from hub.controller.forwarder import ForwarderLink
from policies.model.events import Event

SNAPSHOT = {"tunnels": [], "classes": [], "paths": [], "problems": [], "counters": {}}


def talk(tmp_path: Path, *lines: object) -> ForwarderLink:
    """What the link holds after a forwarder has said these lines."""
    events: list[Event] = []
    path = tmp_path / "forwarder.sock"
    link = ForwarderLink(path, a_network(a_branch()), events.append, time.monotonic)

    async def whole() -> None:
        said = asyncio.Event()

        async def forwarder(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            said.set()

        server = await asyncio.start_unix_server(forwarder, str(path))
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(said.wait(), 20)
        task.cancel()
        server.close()

    asyncio.run(whole())
    return link


def test_a_forwarder_of_another_protocol_is_a_clear_no(tmp_path: Path) -> None:
    link = talk(tmp_path, {"pointsman": 7, "role": "forwarder"})
    assert "7" in link.error
    assert "version" in link.error


def test_what_an_older_forwarder_does_not_understand_is_told_with_its_mend(tmp_path: Path) -> None:
    greeting = {"pointsman": 1, "role": "forwarder"}
    link = talk(tmp_path, greeting, {"snapshot": SNAPSHOT}, {"error": "tunnels[0].local6: no such field"})
    text, mend = link.problems["forwarder refuses"]
    assert "tunnels[0].local6: no such field" in text
    assert "restart it" in mend
