"""b and e: when it is quiet both directions agree, and the end does not depend on the history."""

from __future__ import annotations

from histories.world import World
from policies.announced import announced_to
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Tunnel
from policies.preference import standing_med
from policies.ranking import standing_order

Values = dict[TunnelId, dict[Prefix, int]]


def differences(world: World) -> list[str]:
    """What is not yet as it must be in the end; empty when the world is settled and right."""
    return [*_running(world), *_kernel(world), *_values(world), *_uses(world), *_ledger(world)]


def _running(world: World) -> list[str]:
    controller = world.controller
    if controller is None or not controller.view.forwarder:
        return ["the controller does not hear the forwarder"]
    return [f"ExaBGP {n} is not heard" for n, speaker in controller.speakers.items() if not speaker.ready]


def leader(world: World) -> TunnelId | None:
    """The tunnel that must carry: the live one that the standing order has first."""
    (branch,) = world.intent.branches.values()
    live = [tunnel.id for tunnel in _preferred(world, branch) if world.lines[tunnel.id].live]
    return next(iter(sorted(live, key=lambda tunnel: _unfit(world, branch, tunnel))), None)


def _preferred(world: World, branch: Branch) -> list[Tunnel]:
    """As they are written, what an operator switched to before them, what is about to go behind."""
    order = list(standing_order(branch))
    return sorted(order, key=lambda tunnel: (tunnel.id in branch.leaving, tunnel.id != world.judged.switched))


def _unfit(world: World, branch: Branch, tunnel: TunnelId) -> int:
    """The worse, the later it carries."""
    if tunnel in branch.leaving:
        return 3
    return 2 if tunnel in world.judged.drained else int(tunnel in world.judged.degraded)


def _kernel(world: World) -> list[str]:
    """Each prefix of the branch goes by the first live tunnel over which it is announced."""
    (branch,) = world.intent.branches.values()
    wrong = []
    for prefix in branch.prefixes:
        over = {world.every[number] for number in world.heard.get(prefix, ())}
        live = [t.id for t in _preferred(world, branch) if t.id in over and world.lines[t.id].live]
        live.sort(key=lambda tunnel: _unfit(world, branch, tunnel))
        if not live:
            continue
        tunnel = world.kernel.tunnel_of(str(prefix))
        if tunnel != str(live[0]):
            wrong.append(f"the kernel sends {prefix} over {tunnel}, not {live[0]}")
        name = world.kernel.routes.get(str(prefix), "")
        known = world.forwarder.classes.get(name)
        order = [t for t in (known.order if known else ()) if world.lines[TunnelId.parse(t)].live]
        if order != [str(tunnel) for tunnel in live]:
            wrong.append(f"the order of {name} is {order}, not {[str(tunnel) for tunnel in live]}")
    unknown = set(world.kernel.routes) - {str(prefix) for prefix in branch.prefixes}
    if unknown:
        wrong.append(f"the kernel still has {sorted(unknown)}")
    return wrong


def _values(world: World) -> list[str]:
    """While all is well every tunnel has its standing value; else all but the leader, whose may be lower."""
    (branch,) = world.intent.branches.values()
    wanted = set(announced_to(world.intent.hub, branch))
    announce = branch.policy.announce
    judged = world.judged
    standing = {
        t.id: standing_med(announce, n, degraded=t.id in judged.degraded, drained=t.id in judged.drained)
        for n, t in enumerate(_preferred(world, branch))
    }
    all_live = all(world.lines[tunnel].live for tunnel in standing)
    first = leader(world)
    wrong = []
    for tunnel, held in world.branch.holds.items():
        if tunnel not in standing or not world.lines[tunnel].live:
            if held:
                wrong.append(f"the branch still holds {held} of {tunnel}")
            continue
        if set(held) != wanted:
            wrong.append(f"the branch holds {[str(p) for p in held]} of {tunnel}, not {[str(p) for p in wanted]}")
        # Where the best of its kind is not the leader, as it is about to go, the leader stays below it.
        exact = (all_live and first is not None and standing[first] == min(standing.values())) or tunnel != first
        if any((m != standing[tunnel]) if exact else (m > standing[tunnel]) for m in held.values()):
            wrong.append(f"the branch holds {sorted(set(held.values()))} of {tunnel}, not {standing[tunnel]}")
    return wrong


def _uses(world: World) -> list[str]:
    first, (branch,) = leader(world), world.intent.branches.values()
    if first is None:
        return []
    used = {prefix: world.branch.uses(prefix) for prefix in announced_to(world.intent.hub, branch)}
    return [f"the branch sends {prefix} over {over}, not {first}" for prefix, over in used.items() if over != [first]]


def _ledger(world: World) -> list[str]:
    if world.controller is None:
        return []
    (branch,) = world.intent.branches.values()
    decision = world.controller.decisions.get(branch.name)
    if decision is None:
        return ["nothing is decided"]
    wrong = []
    for speaker in world.controller.speakers.values():
        for tunnel in speaker.tunnels:
            address = speaker.address_of(tunnel)
            if speaker.ledger.is_up(address) and not speaker.ledger.settled(address):
                wrong.append(f"the ledger is not settled with {tunnel}")
        if speaker.ledger.outstanding:
            wrong.append("commands are unanswered")
    for tunnel, said in decision.announcements.items():
        held = {prefix: announcement.med for prefix, announcement in said.items()}
        if world.lines[tunnel].live and world.branch.holds[tunnel] != held:
            wrong.append(f"{tunnel} is announced {held}, and the branch holds {world.branch.holds[tunnel]}")
    return wrong
