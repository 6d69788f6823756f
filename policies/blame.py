"""blame: what is wrong, told from the pattern of what fails and what does not. Pure.

One thing that fails is one fault: an uplink of the hub that is out is not told once more for every branch behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.targets import Blame, CheckKey, CheckView, Outcome, TargetStanding, Via
from policies.model.view import LivenessState, View
from policies.targets import BranchCheck, branch_checks, complaint, failing_tunnels, subject
from policies.uplinks import UplinkState, UplinkView, uplink_views

DEAD_AFTER = timedelta(minutes=5)
"""How long one external target may be silent, while its uplink is up, before that is told as its own trouble."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class CheckFault:
    """A CheckFault is one thing that is wrong, whose it is, since when, and how to mend it; `key` names it for good."""

    key: str
    blame: Blame
    since: Instant
    text: str
    mend: str


def check_faults(
    intent: Intent, view: View, now: Instant, never_up: Set[TunnelId] = frozenset()
) -> tuple[CheckFault, ...]:
    """All that is wrong by what was asked, the widest first. Tunnels that were never up say nothing of any ISP."""
    uplinks = uplink_views(intent.hub, view, now)
    suspects = _suspects(intent, view)
    failing = {tunnel: words for branch in suspects for tunnel, words in failing_tunnels(branch, view, now).items()}
    tunnels = _once_up(intent, never_up)
    blamed = _blames(intent, tunnels, _troubled(tunnels, view, failing), uplinks)
    since = _since(view)
    return (
        *_uplink_faults(intent, uplinks),
        *_isp_faults(tunnels, blamed, since, now),
        *_tunnel_faults(blamed, failing, since, now),
        *(fault for branch in suspects for fault in _target_faults(branch, view, now)),
        *_dead_targets(uplinks, now),
        *_not_asked(view),
    )


def tunnel_blames(
    intent: Intent, view: View, now: Instant, never_up: Set[TunnelId] = frozenset()
) -> Mapping[TunnelId, Blame]:
    """For every tunnel that is dead or that targets speak against: whose trouble it is.

    `HUB`: the hub itself, as nothing gets through anywhere. `HUB_UPLINK`: the uplink that it goes over. `ISP`: that of
    the branch, under several branches at once. `TUNNEL`: this one alone. One of `never_up`, whose router has yet to be
    set up, is nobody's trouble, and counts neither as hit nor as well.
    """
    tunnels = _once_up(intent, never_up)
    failing = {t: w for branch in _suspects(intent, view) for t, w in failing_tunnels(branch, view, now).items()}
    return _blames(intent, tunnels, _troubled(tunnels, view, failing), uplink_views(intent.hub, view, now))


def _once_up(intent: Intent, never_up: Set[TunnelId]) -> Mapping[TunnelId, Tunnel]:
    tunnels = intent.tunnels()
    return {name: tunnel for name, tunnel in tunnels.items() if name not in never_up} if never_up else tunnels


def _suspects(intent: Intent, view: View) -> list[Branch]:
    """The branches of which something fails: of a thousand most often none."""
    places = {key.place for key, known in view.targets.items() if known.standing is TargetStanding.FAILING}
    return [intent.branches[place] for place in sorted(places) if place in intent.branches]


def _troubled(
    tunnels: Mapping[TunnelId, Tunnel], view: View, failing: Mapping[TunnelId, object]
) -> frozenset[TunnelId]:
    """Dead, or failing. While the forwarder is not there nobody knows what is dead; on what is drained people work."""
    dead = {
        tunnel
        for tunnel, known in view.liveness.items()
        if view.forwarder and known.state is LivenessState.DOWN and tunnel not in view.overridden(tunnel.branch).drained
    }
    if not dead and not failing:
        return frozenset()
    return frozenset((dead | failing.keys()) & tunnels.keys())


