"""What the forwarder says to whoever is connected; see docs/reference/sockets.md."""

from __future__ import annotations

from hub.control.lines import Message
from hub.forwarder.classes import ForwardingClass, Refusal
from hub.forwarder.liveness.model import LivenessReport, ProbeRate, Timers, TunnelSpec, Version
from hub.forwarder.problems import Problem


def seconds(nanoseconds: int) -> float:
    """An instant as the sockets have it."""
    return nanoseconds / 1e9


def liveness(report: LivenessReport) -> Message:
    """`LIVENESS` of the reference."""
    return {
        "tunnel": report.tunnel,
        "state": report.state,
        "since": seconds(report.since_ns),
        "hard": report.hard,
        "reason": report.reason,
        "rtt_ms": None if report.rtt_ns is None else report.rtt_ns / 1e6,
        "last_heard": None if report.last_heard_ns is None else seconds(report.last_heard_ns),
    }


def class_state(each: ForwardingClass, nexthop: int, *, installed: bool) -> Message:
    """`STATE` of the reference."""
    return {
        "name": each.name,
        "branch": each.branch,
        "active": each.active,
        "order": list(each.order),
        "prefixes": each.prefixes,
        **({"sources": each.sources} if each.sources else {}),
        "epoch": each.epoch,
        "since": seconds(each.since_ns),
        "reason": each.reason,
        "nexthop": nexthop,
        "installed": installed,
    }


def path(branch: str, tunnel: str, at_ns: int, version: Version) -> Message:
    """`PATH` of the reference."""
    return {"branch": branch, "tunnel": tunnel, "at": seconds(at_ns), "version": version}


def problem(each: Problem) -> Message:
    """`PROBLEM` of the reference."""
    return {"key": each.key, "text": each.text, "mend": each.mend}


def refused(refusal: Refusal) -> Message:
    """An order that is not obeyed."""
    return {"refused": {"class": refusal.name, "why": refusal.why, "epoch": refusal.epoch}}


def tunnel(spec: TunnelSpec) -> Message:
    """`TUNNEL` of the reference, for the state file."""
    return {
        "name": spec.name,
        "branch": spec.branch,
        "interface": spec.interface,
        "local": spec.local,
        "remote": spec.remote,
        **({"local6": spec.local6, "remote6": spec.remote6} if spec.remote6 else {}),
        "isp": spec.isp,
        "hub_uplink": spec.hub_uplink,
        **({} if spec.confirm else {"confirm": False}),
        **({"echo": True} if spec.echo else {}),
        **({"probe": _rate(spec.probe)} if spec.probe else {}),
        "active": _timers(spec.active),
        "idle": _timers(spec.idle),
    }


def _timers(timers: Timers) -> Message:
    return {
        "method": timers.method,
        "interval_ms": timers.interval_ns / 1e6,
        "multiplier": timers.multiplier,
    }


def _rate(rate: ProbeRate) -> Message:
    return {"active_ms": rate.active_ns / 1e6, "idle_ms": rate.idle_ns / 1e6}
