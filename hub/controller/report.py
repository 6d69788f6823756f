"""The report: all that `status` and `why` show, as plain data. Pure; the renderers show it as text or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from shlex import quote
from typing import Any

from hub.control.places import SYSTEM_CONFIG, SYSTEM_STATE
from hub.controller.made_report import made_report
from hub.controller.missing_interfaces import interface_fault, missing_by_the_machine
from hub.controller.moments import at_second, moment
from hub.controller.off_preferred_report import off_preferred_report
from hub.controller.signs import Gap
from hub.controller.target_report import targets_report, trouble_of, uplinks_report
from hub.controller.told_report import told_report
from hub.overrides.report import branch_overrides, drained_report
from policies.forwarding import carrying, tunnels_by_prefix
from policies.model.clock import NEVER, Instant, Now
from policies.model.health import HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.outer_path import OuterPath
from policies.model.overrides import NO_OVERRIDES, Drain, Overrides
from policies.model.targets import Blame
from policies.model.verdicts import Verdict
from policies.model.view import ClassView, LivenessState, PathSeen, SessionState, View
from policies.off_preferred import Carried
from policies.ranking import standing_order

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A Surroundings is what the adapters know beside the view: what troubles them, what they counted and measured.

    `config` and `state` are the hub's directories.
    """

    config: str
    started: Instant
    state: str = str(SYSTEM_STATE)
    problems: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[Mapping[str, str], ...] = ()
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refusals: Mapping[TunnelId, Mapping[str, int]] = field(default_factory=dict)
    overrides: Overrides = NO_OVERRIDES
    drained: Mapping[TunnelId, tuple[Drain, ...]] = field(default_factory=dict)
    """By which drains each tunnel is drained now; `overrides` are those in force now."""
    carried: Mapping[TunnelId, Carried] = field(default_factory=dict)
    """What metered tunnels carried since a better one was well."""
    blamed: Mapping[TunnelId, Blame] = field(default_factory=dict)
    """Whose trouble it is, of every tunnel that is in trouble."""
    gaps: Mapping[TunnelId, Gap] = field(default_factory=dict)
    """The last time that each tunnel did not answer."""
    made: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the provisioner knows of each tunnel and uplink, by its name."""
    paths: Mapping[TunnelId, OuterPath] = field(default_factory=dict)
    """The ways of the tunnels' outer packets, as last traced."""
    connected: frozenset[TunnelId] = frozenset()
    """The tunnels that were ever up."""


def network_report(
    intent: Intent, view: View, verdicts: Mapping[str, Verdict], around: Surroundings, now: Now
) -> Report:
    """The state of the whole hub, for `status`."""
    # That an interface is not there is no news where the provisioner says what keeps it from being made.
    hindered = (facts for facts in around.made.values() if "hindered" in facts)
    told_elsewhere = {f"check:interface:{facts.get('interface')}" for facts in hindered}
    told_elsewhere.update(missing_by_the_machine(intent, around.problems))
    return {
        "network": intent.network,
        "hub": intent.hub.name,
        "config": around.config,
        "at": now.wall.isoformat(timespec="milliseconds"),
        "up_for": round(now.monotonic - around.started, 1),
        "forwarder": view.forwarder,
        "speaker": view.speakers >= set(intent.processes()),
        "uplinks": uplinks_report(intent, view, now.monotonic),
        "branches": [
            branch_report(branch, view, verdicts.get(name), around, now) for name, branch in intent.branches.items()
        ],
        "problems": [
            {"key": key, "text": text, "mend": mend}
            for key, (text, mend) in sorted(around.problems.items())
            if key not in told_elsewhere
        ],
        "refused": [dict(one) for one in around.refused],
        "counters": dict(sorted(around.counters.items())),
    }


def branch_report(branch: Branch, view: View, verdict: Verdict | None, around: Surroundings, now: Now) -> Report:
    """The state of one branch, for `status` and `why`."""
    forwarding = carrying(branch, view)
    seen = [
        path
        for version in branch.versions
        if (path := view.paths.get((branch.name, version))) is not None and path.is_fresh(now.monotonic)
    ]
    # Of both IP versions the one that was asked last without an answer; during a move they may differ.
    uses = min(seen, key=lambda path: path.at, default=None)
    active = forwarding.active if forwarding is not None else None
    reachable = any(view.liveness_of(tunnel.id).state is not LivenessState.DOWN for tunnel in branch.tunnels)
    return {
        "branch": branch.name,
        "as": branch.asn,
        "bgp": branch.session.kind.value,
        "policy": branch.policy.name,
        "mode": branch.mode.value,
        "on": active.name if active is not None and reachable else None,
        "reachable": reachable,
        "connected": reachable or any(_was_there(tunnel, view, around) for tunnel in branch.tunnels),
        "router_print": _router_print(branch, around),
        "since": moment(forwarding.since, now) if forwarding is not None else None,
        "preferred": standing_order(branch)[0].id.name if branch.tunnels else None,
        **_decided(verdict),
        "by_hub_prefix": [_steered_report(other) for other in (verdict.others if verdict is not None else ())],
        "tunnels": [_tunnel_report(tunnel, view, verdict, around, now) for tunnel in standing_order(branch)],
        "uses": _used(uses, now) if uses is not None and reachable else None,
        "hears": _hears(branch, view, now),
        "targets": targets_report(branch, view, now.monotonic),
        "kernel": [
            {
                "class": c.name,
                "from": [str(source) for source in c.sources],
                "prefixes": [str(p) for p in c.prefixes],
                "active": str(c.active) if c.active is not None else None,
                "order": [t.name for t in c.order],
                "epoch": c.epoch,
                "reason": c.reason,
                "since": moment(c.since, now),
            }
            for c in view.classes_of(branch.name)
        ],
        "overrides": branch_overrides(branch.name, around.overrides, around.drained, now),
        "failback_until": _failback(branch, around.overrides, now),
        "off_preferred": off_preferred_report(
            branch, view, around.overrides, around.drained, around.carried, around.problems, now
        ),
        "shared_fate": _shared_fate(branch, around.problems),
        "next": _next(verdict, now),
    }


