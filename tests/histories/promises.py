"""By when a broken direction must work again, given what is dead: the bounds, exactly.

hub -> branch
    The forwarder lives: the detection time after the tunnel died, or after the forwarder could know of another one (it
    started; the other tunnel returned; the class became known to it). It alone moves; nobody else is needed.
    The forwarder is dead: nothing is promised before it is back. The kernel goes on as it is.

branch -> hub, whichever comes first
    the hub's way: the forwarder's detection, and then the chain forwarder, controller, relay, ExaBGP, branch, all of
        them alive, connected and not stalled since, over a tunnel whose session stands at both ends;
    the branch's own BFD: its detection time, to another tunnel of which it holds a route, or to its guarded floor;
    the hold timer: 9 s, to another tunnel of which it holds a route.

Two equal best values: the hub's way.

The hub's way is not promised of a dead tunnel of which the branch holds what no process of the hub remembers.
"""

from __future__ import annotations

from histories.controller import Controller
from histories.forwarder import ADOPTING
from histories.situation import HOLD_TIME
from histories.traffic import lowest_held, told_with, verdict_of
from histories.world import World
from policies.model.ids import Prefix, TunnelId

NO_PROMISE = float("inf")
ROUNDING = 0.002
CONFIGURING = 3.0
"""Seconds that a change of configuration may take: withdrawing, reloading, connecting."""


def hub_to_branch(world: World, prefix: Prefix, sources: tuple[str, ...] = ()) -> float:
    """By when packets to this prefix must reach the branch again; `sources` as `Kernel.class_of` has them."""
    forwarder, lines = world.forwarder, world.lines
    name = world.kernel.class_of(str(prefix), sources)
    known = forwarder.classes.get(name)
    if not forwarder.running or known is None or known.active is None:
        return NO_PROMISE
    on, started = TunnelId.parse(known.active), forwarder.running_since
    number = world.every.index(on)
    began = max(lines[on].since, started + ADOPTING, forwarder.known_since.get(name, 0.0))
    began = max(began, world.configured_since)
    began = max(began, forwarder.unknown_until.get(known.active, 0.0))
    by = NO_PROMISE
    for other in known.order:
        tunnel = TunnelId.parse(other)
        if other == known.active or not lines[tunnel].live or other not in forwarder.watched:
            continue
        # One that was not up before the forwarder started has to be heard of first.
        heard_since = lines[tunnel].since if forwarder.state(other) == "up" else max(lines[tunnel].since, started)
        back = heard_since + world.situation.returning[world.every.index(tunnel)]
        detection = world.situation.detection[number]
        by = min(by, max(began, back, forwarder.stalled_until) + detection + ROUNDING)
    return by


def branch_to_hub(world: World, prefix: Prefix) -> float:
    """By when packets of the branch to this prefix must reach the hub again."""
    return min(_by_the_hub(world, prefix), _by_its_own_bfd(world, prefix), _by_its_hold_timer(world, prefix))


def untied(world: World, prefix: Prefix, since: float) -> float:
    """By when two equal best values of the branch must differ again.

    They are told apart as soon as both are seen to be sent: a value that is on its way is not known to be held.
    """
    best = world.branch.best(prefix)
    if any(_forgotten(world, tunnel, prefix) for tunnel in best):
        return NO_PROMISE
    # With the relay dies what it had not yet told: another live tunnel that stands in may meet a value unknown here.
    silent = [tunnel for tunnel in best if not _can_speak(world, tunnel)]
    if silent and all(world.lines[tunnel].live for tunnel in best):
        return NO_PROMISE
    for tunnel in best:
        if world.controller is not None:
            since = max(since, world.controller.speakers[world.process_of(tunnel)].ready_since)
        line = world.lines[tunnel]
        if world.sessions.ends[tunnel].hub_since < line.since:
            since = max(since, line.since + world.sessions.retransmission)
    return max(since + 3 * world.situation.chain + ROUNDING, _by_the_hub(world, prefix))