def _blames(
    intent: Intent,
    tunnels: Mapping[TunnelId, Tunnel],
    troubled: frozenset[TunnelId],
    uplinks: Mapping[str, UplinkView],
) -> Mapping[TunnelId, Blame]:
    if not troubled:
        return {}
    out = {name for name, known in uplinks.items() if known.state is UplinkState.OUT}
    everything = len(troubled) == len(tunnels) and len({t.branch for t in tunnels}) > 1 and len(intent.hub.uplinks) > 1
    if _itself(uplinks) or (everything and not _some_up(uplinks)):
        return dict.fromkeys(troubled, Blame.HUB)
    silent = out | _silent_uplinks(tunnels, troubled, uplinks)
    isps = _silent_isps(tunnels, troubled)

    def blame(tunnel: Tunnel) -> Blame:
        if tunnel.hub_uplink.name in silent:
            return Blame.HUB_UPLINK
        return Blame.ISP if tunnel.uplink.isp in isps else Blame.TUNNEL

    return {tunnel: blame(tunnels[tunnel]) for tunnel in troubled}


def _silent_uplinks(
    tunnels: Mapping[TunnelId, Tunnel], troubled: frozenset[TunnelId], uplinks: Mapping[str, UplinkView]
) -> set[str]:
    """The uplinks of the hub over which nothing goes, of whatever ISP and branch, unless external targets answer."""
    over: dict[str, list[Tunnel]] = defaultdict(list)
    for tunnel in tunnels.values():
        over[tunnel.hub_uplink.name].append(tunnel)
    return {
        name
        for name, these in over.items()
        if all(tunnel.id in troubled for tunnel in these)
        and len({tunnel.id.branch for tunnel in these}) > 1
        and len({tunnel.uplink.isp for tunnel in these}) > 1
        and not (name in uplinks and uplinks[name].state is UplinkState.UP)
    }


def _silent_isps(tunnels: Mapping[TunnelId, Tunnel], troubled: frozenset[TunnelId]) -> set[str]:
    """The ISPs that trouble more than half of their branches, and two at least."""
    branches: dict[str, set[str]] = defaultdict(set)
    hit: dict[str, set[str]] = defaultdict(set)
    for tunnel in tunnels.values():
        branches[tunnel.uplink.isp].add(tunnel.id.branch)
        if tunnel.id in troubled:
            hit[tunnel.uplink.isp].add(tunnel.id.branch)
    return {isp for isp, these in hit.items() if len(these) > 1 and 2 * len(these) > len(branches[isp])}


def _itself(uplinks: Mapping[str, UplinkView]) -> bool:
    """Whether all uplinks are out at once: not likely two ISPs, but what they have in common."""
    return len(uplinks) > 1 and all(known.state is UplinkState.OUT for known in uplinks.values())


def _some_up(uplinks: Mapping[str, UplinkView]) -> bool:
    return any(known.state is UplinkState.UP for known in uplinks.values())


def _uplink_faults(intent: Intent, uplinks: Mapping[str, UplinkView]) -> Iterator[CheckFault]:
    out = [known for known in uplinks.values() if known.state is UplinkState.OUT]
    if _itself(uplinks):
        names = " and ".join(known.uplink.name for known in out)
        yield CheckFault(
            f"hub:{intent.hub.name}",
            Blame.HUB,
            max(known.since for known in out),
            f"hub: no external target answers by any uplink of the hub ({names}): rather the hub itself than all ISPs",
            "look at the hub's own routes and firewall, and at the power and cables that its uplinks share",
        )
        return
    for known in out:
        uplink = known.uplink
        count = f"{len(known.failing)} of {len(uplink.targets)}"
        yield CheckFault(
            f"uplink:{uplink.name}",
            Blame.HUB_UPLINK,
            known.since,
            f"hub uplink: uplink {uplink.name} of the hub: {count} external targets do not answer",
            f"look at {uplink.interface} (ip route get {uplink.targets[0].name} oif {uplink.interface}), then "
            f"call {uplink.isp}; the branches' tunnels are judged by themselves",
        )


def _isp_faults(
    tunnels: Mapping[TunnelId, Tunnel],
    blamed: Mapping[TunnelId, Blame],
    since: Mapping[TunnelId, Instant],
    now: Instant,
) -> Iterator[CheckFault]:
    if Blame.ISP not in blamed.values():
        return
    isps = {tunnels[tunnel].uplink.isp for tunnel, blame in blamed.items() if blame is Blame.ISP}
    for isp in sorted(isps):
        total = {tunnel.id.branch for tunnel in tunnels.values() if tunnel.uplink.isp == isp}
        hit = [t for t, blame in blamed.items() if blame is Blame.ISP and tunnels[t].uplink.isp == isp]
        yield CheckFault(
            f"isp:{isp}",
            Blame.ISP,
            min(since.get(tunnel, now) for tunnel in hit),
            f"isp: {isp}: {len({t.branch for t in hit})} of the {len(total)} branches with it have trouble on it at "
            "once: the ISP, not their tunnels",
            f"call {isp}; nothing is to be done at the branches",
        )


