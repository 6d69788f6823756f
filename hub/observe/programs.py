"""Custom checks: programs of the operator's own, each in a process group that does not outlive its timeout.

Exit status 0 is fine, 3 is not known, any other is not fine, as monitoring plugins have it
(https://www.monitoring-plugins.org/doc/guidelines.html#AEN78). The first line of the output says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import IO

from hub.observe.answer import Answer, CannotAskError, failed
from policies.model.targets import Outcome, Run

LARGEST_OUTPUT = 4096
"""Bytes of output that are kept; the rest is read and dropped, so that nobody waits for us."""
LONGEST_TEXT = 200
_UNKNOWN, _NOT_EXECUTABLE, _NOT_FOUND = 3, 126, 127
_NICE = 10
_MEGABYTE = 1 << 20
_MEMORY, _FILE_SIZE = 4096 * _MEGABYTE, 64 * _MEGABYTE
_ROOT = Path(__file__).parents[2]
_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def run(
    question: Run,
    directories: Sequence[Path],
    environment: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109
    threads: Executor,
) -> Answer:
    """Run a check to its end or its timeout; afterwards nothing of its process group is left.

    It runs in the first of the directories that has its file.

    Raises:
        CannotAskError: it cannot be started.
    """
    began = time.monotonic()
    starting = threads.submit(_start, question, directories, environment)
    try:
        process = await asyncio.shield(asyncio.wrap_future(starting))
    except asyncio.CancelledError:
        if not starting.cancel():
            starting.add_done_callback(_end_late)
        raise
    output, errors = _Output(process.stdout), _Output(process.stderr)
    try:
        _narrow(process.pid, timeout)
        ended = await _ends(process, timeout - (time.monotonic() - began))
    except asyncio.CancelledError:
        threads.submit(process.wait)
        raise
    finally:
        _kill(process)
        output.finish()
        errors.finish()
    if ended:
        return answer_of(process.wait(), output.text, errors.text, time.monotonic() - began)
    threads.submit(process.wait)
    return failed(f"it did not end in {timeout:g} s and was killed")


def answer_of(status: int, output: str, errors: str, took: float) -> Answer:
    """What an exit status and the output mean; a negative status is the signal that killed it (subprocess)."""
    said = first_line(output) or last_line(errors)
    if status == 0:
        return Answer(Outcome.ANSWERED, took, first_line(output))
    if status < 0:
        with contextlib.suppress(ValueError):
            return Answer(Outcome.UNKNOWN, text=f"killed by {signal.Signals(-status).name}", mend="mend the check")
        return Answer(Outcome.UNKNOWN, text=f"killed by signal {-status}", mend="mend the check")
    if status in (_UNKNOWN, _NOT_EXECUTABLE, _NOT_FOUND):
        return Answer(Outcome.UNKNOWN, text=said or f"exit status {status}", mend="mend the check")
    return failed(said or f"exit status {status}")


def first_line(output: str) -> str:
    """The first line that is not empty, of printable characters, without a plugin's performance data."""
    for line in output.splitlines():
        plain = "".join(char for char in line.partition("|")[0] if char.isprintable()).strip()
        if plain:
            return plain[:LONGEST_TEXT]
    return ""


def last_line(output: str) -> str:
    """The last such line: of a traceback, the error."""
    return next((line for text in reversed(output.splitlines()) if (line := first_line(text))), "")


def place_of(file: str, directories: Sequence[Path]) -> Path:
    """Where a check runs: the first directory that has its file; a program of the system runs in the last."""
    own = [] if Path(file).is_absolute() else [place for place in directories if (place / file).exists()]
    return next(iter(own), directories[-1])


def _start(question: Run, directories: Sequence[Path], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    directory = place_of(question.file, directories)
    path = directory / question.file
    command = [str(path), *question.arguments]
    added = {}
    if question.python:
        command = [sys.executable, "-P", "-m", "hub.observe.python_check", *command]
        added["PYTHONPATH"] = str(_ROOT)
    if not os.access(path, os.R_OK if question.python else os.X_OK):
        there = path.exists()
        text = f"{path} cannot be {'read' if question.python else 'executed'}" if there else f"there is no file {path}"
        raise CannotAskError(text, f"ls -l {path}; the controller's user must be able to")
    # Who waits for it may be killed: nothing of ours is to go on without us.
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "KILL"] if setpriv is not None else []
    try:
        return subprocess.Popen(
            [*guard, *command],
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env={"PATH": _SAFE_PATH, "LANG": "C.UTF-8", **environment, **added},
            start_new_session=True,
        )
    except OSError as error:
        raise CannotAskError(f"{path} cannot be started: {error.strerror}", f"run {path} by hand") from error


def _end_late(starting: Future[subprocess.Popen[bytes]]) -> None:
    """It was given up while it was being started; this is done in the thread that started it."""
    if not starting.cancelled() and starting.exception() is None:
        with starting.result() as process:  # which waits for it and closes its pipes
            _kill(process)


def _narrow(process: int, timeout: float) -> None:
    """A check is less important than anything here, and cannot take the whole machine."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(timeout) + 1,
        resource.RLIMIT_AS: _MEMORY,
        resource.RLIMIT_FSIZE: _FILE_SIZE,
    }
    with contextlib.suppress(OSError):  # it may have ended already
        os.setpriority(os.PRIO_PGRP, process, _NICE)
        for limit, most in limits.items():
            resource.prlimit(process, limit, (most, most))


async def _ends(process: subprocess.Popen[bytes], patience: float) -> bool:
    """Whether it ends within so many seconds; it is not reaped, so that its process group keeps its number."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(max(patience, 0.0)):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: also what a check has left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class _Output:
    """An _Output is what a check writes to one pipe: the beginning is kept, the rest is read all the same."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._listening = stream is not None
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            asyncio.get_running_loop().add_reader(stream.fileno(), self._read)

    def finish(self) -> None:
        """Read what is there, and close; who still holds the other end is not waited for."""
        while self._listening and len(self._kept) < LARGEST_OUTPUT and self._read():
            pass
        self._silence()
        if self._stream is not None:
            self._stream.close()

    @property
    def text(self) -> str:
        """What was kept."""
        return self._kept.decode(errors="replace")

    def _read(self) -> bool:
        if self._stream is None:
            return False
        try:
            data = os.read(self._stream.fileno(), LARGEST_OUTPUT)
        except BlockingIOError:
            return False
        self._kept += data[: LARGEST_OUTPUT - len(self._kept)]
        if not data:
            self._silence()
        return bool(data)

    def _silence(self) -> None:
        if self._listening and self._stream is not None:
            self._listening = False
            asyncio.get_running_loop().remove_reader(self._stream.fileno())