def _was_there(tunnel: Tunnel, view: View, around: Surroundings) -> bool:
    """Whether the branch's router was ever at the other end of this tunnel, by anything that is known."""
    peer = around.measured.get(str(tunnel.id), {}).get("wg")
    shook = peer is not None and peer["handshake_at"] is not None
    return shook or tunnel.id in around.connected or view.session_of(tunnel.id).state is SessionState.UP


def _router_print(branch: Branch, around: Surroundings) -> str:
    """The command that prints the branch's end, of this hub's files where they are not the system's."""
    words = [f"pointsman router print {branch.name}"]
    words += [f"--config {quote(around.config)}"] if around.config != str(SYSTEM_CONFIG) else []
    words += [f"--state-dir {quote(around.state)}"] if around.state != str(SYSTEM_STATE) else []
    return " ".join(words)


def _shared_fate(branch: Branch, problems: Mapping[str, tuple[str, str]]) -> list[Report]:
    """Why its tunnels are not as independent as they look."""
    mine = {key: told for key, told in problems.items() if key.startswith(f"shared-fate:{branch.name}:")}
    return [{"text": text, "mend": mend} for _, (text, mend) in sorted(mine.items())]


def _decided(verdict: Verdict | None) -> Report:
    """What was decided, and why."""
    if verdict is None:
        undecided: Report = {"chosen": None, "reason": "not decided yet", "detail": "", "ranking": []}
        return {**undecided, "survivor": False, "rule": ""}
    return {
        "chosen": verdict.chosen.name if verdict.chosen is not None else None,
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "ranking": [
            {"tunnel": place.tunnel.name, "is": place.usability, "standing": place.standing + 1}
            for place in verdict.ranking
        ],
        "survivor": verdict.survivor,
        "rule": verdict.rule,
    }


def verdict_report(verdict: Verdict | None, forwarding: ClassView | None, now: Now) -> Report:
    """What was decided for the traffic of one class, and where that goes since when."""
    active = forwarding.active if forwarding is not None else None
    since = moment(forwarding.since, now) if forwarding is not None else None
    return {"on": active.name if active is not None else None, "since": since, **_decided(verdict)}


def _path(path: OuterPath | None, now: Now) -> Report | None:
    """Who answered on the way to the far end, the hub's end first; None where it was not traced."""
    if path is None:
        return None
    trace = path.trace
    return {"to": trace.to, "hops": list(trace.hops), "reached": trace.reached, "traced": moment(path.at, now)}


def _tunnel_report(tunnel: Tunnel, view: View, verdict: Verdict | None, around: Surroundings, now: Now) -> Report:
    liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
    measured, up = around.measured.get(str(tunnel.id), {}), session.state is SessionState.UP
    return {
        "tunnel": tunnel.id.name,
        "interface": tunnel.interface,
        "isp": tunnel.uplink.isp,
        "kind": tunnel.uplink.kind,
        "metered": tunnel.uplink.metered,
        "hub_uplink": tunnel.hub_uplink.name,
        "link": f"{tunnel.link.hub} - {tunnel.link.branch}",
        "link_ipv6": f"{tunnel.link.hub6} - {tunnel.link.branch6}" if tunnel.link.hub6 is not None else None,
        "exabgp": tunnel.process,
        "liveness": liveness.state.value,
        "method": tunnel.liveness.active.method.value,
        "confirm": tunnel.liveness.confirm,
        "echo": tunnel.liveness.echo,
        "since": moment(liveness.since, now) if liveness.since != NEVER else None,
        "reason": liveness.reason,
        "trouble_of": trouble_of(tunnel, around.blamed.get(tunnel.id)),
        "health": _health_report(view.health_of(tunnel.id), now),
        "rtt_ms": measured.get("rtt_ms") if liveness.state is LivenessState.UP else None,
        "wg": _peer(measured.get("wg"), around.gaps.get(tunnel.id), now),
        "mtu": measured.get("mtu"),
        "path": _path(around.paths.get(tunnel.id), now),
        "made": made_report(around.made.get(str(tunnel.id), {}), now),
        "interface_fault": interface_fault(tunnel, around.problems),
        "session": session.state.value,
        "session_since": moment(session.since, now) if session.since != NEVER else None,
        "session_reason": session.reason,
        "med": _sent_med(session.sent.values()) if up else None,
        "med_wanted": verdict.told.get(tunnel.id) if verdict is not None else None,
        "announced": [str(prefix) for prefix in session.sent] if up else [],
        "told": told_report(session),
        "told_at": moment(session.sent_at, now) if up and session.sent_at != NEVER else None,
        "held_med": session.lowest_held,
        "refused": dict(around.refusals.get(tunnel.id, {})),
        "drained": drained_report(around.drained.get(tunnel.id, ()), now),
    }


