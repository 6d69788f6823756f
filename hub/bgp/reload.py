"""Change ExaBGP's neighbors while it runs, without disturbing the sessions of the others.

Render a configuration for each process, let ExaBGP itself validate those that changed, withdraw from the neighbors that
go and close them, replace the files atomically, `reload`, and then look: ExaBGP says `done` before it has read
anything, and a reload can get lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from hub.bgp.listening import listening, not_listening
from hub.bgp.passwords import PasswordError, read_passwords, with_passwords
from hub.bgp.questions import NotConnectedError
from hub.bgp.speakers import Speakers, part_of
from hub.control.places import Places
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from speaker.bgp.configuration import BGP_PORT, Rendering, render
from speaker.bgp.neighbors import shown
from speaker.bgp.text import Reload, ShowNeighbors

TAKEN_WITHIN = 10.0
"""Seconds until ExaBGP must have the wanted neighbors."""

RELOAD_EVERY = 2.0
LOOK_EVERY = 0.1
VALIDATED_WITHIN = 30.0

TCP_TABLE = Path("/proc/net/tcp")

PUBLIC, SECRET = 0o644, 0o640
"""The configuration's modes: without and with passwords. The group's are also the most that an access list gives
(acl(5)), by which ExaBGP reads it where it has a user of its own."""

Peer = tuple[IPv4Address, IPv4Address, int]
"""The branch's address, the hub's address and the branch's AS: what ExaBGP knows a neighbor by."""


class InvalidConfigurationError(Exception):
    """ExaBGP does not accept a configuration; the text is its own reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An Outcome is how a reconfiguration ended; without `problems` ExaBGP has what is wanted.

    `taken` is False when the new configuration was refused, and the one before stays in force. `unanswered` are the
    processes of which it is not known whether they have it, because they did not answer.
    """

    problems: tuple[str, ...] = ()
    taken: bool = True
    unanswered: tuple[int, ...] = ()


def prepare(path: Path, intent: Intent, rendering: Rendering, secrets: Path) -> Path | None:
    """Write the configuration beside its place, if it differs and ExaBGP accepts it; None when it is there already.

    `secrets` is the directory of the password files that are not named in full.

    Raises:
        InvalidConfigurationError: ExaBGP refuses it; nothing is left of it.
        PasswordError: a session's password cannot be had.
        OSError: the directory cannot be written.
    """
    text = render(intent, rendering, passwords=read_passwords(intent, secrets))
    mode = SECRET if any(branch.session.password_file for branch in intent.branches.values()) else PUBLIC
    if _holds(path, text, mode):
        return None
    fresh = path.with_name(f"{path.name}.new")
    try:
        _write(fresh, text, mode)
        validate(fresh)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _holds(path: Path, text: str, mode: int) -> bool:
    try:
        same = path.read_text(encoding="ascii", errors="replace") == text
    except FileNotFoundError:
        return False
    return same and (mode != SECRET or path.stat().st_mode & 0o037 == 0)


def _write(path: Path, text: str, mode: int) -> None:
    """Write a fresh file that has its mode before it has anything to hide."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)


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


@dataclass(frozen=True, slots=True)
class Site:
    """A Site is where ExaBGP's processes have their files and listen, and where the kernel shows who listens."""

    places: Places
    python: str = sys.executable
    port: int = BGP_PORT
    tcp_table: Path = TCP_TABLE

    def rendering(self, process: int) -> Rendering:
        """What the configuration of a process needs beside the intent."""
        return Rendering(python=self.python, socket=str(self.places.relay_socket(process)), port=self.port)

    def untaken(self, process: int) -> Path:
        """A file that is there from when the configuration is replaced until ExaBGP is seen to have it."""
        path = self.places.exabgp_config(process)
        return path.with_name(f"{path.name}.untaken")


async def nothing_more() -> None:
    """Nothing is to be done when ExaBGP has accepted a configuration."""


async def reconfigure(
    speakers: Speakers,
    before: Intent,
    intent: Intent,
    site: Site,
    on_valid: Callable[[], Awaitable[None]] = nothing_more,
) -> Outcome:
    """Bring the running ExaBGP processes from one intent to another.

    `on_valid` is awaited once ExaBGP has accepted all new configurations, before anything changes; the speakers
    themselves are given the new intent on the way. When one is refused, nothing changes.
    """
    processes = sorted({*speakers.processes, *intent.processes()})
    try:
        usable, problems = await asyncio.to_thread(_usable, intent, site)
        fresh = await _prepare_all(processes, usable, site)
        for process in fresh:
            site.untaken(process).touch()
    except (InvalidConfigurationError, PasswordError, OSError, ValueError) as error:
        return _refused(error)
    await on_valid()
    ending = ends(before, intent)
    await speakers.retire(ending, ending - frozenset(intent.tunnels()))
    unwritten = _put_in_place(fresh, site)
    speakers.reconfigure(intent)
    losing = {before.tunnels()[tunnel].process for tunnel in ending}
    outcome = await _all_taken(speakers, usable, site, processes, losing)
    _clear_away(speakers, intent, site)
    return replace(outcome, problems=(*problems, *unwritten, *outcome.problems))


def _put_in_place(fresh: Mapping[int, Path], site: Site) -> tuple[str, ...]:
    """Replace the files. What fails now is a problem and no refusal: the rest of the hub has taken the intent."""
    problems = []
    for process, path in fresh.items():
        try:
            path.replace(site.places.exabgp_config(process))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}: make room there, or make it writable")
    return tuple(problems)


def _usable(intent: Intent, site: Site) -> tuple[Intent, tuple[str, ...]]:
    """At a start there is nothing to keep: a branch without its password must not keep the others from BGP."""
    return (intent, ()) if site.places.configured_processes() else with_passwords(intent, site.places.secrets)


