"""Change ExaBGP's neighbors while it runs, without disturbing the sessions of the others.

Render, let ExaBGP itself validate, withdraw from the neighbors that go, replace the file atomically, `reload`, and then
look: ExaBGP says `done` before it has read anything, and a reload can get lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from hub.bgp.listening import listening, not_listening
from hub.bgp.speaker import NotConnectedError, Speaker
from policies.model.intent import Intent
from speaker.bgp.configuration import Rendering, render
from speaker.bgp.text import Reload, ShowNeighbors

TAKEN_WITHIN = 10.0
"""Seconds until ExaBGP must have the wanted neighbors."""

RELOAD_EVERY = 2.0
LOOK_EVERY = 0.1
VALIDATED_WITHIN = 30.0

TCP_TABLE = Path("/proc/net/tcp")

Peer = tuple[IPv4Address, IPv4Address, int]
"""The branch's address, the hub's address and the branch's AS: what ExaBGP knows a neighbor by."""


class InvalidConfigurationError(Exception):
    """ExaBGP does not accept a configuration; the text is its own reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An Outcome is how a reconfiguration ended; without `problems` ExaBGP has what is wanted.

    `taken` is False when the new configuration was refused, and the one before stays in force.
    """

    problems: tuple[str, ...] = ()
    taken: bool = True


def write_configuration(path: Path, intent: Intent, rendering: Rendering) -> bool:
    """Write ExaBGP's configuration, atomically and only if ExaBGP accepts it; whether it changed.

    Raises:
        InvalidConfigurationError: ExaBGP refuses it; the file is left as it was.
        OSError: the directory cannot be written.
    """
    fresh = prepare(path, intent, rendering)
    if fresh is not None:
        fresh.replace(path)
    return fresh is not None


def prepare(path: Path, intent: Intent, rendering: Rendering) -> Path | None:
    """Write the configuration beside its place, if it differs and ExaBGP accepts it; None when it is there already.

    Raises:
        InvalidConfigurationError: ExaBGP refuses it; nothing is left of it.
        OSError: the directory cannot be written.
    """
    text = render(intent, rendering)
    if path.exists() and path.read_text(encoding="ascii", errors="replace") == text:
        return None
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_text(text, encoding="ascii")
        fresh.chmod(0o644)
        validate(fresh)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def validate(path: Path) -> None:
    """Let ExaBGP judge a configuration.

    Raises:
        InvalidConfigurationError: it refuses, or could not be asked.
    """
    command = [sys.executable, "-m", "exabgp", "validate", str(path)]
    environment = {**os.environ, "exabgp_log_level": "CRITICAL", "exabgp_api_cli": "false"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=VALIDATED_WITHIN, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidConfigurationError(f"ExaBGP could not be asked about {path}: {error}") from error
    if done.returncode != 0:
        raise InvalidConfigurationError(f"ExaBGP refuses {path}: {_reason(done.stderr or done.stdout)}")


def _reason(said: str) -> str:
    """Its reason as one line; of a traceback only the last line, which says what went wrong."""
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    if any(line.startswith("Traceback ") for line in lines):
        return f'it does not run here ({lines[-1][:200]}): install it with pip install "exabgp>=5.0.15,<5.1"'
    return " ".join(lines)[:500] or "it does not say why"


async def reconfigure(
    speaker: Speaker,
    before: Intent,
    intent: Intent,
    rendering: Rendering,
    path: Path,
    tcp_table: Path = TCP_TABLE,
    on_valid: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring a running ExaBGP from one intent to another.

    `on_valid` is called once ExaBGP has accepted the new configuration, before anything changes; the speaker itself is
    given the new intent on the way. When the configuration is refused, nothing changes.
    """
    try:
        fresh = await asyncio.to_thread(prepare, path, intent, rendering)
    except (InvalidConfigurationError, OSError) as error:
        return _untaken(path, error)
    on_valid()
    with contextlib.suppress(NotConnectedError):
        await speaker.retire(frozenset(before.tunnels()) - frozenset(intent.tunnels()))
    try:
        if fresh is not None:
            fresh.replace(path)
    except OSError as error:
        return _untaken(path, error)
    speaker.reconfigure(intent)
    had = await _taken(speaker, peers(intent), reload_first=fresh is not None)
    if had is None:
        # Nobody there to take it: that is another problem, and ExaBGP reads its file when it starts.
        return Outcome()
    return Outcome((*_differing(had, peers(intent)), *_deaf(intent, rendering.port, tcp_table)))


def _untaken(path: Path, error: InvalidConfigurationError | OSError) -> Outcome:
    if isinstance(error, OSError):
        return Outcome((f"{path} cannot be written: {error.strerror}: make room, or make it writable",), taken=False)
    return Outcome((str(error),), taken=False)


async def _taken(speaker: Speaker, wanted: frozenset[Peer], *, reload_first: bool) -> frozenset[Peer] | None:
    """Ask ExaBGP to reload until it has the wanted neighbors; those it has in the end, None if it never answers."""
    loop = asyncio.get_running_loop()
    deadline, reload_at = loop.time() + TAKEN_WITHIN, loop.time() if reload_first else 0.0
    had: frozenset[Peer] | None = None
    while loop.time() < deadline:
        with contextlib.suppress(NotConnectedError):
            if reload_at and loop.time() >= reload_at:
                await speaker.ask(Reload())
                reload_at = loop.time() + RELOAD_EVERY
            had = shown_peers((await speaker.ask(ShowNeighbors())).lines)
            if had == wanted:
                return had
            reload_at = reload_at or loop.time()
        await asyncio.sleep(LOOK_EVERY)
    return had


def _differing(had: frozenset[Peer], wanted: frozenset[Peer]) -> tuple[str, ...]:
    if had == wanted:
        return ()
    left = f"{len(wanted - had)} neighbors missing, {len(had - wanted)} too many"
    return (f"ExaBGP has not taken its new configuration ({left}): look at its log, or restart it",)


def peers(intent: Intent) -> frozenset[Peer]:
    """The neighbors that an intent asks for."""
    return frozenset(
        (tunnel.link.branch, tunnel.link.hub, branch.asn)
        for branch in intent.branches.values()
        for tunnel in branch.tunnels
    )


def shown_peers(lines: tuple[str, ...]) -> frozenset[Peer]:
    """The neighbors in the answer to `show neighbor json`; none when it is no such answer."""
    for line in lines:
        try:
            return frozenset(_shown_peer(shown) for shown in json.loads(line))
        except (ValueError, TypeError, KeyError):
            continue
    return frozenset()


def _shown_peer(shown: dict[str, dict[str, str]]) -> Peer:
    asn = shown["peer"]["as"]
    return IPv4Address(shown["peer"]["address"]), IPv4Address(shown["local"]["address"]), int(asn)


def _deaf(intent: Intent, port: int, tcp_table: Path) -> tuple[str, ...]:
    try:
        return not_listening(intent, port, listening(tcp_table.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return ()