def _used(path: PathSeen, now: Now) -> Report:
    return {"tunnel": path.tunnel.name, "since": moment(path.since, now), "seen": moment(path.at, now)}


NEAR = 60.0
"""Seconds between a gap's end and the moment at which another endpoint was seen, for the one to be of the other: it is
looked for every few seconds, and a branch's router may take its time."""


def _gap(at: float, gap: Gap | None) -> float | None:
    """How long the tunnel did not answer when its far end moved, in seconds; None where no gap was seen."""
    return None if gap is None or abs(at - gap.ended) > NEAR else round(gap.ended - gap.began, 3)


def _peer(peer: Mapping[str, Any] | None, gap: Gap | None, now: Now) -> Report | None:
    """The WireGuard peer: its last handshake, from where it sends, and since when, and from where before."""
    if peer is None:
        return None
    at = peer["handshake_at"]
    ago = None if at is None else round(now.wall.timestamp() - at, 1)
    when = None if ago is None else now.wall - timedelta(seconds=ago)
    handshake = None if when is None else {"at": when.isoformat(timespec="seconds"), "ago": ago}
    roamed, moved = peer.get("roamed"), None
    if roamed is not None:
        at = Instant(roamed["at"])
        moved = {"from": roamed["from"], "since": moment(at, now), "gap": _gap(at, gap)}
    return {"handshake": handshake, "endpoint": peer["endpoint"], "roamed": moved}


def _failback(branch: Branch, overrides: Overrides, now: Now) -> str | None:
    """Until when the word to go back counts, where one was said."""
    words = [until for name, until in overrides.failback if name == branch.name]
    return max(words).astimezone(now.wall.tzinfo).isoformat(timespec="seconds") if words else None


def _steered_report(verdict: Verdict) -> Report:
    """What was decided for the traffic of a hub prefix that a rule names."""
    return {
        "from": [str(prefix) for prefix in verdict.sources],
        "rule": verdict.rule,
        "on": verdict.active.name if verdict.active is not None else None,
        "chosen": verdict.chosen.name if verdict.chosen is not None else None,
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "ranking": [{"tunnel": place.tunnel.name, "is": place.usability} for place in verdict.ranking],
    }


def _health_report(health: HealthView, now: Now) -> Report:
    """What is believed of a tunnel's health, and by which figures."""
    figures = health.figures
    suppressed = health.suppressed_until > now.monotonic
    return {
        "state": health.state.value,
        "since": moment(health.since, now) if health.since != NEVER else None,
        "reason": health.reason,
        "loss": figures.loss,
        "rtt_ms": _milliseconds(figures.rtt),
        "jitter_ms": _milliseconds(figures.jitter),
        "usual_rtt_ms": _milliseconds(health.usual_rtt),
        "penalty": round(health.penalty, 2),
        "suppressed_until": moment(health.suppressed_until, now) if suppressed else None,
        "failing": list(health.failing),
        "hints": [{"hint": hint.text, "since": moment(hint.since, now)} for hint in health.hints],
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _sent_med(sent: Any) -> int | None:
    return min((said.med for said in sent), default=None)


def _hears(branch: Branch, view: View, now: Now) -> list[Report]:
    def over(tunnel: TunnelId, prefix: Any) -> Report:
        heard = view.session_of(tunnel).heard.get(prefix)
        held = heard.held_since if heard is not None else None
        remembered = heard is None
        return {
            "tunnel": tunnel.name,
            "held": held is not None or remembered,
            "held_since": moment(held, now) if held is not None else None,
            "since": moment(heard.since, now) if heard is not None else None,
        }

    found = tunnels_by_prefix(branch, view, now.monotonic)
    return [
        {"prefix": str(prefix), "by": [over(tunnel, prefix) for tunnel in sorted(tunnels)]}
        for prefix, tunnels in sorted(found.items(), key=lambda item: str(item[0]))
    ]


def _next(verdict: Verdict | None, now: Now) -> Report | None:
    if verdict is None or verdict.next_at is None or not verdict.next:
        return None
    return {"what": verdict.next, "at": at_second(verdict.next_at, now)}