def _can_speak(world: World, tunnel: TunnelId) -> bool:
    """Whether the relay of the tunnel's process runs, and a controller that there is talks to it."""
    process, controller = world.process_of(tunnel), world.controller
    return world.relays[process].running and (controller is None or controller.speakers[process].ready)


def _by_the_hub(world: World, prefix: Prefix) -> float:
    forwarder, controller, lines = world.forwarder, world.controller, world.lines
    if not forwarder.running or controller is None or not controller.view.forwarder:
        return NO_PROMISE
    configured = set(world.intent.tunnels())
    holding = [tunnel for tunnel, held in world.branch.holds.items() if prefix in held]
    if not configured.issuperset(holding) or prefix not in world.announced():
        return NO_PROMISE
    if any(not lines[tunnel].live and _forgotten(world, tunnel, prefix) for tunnel in holding):
        return NO_PROMISE
    dead = [tunnel for tunnel in holding if not lines[tunnel].live]
    began = max(
        # Also of one that has returned: the branch may have been led to it before it died, and now must be led away.
        [lines[tunnel].died for tunnel in holding]
        # Or that was to be used and died before the branch heard of it.
        + [
            lines[tunnel].died
            for tunnel in configured
            if tunnel in _chosen(controller, prefix) or _was_relied_on(world, controller, tunnel, prefix)
        ]
        + [controller.speakers[world.process_of(tunnel)].ready_since for tunnel in dead]
        + [world.configured_since + CONFIGURING, controller.view_forwarder_since]
        # A session that ended took away what the branch was told before, and the hub starts to tell it anew.
        + [ends.branch_since for ends in world.sessions.ends.values() if ends.branch is None]
    )
    if any(str(tunnel) not in forwarder.states for tunnel in configured):
        return NO_PROMISE
    # A dead tunnel of which nothing is known yet may be chosen, until it is known to be dead. That it came back since
    # does not shorten what the branch waits for.
    unknown = [forwarder.unknown_until[str(tunnel)] for tunnel in configured if forwarder.state(str(tunnel)) != "up"]
    known = max([began, forwarder.running_since, forwarder.stalled_until, *unknown]) + max(world.situation.detection)
    known = max(known, controller.from_forwarder.stalled_until)
    return max(known, _can_be_told_since(world, prefix)) + 3 * world.situation.chain + ROUNDING


def _was_relied_on(world: World, controller: Controller, tunnel: TunnelId, prefix: Prefix) -> bool:
    """Whether a dead tunnel was sent the prefix, and the branch never got it."""
    sent = lowest_held(controller.view.session_of(tunnel), told_with(world, prefix)) is not None
    return sent and not world.lines[tunnel].live and prefix not in world.branch.holds[tunnel]


def _forgotten(world: World, tunnel: TunnelId, prefix: Prefix) -> bool:
    """Whether the branch holds a better value than the hub can know of.

    The relay died before it told; or the controller came after it.
    The relay remembers what was sent, and what was replaced a moment before; a dead one remembers nothing, and one that
    came after the branch's session began knows only what ExaBGP still has. With a tunnel that is removed goes all that
    is known of it, also when it is added again.
    """
    controller, branch = world.controller, world.branch
    if not _can_speak(world, tunnel) and not _is_known(world, tunnel, prefix):
        return True
    if controller is None or branch.heard_at[tunnel] >= max(controller.started, world.configured_since):
        return False
    relay = world.relays[world.process_of(tunnel)]
    if relay.running and max(relay.started, world.configured_since) <= world.sessions.ends[tunnel].branch_since:
        return False
    return not _is_known(world, tunnel, prefix)


def _is_known(world: World, tunnel: TunnelId, prefix: Prefix) -> bool:
    """Whether the controller reckons with what the branch holds from a tunnel."""
    if world.controller is None:
        return True
    known = lowest_held(world.controller.view.session_of(tunnel), told_with(world, prefix))
    return known is not None and known <= world.branch.holds[tunnel][prefix]


