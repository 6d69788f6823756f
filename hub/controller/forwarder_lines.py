"""What the forwarder says -> events, and what is wanted -> orders. Pure; `docs/reference/sockets.md` has the lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from hub.control.lines import BadLineError, Message
from policies.model.clock import Instant
from policies.model.desired import ClassOrder, Desired
from policies.model.events import (
    ClassChanged,
    ClassGone,
    Event,
    ForwarderConnected,
    LivenessChanged,
    PathAnswered,
    SamplesTaken,
)
from policies.model.health import Samples
from policies.model.ids import TunnelId
from policies.model.intent import Intent, LivenessTimers, ProbeRate, Tunnel
from policies.model.view import ClassView, LivenessState, LivenessView, PathKey

BURST_INTERVAL_MS = 5
_LAST_INSTANT = 1e10
"""Seconds: three centuries."""


def events_of(message: Message) -> Iterator[Event]:
    """The events that a line of the forwarder stands for; lines that only people read give none.

    Raises:
        BadLineError: a field is missing or wrong.
    """
    with understood(message):
        yield from _events_of(message)


@contextmanager
def understood(message: Message) -> Iterator[None]:
    """Read fields of a line of the forwarder in this block.

    Raises:
        BadLineError: one is missing or wrong, as with a forwarder of another version.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise BadLineError(
            f"a line of the forwarder that cannot be understood ({error!r:.200}): {str(message)[:200]}"
        ) from error


def _events_of(message: Message) -> Iterator[Event]:
    match message:
        case {"snapshot": snapshot}:
            yield ForwarderConnected(
                liveness={TunnelId.parse(one["tunnel"]): _liveness(one) for one in snapshot["tunnels"]},
                classes={one["name"]: _class(one) for one in snapshot["classes"]},
                paths={_path_key(p): (TunnelId.parse(p["tunnel"]), _instant(p["at"])) for p in snapshot["paths"]},
            )
        case {"liveness": one}:
            yield LivenessChanged(TunnelId.parse(one["tunnel"]), _liveness(one))
        case {"class": one}:
            yield ClassChanged(_class(one))
        case {"gone": name}:
            yield ClassGone(str(name))
        case {"path": one}:
            branch, version = _path_key(one)
            yield PathAnswered(branch, TunnelId.parse(one["tunnel"]), _instant(one["at"]), version)
        case {"samples": [*found]}:
            yield SamplesTaken(_samples(found))
        case _:
            return


def _instant(value: Any) -> Instant:
    """Raises ValueError for what no clock shows, which could not be told as a date."""
    seconds = float(value)
    if not abs(seconds) <= _LAST_INSTANT:
        raise ValueError(f"{seconds} is no instant")
    return Instant(seconds)


def _path_key(one: Mapping[str, Any]) -> PathKey:
    return str(one["branch"]), int(one.get("version", 4))


def _liveness(one: Mapping[str, Any]) -> LivenessView:
    return LivenessView(LivenessState(one["state"]), _instant(one["since"]), str(one["reason"]), hard=bool(one["hard"]))


def _samples(found: Iterable[Mapping[str, Any]]) -> dict[TunnelId, tuple[Samples, ...]]:
    samples: dict[TunnelId, list[Samples]] = {}
    for one in found:
        samples.setdefault(TunnelId.parse(one["tunnel"]), []).extend(_samples_of(one))
    return {tunnel: tuple(taken) for tunnel, taken in samples.items()}


def _samples_of(one: Mapping[str, Any]) -> Iterator[Samples]:
    """What was found, and apart from it what was taken for lost before."""
    begins, ends, burst = _instant(one["begins"]), _instant(one["ends"]), bool(one.get("burst", False))
    sent, lost = int(one["sent"]), int(one["lost"])
    late, is_last = _seconds(one.get("late_ms", ())), bool(one.get("last", False))
    if not 0 <= lost <= sent:
        raise ValueError(f"{lost} of {sent} probes lost")
    if sent or is_last:
        yield Samples(begins, ends, sent, lost, _seconds(one["rtt_ms"]), burst, ends_burst=burst and is_last)
    if late:
        yield Samples(begins, ends, 0, -len(late), late, burst)


def _seconds(milliseconds: Iterable[Any]) -> tuple[float, ...]:
    found = tuple(float(value) / 1000 for value in milliseconds)
    if not all(0 <= value <= _LAST_INSTANT for value in found):
        raise ValueError("a round trip that no clock shows")
    return found


