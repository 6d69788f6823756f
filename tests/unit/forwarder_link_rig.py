"""A forwarder's side of the socket, as the controller's link finds it."""

from __future__ import annotations

import asyncio
import json

SNAPSHOT = {"tunnels": [], "classes": [], "paths": [], "problems": [], "counters": {}}
GREETING = {"pointsman": 1, "role": "forwarder"}
STATUS = {"status": {"tunnels": [], "counters": {}}}


class Refusing:
    """A forwarder that refuses whole sets while something is wrong with it, and tells what it was sent."""

    def __init__(self) -> None:
        self.well = False
        self.heard: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(GREETING) + line({"snapshot": SNAPSHOT}))
        while said := await reader.readline():
            message = json.loads(said)
            what = str(message.get("set", message.get("get", "greeting")))
            self.heard.append(what)
            if what == "status":
                writer.write(line(STATUS))
            elif what in ("tunnels", "classes") and not self.well:
                writer.write(line({"error": f"{what}: not now"}))
        writer.close()


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"