def _can_be_told_since(world: World, prefix: Prefix) -> float:
    """Since when the hub could tell the branch of a live tunnel; the earliest of them."""
    controller = world.controller
    since = NO_PROMISE
    leaving, on_chosen = bool(world.configuration.leaving), 0.0
    for tunnel in world.intent.tunnels():
        line, ends = world.lines[tunnel], world.sessions.ends[tunnel]
        speaker = controller.speakers[world.process_of(tunnel)] if controller is not None else None
        relay, exabgp = world.relays[world.process_of(tunnel)], world.exabgps[world.process_of(tunnel)]
        connected = speaker is not None and speaker.ready and exabgp.running and relay.running
        if line.live and ends.hub is not None and ends.hub != ends.branch and tunnel in _chosen(controller, prefix):
            # The branch has ended the session over which it would be told; a reset will say so.
            on_chosen = max(on_chosen, line.since + world.situation.resetting)
        if speaker is None or not (line.live and ends.hub is not None and ends.hub == ends.branch and connected):
            continue
        stalls = [p.stalled_until for p in (speaker.to_relay, speaker.from_relay, relay.to_exabgp, relay.from_exabgp)]
        # A session that is older than the heal has TCP's retransmission to wait for.
        passes = line.since + world.sessions.retransmission if ends.hub_since < line.since else 0.0
        back = max(passes, line.since + world.situation.returning[world.every.index(tunnel)])
        told = max(*stalls, back, ends.hub_since, speaker.ready_since)
        # Out of a tunnel that is about to go there is no waiting, also not for one that TCP has yet to catch up on.
        since = max(0.0 if since == NO_PROMISE else since, told) if leaving else min(since, told)
        if controller is not None and tunnel in _chosen(controller, prefix):
            on_chosen = max(on_chosen, told)
    # The branch is led to where the hub is, also when another tunnel could have told it a little sooner.
    return max(since, on_chosen)


def _chosen(controller: Controller | None, prefix: Prefix) -> list[TunnelId | None]:
    if controller is None:
        return []
    return [verdict_of(decision, prefix).chosen for decision in controller.decisions.values()]


def _by_its_own_bfd(world: World, prefix: Prefix) -> float:
    detection = world.situation.branch_detection
    if detection is None:
        return NO_PROMISE
    for tunnel, line in world.lines.lines.items():
        if not line.live and world.branch.holds[tunnel] and not world.branch.guarded[tunnel]:
            return NO_PROMISE  # BFD never came up since, so nothing tells it that the tunnel is gone again
    dead = [line.since + detection for line in world.lines.lines.values() if not line.live]
    return max([*dead, _elsewhere_since(world, prefix, guarded=world.situation.floor == "bfd")]) + ROUNDING


def _by_its_hold_timer(world: World, prefix: Prefix) -> float:
    dead = [
        max(line.since, 0.0 if line.to_branch else line.to_branch_since, world.sessions.ends[tunnel].branch_since)
        + HOLD_TIME
        for tunnel, line in world.lines.lines.items()
        if not line.live and world.branch.holds[tunnel]
    ]
    told = world.situation.wire + world.situation.router
    return max([*dead, _elsewhere_since(world, prefix, guarded=False)]) + told + ROUNDING


def _elsewhere_since(world: World, prefix: Prefix, *, guarded: bool) -> float:
    """Since when the branch has a live tunnel to fall to by itself: one that it holds, or a guarded floor."""
    branch = world.branch
    by_bgp = [
        max(line.since, world.sessions.ends[tunnel].branch_since)
        for tunnel, line in world.lines.lines.items()
        if line.live and prefix in branch.holds[tunnel]
    ]
    by_floor = [
        max(line.since, branch.guarded_since[tunnel])
        for tunnel, line in world.lines.lines.items()
        if guarded and line.live and branch.guarded[tunnel]
    ]
    return min([*by_bgp, *by_floor], default=NO_PROMISE)
