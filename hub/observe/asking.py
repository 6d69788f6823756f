"""From the configuration to what is asked, by which way, and when in its interval. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.observe.custom import Context
from hub.observe.way import Way
from policies.model.intent import Branch, Hub, Intent, Tunnel
from policies.model.targets import Check, CheckKey, Run
from policies.targets import keys_of, uplink_key

BY_THE_ROUTES = Way()


@dataclass(frozen=True, slots=True)
class Asking:
    """An Asking is a check by one way; `phase`, from 0 to 1, is where in its interval it is asked.

    `context` is there for custom checks only.
    """

    key: CheckKey
    check: Check
    way: Way
    phase: float
    context: Context | None = None


def askings(intent: Intent) -> dict[CheckKey, Asking]:
    """Everything that is asked regularly."""
    every = [*_of_hub(intent.hub)]
    for branch in intent.branches.values():
        every += _of_branch(branch)
    return {asking.key: asking for asking in every}


def changed(
    before: Mapping[CheckKey, Asking], intent: Intent
) -> tuple[dict[CheckKey, Asking], frozenset[CheckKey], frozenset[CheckKey]]:
    """Everything that is asked by this configuration; of what was before, what is not the same; and what is new."""
    after = askings(intent)
    gone = frozenset(key for key, asking in before.items() if after.get(key) != asking)
    return after, gone, frozenset(key for key, asking in after.items() if key in gone or key not in before)


def _of_hub(hub: Hub) -> Iterator[Asking]:
    for uplink in hub.uplinks.values():
        for check in uplink.targets:
            key = uplink_key(hub, uplink, check)
            yield Asking(key, check, Way(uplink.interface), _phase(key, 0, 1))


def _of_branch(branch: Branch) -> Iterator[Asking]:
    tunnels = {tunnel.id.name: tunnel for tunnel in branch.tunnels}
    for check in branch.targets:
        keys = keys_of(branch.name, check, tunnels)
        for position, key in enumerate(keys):
            tunnel = tunnels.get(key.tunnel)
            way = through(tunnel) if tunnel is not None else BY_THE_ROUTES
            context = _context(branch, tunnel, check) if isinstance(check.question, Run) else None
            yield Asking(key, check, way, _phase(key, position, len(keys)), context)


def through(tunnel: Tunnel) -> Way:
    """The way into a tunnel, answered by the same one."""
    return Way(tunnel.interface, tunnel.link.hub)


def _context(branch: Branch, tunnel: Tunnel | None, check: Check) -> Context:
    timeout = check.timing.timeout.total_seconds()
    arguments = check.question.arguments if isinstance(check.question, Run) else ()
    if tunnel is None:
        return Context(branch.name, timeout=timeout, arguments=arguments)
    return Context(
        branch=branch.name,
        tunnel=tunnel.id.name,
        interface=tunnel.interface,
        source=str(tunnel.link.hub),
        address=str(tunnel.link.branch),
        timeout=timeout,
        arguments=arguments,
    )


def _phase(key: CheckKey, position: int, count: int) -> float:
    """Spread over the interval, the same after every restart; the tunnels of one check are evenly apart."""
    start = zlib.crc32(f"{key.place}/{key.check}".encode()) / (1 << 32)
    return (start + position / count) % 1.0