def _tunnel_faults(
    blamed: Mapping[TunnelId, Blame],
    failing: Mapping[TunnelId, tuple[str, ...]],
    since: Mapping[TunnelId, Instant],
    now: Instant,
) -> Iterator[CheckFault]:
    for tunnel, words in sorted(failing.items()):
        if blamed.get(tunnel) is Blame.TUNNEL:
            text = f"tunnel: {tunnel}: {'; '.join(words)}: the tunnel, not the target"
            mend = "look at the routes and the firewall of the branch's router for this tunnel, and at its MTU"
            yield CheckFault(f"tunnel:{tunnel}", Blame.TUNNEL, since.get(tunnel, now), text, mend)


def _since(view: View) -> Mapping[TunnelId, Instant]:
    """Since when each tunnel that is in trouble is."""
    since = {t: known.since for t, known in view.liveness.items() if known.state is LivenessState.DOWN}
    for key, known in view.targets.items():
        tunnel = key.tunnel_id if known.standing is TargetStanding.FAILING else None
        if tunnel is not None:
            since[tunnel] = min(known.since, since.get(tunnel, known.since))
    return since


def _target_faults(branch: Branch, view: View, now: Instant) -> Iterator[CheckFault]:
    for known in branch_checks(branch, view, now):
        if known.fails_everywhere:
            newest = max(known.failing.values(), key=lambda each: each.since)
            yield CheckFault(
                f"target:{branch.name}/{known.check.name}",
                Blame.TARGET,
                newest.since,
                f"target: {_of(branch, known)} {complaint(known.check, newest)} {_by(known)}",
                "look at the target, and at the network behind the branch's router",
            )


def _of(branch: Branch, known: BranchCheck) -> str:
    head, _, question = subject(known.check).partition(" (")
    return f"{head} of {branch.name}" + (f" ({question}" if question else "")


def _by(known: BranchCheck) -> str:
    names = sorted(known.failing)
    if known.check.via is Via.ACTIVE:
        return "by the tunnel in use"
    if len(names) + len(known.unknown) == 1:
        return f"by {names[0]}, the only tunnel that lives: the target, or that tunnel"
    if known.unknown:
        return f"by {', '.join(names)} (not known by {', '.join(sorted(known.unknown))})"
    return "by any tunnel: the target, not a tunnel"


def _dead_targets(uplinks: Mapping[str, UplinkView], now: Instant) -> Iterator[CheckFault]:
    """External targets that have long been silent where others answer: each once, whatever uplinks ask it."""
    silent: dict[str, dict[str, Instant]] = defaultdict(dict)
    for known in uplinks.values():
        for name, each in known.failing.items() if known.state is UplinkState.UP else ():
            if now - each.since >= DEAD_AFTER.total_seconds():
                silent[name][known.uplink.name] = each.since
    for name, by in sorted(silent.items()):
        yield CheckFault(
            f"target:hub/{name}",
            Blame.TARGET,
            min(by.values()),
            f"target: external target {name} does not answer by {', '.join(sorted(by))}, while others do: the target, "
            "not an uplink; it changes nothing",
            "write another one in its place in network.yaml",
        )


def _not_asked(view: View) -> Iterator[CheckFault]:
    """What cannot be asked, each reason once: a thousand checks may have the same."""
    reasons: dict[tuple[str, str], list[tuple[CheckKey, CheckView]]] = defaultdict(list)
    in_vain = ((k, v) for k, v in view.targets.items() if v.last is Outcome.UNKNOWN and v.run >= v.timing.fall)
    for key, known in sorted(in_vain, key=lambda found: found[0]):
        reasons[known.text, known.mend].append((key, known))
    for (text, mend), which in reasons.items():
        names = [f"{key.place}/{key.check}{f' by {key.tunnel}' if key.tunnel else ''}" for key, _ in which]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield CheckFault(
            f"check:{text}",
            Blame.CHECK,
            min(known.since for _, known in which),
            f"check: {', '.join(names[:_NAMED])}{more}: not known: {text}",
            mend,
        )