def ends(before: Intent, intent: Intent) -> frozenset[TunnelId]:
    """The tunnels whose neighbors go, or get another address, AS, branch or process; one that is only renamed stays.

    So do those with another IPv6 link: what was announced with the old next hop must be said anew. Another branch's
    tunnel is another router's, though both may have the hub's AS.
    """
    after, had, has = set(_neighbors(intent).values()), before.tunnels(), intent.tunnels()
    gone = {tunnel for tunnel, neighbor in _neighbors(before).items() if neighbor not in after}
    other = {tunnel for tunnel in had.keys() & has.keys() if had[tunnel].link.differs_in_ipv6(has[tunnel].link)}
    return frozenset(gone | other)


def _neighbors(intent: Intent) -> dict[TunnelId, tuple[Peer, str, int]]:
    return {
        tunnel.id: ((tunnel.link.branch, tunnel.link.hub, branch.asn), branch.name, tunnel.process)
        for branch in intent.branches.values()
        for tunnel in branch.tunnels
    }


async def _prepare_all(processes: list[int], intent: Intent, site: Site) -> Mapping[int, Path]:
    """The new files beside those that they shall replace; when one is refused, none is left."""
    fresh: dict[int, Path] = {}
    try:
        for process in processes:
            path, rendering = site.places.exabgp_config(process), site.rendering(process)
            prepared = await asyncio.to_thread(prepare, path, part_of(intent, process), rendering, site.places.secrets)
            if prepared is not None:
                fresh[process] = prepared
    except BaseException:
        for path in fresh.values():
            path.unlink(missing_ok=True)
        raise
    return fresh


async def _all_taken(speakers: Speakers, intent: Intent, site: Site, processes: list[int], losing: set[int]) -> Outcome:
    """Let every process take its neighbors: first those that lose some, so that others may listen in their place."""
    problems: list[str] = []
    unanswered: list[int] = []
    for part in ([p for p in processes if p in losing], [p for p in processes if p not in losing]):
        had = await asyncio.gather(*(_taken(speakers, process, intent, site) for process in part))
        for process, found in zip(part, had, strict=True):
            if found is None:
                unanswered.append(process)
            else:
                problems += _differing(process, found, peers(part_of(intent, process)))
    silent = {tunnel for process in unanswered for tunnel in part_of(intent, process).tunnels()}
    problems += _deaf(intent, silent, site)
    if not problems:
        for process in set(processes) - set(unanswered):
            with contextlib.suppress(OSError):
                site.untaken(process).unlink(missing_ok=True)
    return Outcome(tuple(problems), unanswered=tuple(p for p in unanswered if p in intent.processes()))


def _clear_away(speakers: Speakers, intent: Intent, site: Site) -> None:
    """Processes that hold no tunnel any more: without its configuration a process is ended by who supervises it."""
    with contextlib.suppress(OSError):
        for process in {*speakers.processes, *site.places.configured_processes()} - set(intent.processes()):
            speakers.let_go(process)
            path = site.places.exabgp_config(process)
            for file in (path, path.with_name(f"{path.name}.new"), site.untaken(process)):
                file.unlink(missing_ok=True)


def _refused(error: InvalidConfigurationError | PasswordError | OSError | ValueError) -> Outcome:
    if isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}: make room there, or make it readable and writable"
        return Outcome((text,), taken=False)
    return Outcome((str(error),), taken=False)


async def _taken(speakers: Speakers, process: int, intent: Intent, site: Site) -> frozenset[Peer] | None:
    """Ask ExaBGP to reload until it has the wanted neighbors; those it has in the end, None if it never answers."""
    wanted = peers(part_of(intent, process))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TAKEN_WITHIN
    reload_at = loop.time() if site.untaken(process).exists() else 0.0
    had: frozenset[Peer] | None = None
    while loop.time() < deadline:
        with contextlib.suppress(NotConnectedError):
            if reload_at and loop.time() >= reload_at:
                await speakers.ask(process, Reload())
                reload_at = loop.time() + RELOAD_EVERY
            had = shown_peers((await speakers.ask(process, ShowNeighbors())).lines)
            if had == wanted:
                return had
            reload_at = reload_at or loop.time()
        await asyncio.sleep(LOOK_EVERY)
    return had


def _differing(process: int, had: frozenset[Peer], wanted: frozenset[Peer]) -> tuple[str, ...]:
    if had == wanted:
        return ()
    left = f"{len(wanted - had)} neighbors missing, {len(had - wanted)} too many"
    return (f"ExaBGP {process} has not taken its new configuration ({left}): look at its log, or restart it",)


def peers(intent: Intent) -> frozenset[Peer]:
    """The neighbors that an intent asks for."""
    return frozenset(peer for peer, _, _ in _neighbors(intent).values())


def shown_peers(lines: tuple[str, ...]) -> frozenset[Peer]:
    """The neighbors in the answer to `show neighbor json`; none when it is no such answer."""
    return frozenset(shown(lines, _shown_peer) or ())


def _shown_peer(said: dict[str, dict[str, str]]) -> Peer:
    asn = said["peer"]["as"]
    return IPv4Address(said["peer"]["address"]), IPv4Address(said["local"]["address"]), int(asn)


def _deaf(intent: Intent, silent: set[TunnelId], site: Site) -> tuple[str, ...]:
    """The tunnels that nobody listens for, but for those of processes that do not run: that is said already."""
    try:
        table = listening(site.tcp_table.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ()
    return not_listening((t for t in intent.tunnels().values() if t.id not in silent), site.port, table)
