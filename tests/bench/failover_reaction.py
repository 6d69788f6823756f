"""When a hub lost liveness, by its own word: the moment from which its reaction is counted.

| hub | moment |
|---|---|
| Pointsman | `since` of the forwarder's liveness report on its socket: CLOCK_MONOTONIC when the death was judged |
| BIRD, BFD | its log, `Session to … changed state from Up to …`: when its BFD loop woke |
| BIRD | its log, `Error: …` or `Received: …` of the session: its hold timer ran out, or the branch ended it |
| FRR, BFD | bfdd's log, `state-change: … UP -> DOWN`: when the line was made |
| FRR | bgpd's log, `NOTIFICATION` or `ADJCHANGE … Down`, whichever is first |

With BFD the end of the BGP session counts too where it comes first: of a cut in one direction the branch may tell.

Logs have the time of day in microseconds; it is turned into CLOCK_MONOTONIC by the distance of both clocks at the cut.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hub.control.lines import BadLineError, LineReader, encode, greeting

_BIRD = re.compile(r"^(\d+\.\d+) <\w+> (\S+): (?:Session to (\S+) changed state from Up to |(?:Error|Received): )")
_FRR = re.compile(
    r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) .*"
    r"(?:state-change: \[.*?peer:(\S+?)[ \]].*?-> DOWN|NOTIFICATION: \w+ \w+ neighbor (\S+)|"
    r"ADJCHANGE: neighbor (\S+?)(?:\(.*?\))? in vrf \S+ Down)",
    re.IGNORECASE,
)


def bird_losses(log: str) -> Iterator[tuple[float, str]]:
    """(seconds since 1970, neighbor's address or name of the session) of every loss of liveness in BIRD's log."""
    for match in filter(None, map(_BIRD.match, log.splitlines())):
        yield float(match[1]), match[3] or match[2]


def frr_losses(log: str) -> Iterator[tuple[float, str]]:
    """(seconds since 1970, neighbor's address) of every loss of liveness in the log of bfdd or bgpd."""
    for match in filter(None, map(_FRR.match, log.splitlines())):
        at = datetime.strptime(match[1], "%Y/%m/%d %H:%M:%S.%f").astimezone()
        yield at.timestamp(), match[2] or match[3] or match[4]


class LivenessListener:
    """A LivenessListener is a reader at Pointsman's forwarder that notes when tunnels died."""

    def __init__(self, path: Path) -> None:
        self._deaths: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.sendall(encode(greeting("reader")))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def deaths(self) -> list[tuple[float, str]]:
        """(seconds of the monotonic clock, tunnel) of every death so far."""
        return list(self._deaths)

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        lines = LineReader()
        try:
            while data := self._socket.recv(1 << 16):
                for message in lines.feed(data):
                    report = message.get("liveness")
                    if isinstance(report, dict) and report["state"] == "down":
                        self._deaths.append((report["since"], report["tunnel"]))
        except (OSError, BadLineError):
            return