def _class(one: Mapping[str, Any]) -> ClassView:
    return ClassView(
        name=str(one["name"]),
        branch=str(one["branch"]),
        active=TunnelId.parse(one["active"]) if one["active"] is not None else None,
        order=tuple(TunnelId.parse(name) for name in one["order"]),
        prefixes=tuple(map(_network, one["prefixes"])),
        epoch=int(one["epoch"]),
        since=_instant(one["since"]),
        reason=str(one["reason"]),
        sources=tuple(map(_network, one.get("sources", ()))),
    )


@lru_cache(maxsize=65_536)
def _network(prefix: str) -> IPv4Network | IPv6Network:
    """The same prefixes are told with every move of their class, and reading one takes far longer than knowing it."""
    return ip_network(prefix)


def tunnels_line(intent: Intent) -> Message:
    """The whole set of tunnels to watch."""
    return {"set": "tunnels", "tunnels": [_tunnel(tunnel) for tunnel in intent.tunnels().values()]}


def classes_line(intent: Intent, desired: Desired) -> Message:
    """The whole wanted state of the kernel, and where return-path probes come from."""
    return {
        "set": "classes",
        "classes": [_order(order) for order in desired.classes.values()],
        "unreachable": [str(prefix) for prefix in desired.unreachable],
        "probe": {
            "prefixes": [str(prefix) for prefix in intent.hub.prefixes],
            "prefer": str(intent.hub.router_id),
        },
    }


def order_line(order: ClassOrder) -> Message:
    """One class, new or changed."""
    return {"order": _order(order)}


def look_line(branches: Iterable[str]) -> Message:
    """The branches whose return path is to be watched closely."""
    return {"look": sorted(branches)}


def burst_line(tunnel: TunnelId, probes: int) -> Message:
    """Many health probes over one tunnel, to confirm a suspicion."""
    return {"burst": {"tunnel": str(tunnel), "count": probes, "interval_ms": BURST_INTERVAL_MS}}


def count_line(tunnels: Iterable[TunnelId]) -> Message:
    """The tunnels over which forwarded packets are to be counted."""
    return {"count": sorted(map(str, tunnels))}


def trace_line(tunnel: TunnelId, to: str, mark: int, source: str | None) -> Message:
    """The way to an address is to be traced, as packets of a tunnel with this mark and source go."""
    return {"trace": {"tunnel": str(tunnel), "to": to, "mark": mark, "source": source}}


def is_obeyed(order: ClassOrder, state: ClassView | None) -> bool:
    """Whether the forwarder already has the class as wanted."""
    return (
        state is not None
        and state.active == order.active
        and state.order == order.order
        and set(state.prefixes) == set(order.prefixes)
        and set(state.sources) == set(order.sources)
    )


def _tunnel(tunnel: Tunnel) -> Message:
    return {
        "name": str(tunnel.id),
        "branch": tunnel.id.branch,
        "interface": tunnel.interface,
        "local": str(tunnel.link.hub),
        "remote": str(tunnel.link.branch),
        **({"local6": str(tunnel.link.hub6), "remote6": str(tunnel.link.branch6)} if tunnel.link.branch6 else {}),
        "isp": tunnel.uplink.isp,
        "hub_uplink": tunnel.hub_uplink.name,
        **({} if tunnel.liveness.confirm else {"confirm": False}),
        **({"echo": True} if tunnel.liveness.echo else {}),
        **({"probe": _rate(tunnel.liveness.probe)} if tunnel.liveness.probe is not None else {}),
        "active": _timers(tunnel.liveness.active),
        "idle": _timers(tunnel.liveness.idle),
    }


def _timers(timers: LivenessTimers) -> Message:
    return {
        "method": timers.method.value,
        "interval_ms": timers.interval.total_seconds() * 1000,
        "multiplier": timers.multiplier,
    }


def _rate(rate: ProbeRate) -> Message:
    return {"active_ms": rate.active.total_seconds() * 1000, "idle_ms": rate.idle.total_seconds() * 1000}


def _order(order: ClassOrder) -> Message:
    return {
        "name": order.name,
        "branch": order.branch,
        "prefixes": [str(prefix) for prefix in order.prefixes],
        **({"sources": [str(prefix) for prefix in order.sources]} if order.sources else {}),
        "order": [str(tunnel) for tunnel in order.order],
        "active": str(order.active) if order.active is not None else None,
        "reason": order.reason,
        "based_on_epoch": order.based_on_epoch,
    }
