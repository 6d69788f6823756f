"""One client over several ExaBGP processes: a Speaker a process, each with the tunnels that are its own.

The loop says what every session should carry, and does not know which process holds it. Processes come and go with the
intent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from hub.bgp.questions import Answer, NotConnectedError
from hub.bgp.speaker import Speaker
from policies.model.announcement import Announcements
from policies.model.events import Event, SessionChanged, SpeakerConnected, SpeakerLost, SpeakerReady
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import SessionState
from speaker.bgp.text import Command


class Speakers:
    """A Speakers keeps what each session announces equal to what is wanted, whichever process holds it.

    To be used like a `Speaker`, from one asyncio loop.
    """

    def __init__(
        self,
        intent: Intent,
        socket_of: Callable[[int], Path],
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._socket_of = socket_of
        self._on_event = on_event
        self._clock = clock
        self._wanted: Mapping[TunnelId, Announcements] = {}
        self._home: dict[TunnelId, int] = {}
        self._leaving: frozenset[TunnelId] = frozenset()
        self._up: set[TunnelId] = set()
        self._heard = asyncio.Event()
        self._speakers: dict[int, Speaker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._past: Counter[str] = Counter()
        self._group: asyncio.TaskGroup | None = None
        self.reconfigure(intent)

    # what the loop uses

    def want(self, announcements: Mapping[TunnelId, Announcements], urgent: frozenset[TunnelId]) -> None:
        """Set what every session should carry, whole; a tunnel without a key is left alone.

        What the `urgent` tunnels should carry is written before this returns, as far as the relays' sockets take it.
        """
        self._wanted = announcements
        wanted: dict[int, dict[TunnelId, Announcements]] = {process: {} for process in self._speakers}
        for tunnel, announced in announcements.items():
            process = self._home.get(tunnel)
            if process is not None:
                wanted[process][tunnel] = announced
        for process in sorted(wanted, key=self._homes(urgent).__contains__, reverse=True):
            self._speakers[process].want(wanted[process], urgent & wanted[process].keys())

    def close(self, tunnel: TunnelId, *, now: bool = False) -> bool:
        """Close the session of a tunnel, so that the branch's new connection is not refused; whether it was asked.

        While there are urgent things to say it is not, but `now`.
        """
        process = self._home.get(tunnel)
        return process is not None and self._speakers[process].close(tunnel, now=now)

    @property
    def counters(self) -> Counter[str]:
        """What happened how often since the start, in all processes."""
        return sum((speaker.counters for speaker in self._speakers.values()), Counter(self._past))

    @property
    def refusals(self) -> dict[TunnelId, Mapping[str, int]]:
        """How many routes of each tunnel are refused now, by the reason."""
        return {tunnel: why for speaker in self._speakers.values() for tunnel, why in speaker.refusals.items()}

    @property
    def problems(self) -> dict[str, str]:
        """Texts for the operator by a stable key; of several processes each text names its own."""
        if len(self._speakers) == 1:
            return dict(_problems(next(iter(self._speakers.values()))))
        return {
            f"{key}-{process}": f"ExaBGP {process}: {text}"
            for process, speaker in sorted(self._speakers.items())
            for key, text in _problems(speaker).items()
        }

    # what a change of the neighbors uses

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the processes that are talked to."""
        return tuple(sorted(self._speakers))

    def reconfigure(self, intent: Intent) -> None:
        """Take another intent: which tunnels there are, and which process holds which.

        A process that holds none any more is still talked to, until `let_go`.
        """
        self._leaving = frozenset()
        self._home = {tunnel.id: tunnel.process for tunnel in intent.tunnels().values()}
        self._up &= self._home.keys()
        for process in sorted({*intent.processes(), *self._speakers}):
            own = part_of(intent, process)
            if process in self._speakers:
                self._speakers[process].reconfigure(own)
            else:
                self._begin(process, own)
        self.want(self._wanted, frozenset())

    def let_go(self, process: int) -> None:
        """Talk no more to a process that holds no tunnel."""
        speaker = self._speakers.pop(process, None)
        if speaker is None:
            return
        self._past += speaker.counters
        task = self._tasks.pop(process, None)
        if task is not None:
            task.cancel()

    async def retire(
        self,
        tunnels: frozenset[TunnelId],
        leaving: frozenset[TunnelId],
        timeout: float = 2.0,  # noqa: ASYNC109
    ) -> None:
        """Take back everything from tunnels whose neighbors are about to be removed, see it done, and close them.

        Each branch hears a Cease; as it may come back within a second, its neighbor should be removed at once. Each of
        the two steps takes at most `timeout` seconds. Of those `leaving` the configuration nothing is told any more.
        """
        self._leaving = leaving
        await asyncio.gather(
            *(
                speaker.retire(frozenset(t for t in tunnels if self._home.get(t) == process), timeout)
                for process, speaker in self._speakers.items()
            )
        )
        closing = {tunnel for tunnel in tunnels if self.close(tunnel, now=True)}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while closing & self._up:
                    self._heard.clear()
                    await self._heard.wait()

    async def ask(self, process: int, command: Command) -> Answer:
        """Ask an ExaBGP process something beside the announcements.

        Raises:
            NotConnectedError: there is no such process, its relay is not there, or no answer came in time.
        """
        speaker = self._speakers.get(process)
        if speaker is None:
            raise NotConnectedError(f"there is no ExaBGP {process} any more")
        return await speaker.ask(command)

    async def run(self) -> None:
        """Stay connected to every process for ever."""
        async with asyncio.TaskGroup() as self._group:
            for process in self._speakers:
                self._run(process)
            await asyncio.Event().wait()

    # inside

    def _homes(self, tunnels: frozenset[TunnelId]) -> frozenset[int]:
        return frozenset(self._home[tunnel] for tunnel in tunnels if tunnel in self._home)

    def _begin(self, process: int, intent: Intent) -> None:
        self._speakers[process] = Speaker(intent, self._socket_of(process), self._take, self._clock, process)
        self._run(process)

    def _run(self, process: int) -> None:
        if self._group is not None:
            self._tasks[process] = self._group.create_task(self._speakers[process].run(), name=f"Speaker {process}")

    def _take(self, event: Event) -> None:
        """Note which sessions are up, and pass on all that concerns tunnels that are there to stay."""
        match event:
            case SessionChanged(tunnel, state):
                (self._up.add if state is SessionState.UP else self._up.discard)(tunnel)
            case SpeakerConnected(tunnels=tunnels) | SpeakerLost(tunnels=tunnels):
                self._up -= tunnels
        self._heard.set()
        if isinstance(event, SpeakerConnected | SpeakerReady | SpeakerLost):
            self._on_event(replace(event, tunnels=frozenset(filter(self._is_told_of(event.process), event.tunnels))))
        elif (of := getattr(event, "tunnel", None)) is None or (of in self._home and of not in self._leaving):
            self._on_event(event)

    def _is_told_of(self, process: int) -> Callable[[TunnelId], bool]:
        """Whether what a process says of a tunnel counts: not of one that leaves, or that is another process's now."""
        return lambda tunnel: self._home.get(tunnel) == process and tunnel not in self._leaving


def _problems(speaker: Speaker) -> Mapping[str, str]:
    """A speaker that is not ready always has a problem, also while its relay is still finding out what was sent."""
    if speaker.ready or speaker.problems:
        return speaker.problems
    return {"relay": "the relay of ExaBGP has not yet told what it remembers: it takes some seconds after its start"}


def part_of(intent: Intent, process: int) -> Intent:
    """The part of an intent that one ExaBGP process holds: its tunnels, and the branches that have some of them."""
    branches = {
        name: replace(branch, tunnels=tuple(tunnel for tunnel in branch.tunnels if tunnel.process == process))
        for name, branch in intent.branches.items()
    }
    return replace(intent, branches={name: branch for name, branch in branches.items() if branch.tunnels})
