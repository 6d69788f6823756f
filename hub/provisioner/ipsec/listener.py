"""A thread that hears what charon says of its attempts, and begins again when charon does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import vici
from vici.exception import DeserializationException, EventUnknownException, SessionException

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.charon import plugged
from hub.provisioner.ipsec.failures import Failure, Failures, Peer

_EVENTS = ["log", "ike-updown"]
_SPOILT = (SessionException, EventUnknownException, DeserializationException, ValueError, KeyError, IndexError)
"""What the library raises where an answer is no answer."""
_PAUSE = 1.0
"""Seconds between attempts to reach charon, and how long stopping may take."""


class Listener:
    """A Listener keeps the last failure of each tunnel, as long as the process runs."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._failures = Failures()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._hears = threading.Event()
        self._thread: threading.Thread | None = None

    def expect(self, peers: Iterable[Peer]) -> None:
        """These are the tunnels there are."""
        with self._lock:
            self._failures.expect(peers)

    def last(self, name: str) -> Failure | None:
        """Why the last attempt of this connection failed; None where none has, as far as is known."""
        with self._lock:
            return self._failures.last.get(name)

    def down(self, name: str) -> float | None:
        """Since when this connection has no SA, where that was heard."""
        with self._lock:
            return self._failures.down.get(name)

    @property
    def hears(self) -> bool:
        """Whether charon is being listened to now."""
        return self._hears.is_set()

    def start(self) -> None:
        """Begin; once more changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ipsec-events", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._listen()
            except (ProvisionError, OSError, *_SPOILT):
                pass
            finally:
                self._hears.clear()
            self._over.wait(_PAUSE)

    def _listen(self) -> None:
        with plugged(self._path) as plug:
            session = vici.Session(plug)
            for kind, event in session.listen(_EVENTS, timeout=_PAUSE):
                self._hears.set()
                if self._over.is_set():
                    return
                with self._lock:
                    if kind == b"log":
                        self._failures.log(event, self._clock())
                    elif kind == b"ike-updown":
                        self._failures.ike_updown(event, self._clock())
