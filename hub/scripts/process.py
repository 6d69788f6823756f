"""A worker process, from the controller's side: started, asked, and ended when its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable
from pathlib import Path

import hub
from hub.scripts.examine import Slip
from hub.scripts.limits import Limits
from hub.scripts.lines import Failure, RefusedError, read_loaded

LONGEST_ANSWER = 4 << 20
"""Bytes of a line; an answer about 250 branches takes some 35 kB."""
DUMPED_WITHIN = 0.5
"""Seconds that a worker has to say which line it is in, before it is ended."""

_ROOT = str(Path(hub.__file__).parents[1])
_START = "import sys; sys.path.insert(0, sys.argv[1]); from hub.scripts.worker import main; main()"
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""Sets have the same order in every worker, so that a restart changes no answer."""


class WorkerFailedError(Exception):
    """A worker came to its end, or was ended, and the script is to blame; `failure` says why."""

    def __init__(self, text: str, line: int = 0) -> None:
        self.failure = Failure(line, text)
        super().__init__(text)


class NotLoadedError(Exception):
    """The script cannot be loaded; `slips` say why."""

    def __init__(self, slips: tuple[Slip, ...]) -> None:
        self.slips = slips
        super().__init__("; ".join(slip.text for slip in slips))


def arguments(socket_descriptor: int, memory: int) -> list[str]:
    """The command of a worker whose end of the socket has this descriptor. It reads no environment and no cwd."""
    return [sys.executable, "-P", "-s", "-c", _START, _ROOT, str(socket_descriptor), str(memory)]


def load_line(label: str, text: str) -> bytes:
    """What a worker is told first."""
    return json.dumps({"load": {"label": label, "text": text}}).encode() + b"\n"


def line_of_dump(label: str, dump: bytes) -> int:
    """The line of the script at the top of a faulthandler's dump; 0 if the script is not in it."""
    found = re.search(rb'File "' + re.escape(label.encode("ascii", "backslashreplace")) + rb'", line (\d+)', dump)
    return int(found[1]) if found else 0


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used (clock_getcpuclockid(3)); 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


class Worker:
    """A Worker is one process with one loaded script."""

    def __init__(
        self,
        label: str,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
        printed: Callable[[bytes], None],
    ) -> None:
        self._label = label
        self._process = process
        self._reader, self._writer = reader, writer
        self._limits = limits
        self._printed = printed
        self._dump: bytearray | None = None
        self._dumped = asyncio.Event()
        self._output = asyncio.create_task(self._read_output(), name=f"output of {label}")

    @classmethod
    async def start(cls, label: str, text: str, limits: Limits, printed: Callable[[bytes], None]) -> Worker:
        """A worker that has loaded this script; it is ended by `end`.

        Raises:
            NotLoadedError: the script is wrong.
            WorkerFailedError: it did not load in its time, or the process died.
            OSError: no process can be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *arguments(theirs.fileno(), limits.memory),
                    stdin=DEVNULL,
                    stdout=PIPE,
                    stderr=STDOUT,
                    pass_fds=(theirs.fileno(),),
                    env=_ENVIRONMENT,
                    cwd="/",
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_ANSWER)
        worker = cls(label, process, reader, writer, limits, printed)
        try:
            slips = read_loaded(await worker.ask(load_line(label, text), limits.load))
        except RefusedError as error:
            await worker.end()
            raise WorkerFailedError(f"its worker {error}") from None
        except BaseException:
            await worker.end()
            raise
        if slips:
            await worker.end()
            raise NotLoadedError(slips)
        return worker

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def ask(self, line: bytes, allowance: float) -> bytes:
        """Its answer to a line.

        Raises:
            WorkerFailedError: it took longer than `allowance` of processor time, died, or said too much.
        """
        self._writer.write(line)
        answer = asyncio.create_task(self._reader.readline())
        try:
            await self._watch(answer, allowance)
            said = await answer
        except ValueError:
            raise WorkerFailedError(f"its answer is longer than {LONGEST_ANSWER >> 20} MB") from None
        except OSError:
            said = b""
        finally:
            answer.cancel()
        if not said.endswith(b"\n"):
            raise WorkerFailedError(f"its process {await self._ending()}")
        return said

    async def _watch(self, answer: asyncio.Task[bytes], allowance: float) -> None:
        """Return when there is an answer; raise when its time is over, seen twice: it may be we who slept."""
        used, began = processor_time(self.pid), time.monotonic()
        over = 0
        while not answer.done():
            await asyncio.wait({answer}, timeout=allowance / 4)
            busy = processor_time(self.pid) - used >= allowance
            slow = time.monotonic() - began >= allowance * self._limits.patience
            over = over + 1 if busy or slow else 0
            if over >= 2 and not answer.done():
                line = await self._where()
                raise WorkerFailedError(
                    f"took longer than {allowance * 1000:.0f} ms of processor time"
                    if busy
                    else f"did not answer within {allowance * self._limits.patience:.0f} s",
                    line,
                )

    async def _where(self) -> int:
        """The line of the script that it is in now, 0 if it does not say."""
        self._dump = bytearray()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DUMPED_WITHIN):
                await self._dumped.wait()
        return line_of_dump(self._label, bytes(self._dump))

    async def _ending(self) -> str:
        try:
            async with asyncio.timeout(DUMPED_WITHIN):
                status = await self._process.wait()
        except TimeoutError:
            return "closed its socket"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"exited with status {status}"

    async def _read_output(self) -> None:
        """What it prints, line by line; of a line without an end, what is there."""
        output = self._process.stdout
        waiting = b""
        while output is not None and (more := await output.read(1 << 14)):
            if self._dump is not None:
                self._dump += more[: 1 << 14]
                if b" in <module>\n" in self._dump:  # the outermost frame, so the last line
                    self._dumped.set()
                continue
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                self._printed(line)
            waiting = waiting[-(1 << 14) :]
        if waiting:
            self._printed(waiting)
        self._dumped.set()

    async def end(self) -> None:
        """End the process, whatever it does, and close all that belongs to it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._writer.close()
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DUMPED_WITHIN):
                await self._output
        self._output.cancel()
