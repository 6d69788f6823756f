"""b and e: when it is quiet both directions agree, and the end does not depend on the history."""

from __future__ import annotations

from histories.traffic import Traffic, all_traffic, named
from histories.world import World
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch
from policies.model.verdicts import Reason
from policies.preference import standing_med


def differences(world: World) -> list[str]:
    """What is not yet as it must be in the end; empty when the world is settled and right."""
    return [*_running(world), *_kernel(world), *_values(world), *_uses(world), *_moving(world), *_ledger(world)]


def _running(world: World) -> list[str]:
    controller = world.controller
    if controller is None or not controller.view.forwarder:
        return ["the controller does not hear the forwarder"]
    return [f"ExaBGP {n} is not heard" for n, speaker in controller.speakers.items() if not speaker.ready]


def _kernel(world: World) -> list[str]:
    """Each prefix of the branch goes, for each traffic, by the first live tunnel over which it is announced."""
    wrong, seen = [], set()
    for traffic in all_traffic(world):
        for lan in _branch(world).prefixes:
            if not traffic.goes_to(lan):
                continue
            name = world.kernel.class_of(str(lan), traffic.sources(world))
            seen.add(name)
            wrong += _route(world, traffic, lan, name)
    unknown = set(world.forwarder.classes) - seen
    if unknown:
        wrong.append(f"the forwarder still has {sorted(unknown)}")
    strange = set(world.kernel.routes) - {str(prefix) for prefix in _branch(world).prefixes}
    apart = {str(prefix) for prefix in named(world)}
    strange |= {f"{lan} from {source}" for source, lan in world.kernel.sourced if source not in apart}
    if strange:
        wrong.append(f"the kernel still has {sorted(strange)}")
    return wrong


def _route(world: World, traffic: Traffic, lan: Prefix, name: str) -> list[str]:
    over = [world.every[number] for number in world.heard.get(lan, ())]
    live = traffic.present(world, over)
    if not live:
        return []
    wrong, known = [], world.forwarder.classes.get(name)
    own = [str(traffic.source)] if traffic.source is not None else []
    if known is None or list(known.sources) != own:
        wrong.append(f"{lan} from {traffic.source} goes by {name}")
    tunnel = TunnelId.parse(world.kernel.nexthops.get(name) or "no/tunnel")
    if not _is_right(world, traffic, tunnel, live):
        wrong.append(f"the kernel sends {lan} from {traffic.source} over {tunnel}, not {live[0]}")
    order = [TunnelId.parse(t) for t in (known.order if known else ())]
    if [t for t in order if world.lines[t].live] != live:
        wrong.append(f"the order of {name} is {order}, not {live}")
    return wrong


def _is_right(world: World, traffic: Traffic, tunnel: TunnelId, live: list[TunnelId]) -> bool:
    """By the tunnel that the branch uses, so that both directions agree; where that cannot be, by a good one."""
    used = {over[0] for prefix in traffic.prefixes(world) if (over := world.branch.uses(prefix))}
    if used and used.issubset(live):
        return used == {tunnel}
    return traffic.may_be_on(world, tunnel, live)


def _values(world: World) -> list[str]:
    """While all is well every tunnel has its standing value; else all but the one in use, whose may be lower."""
    wrong = []
    wanted = set(world.announced())
    configured = {tunnel.id for tunnel in _branch(world).tunnels}
    for tunnel, held in world.branch.holds.items():
        if tunnel not in configured or not world.lines[tunnel].live:
            if held:
                wrong.append(f"the branch still holds {held} of {tunnel}")
        elif set(held) != wanted:
            wrong.append(f"the branch holds {[str(p) for p in held]} of {tunnel}, not {[str(p) for p in wanted]}")
    return wrong or [text for traffic in all_traffic(world) for text in _values_of(world, traffic)]


def _values_of(world: World, traffic: Traffic) -> list[str]:
    announce, judged = _branch(world).policy.announce, world.judged
    standing = {
        t.id: standing_med(announce, n, degraded=traffic.is_degraded(world, t.id), drained=t.id in judged.drained)
        for n, t in enumerate(traffic.standing(world))
    }
    all_live = all(world.lines[tunnel].live for tunnel in standing)
    wrong = []
    for prefix in traffic.prefixes(world):
        used = next(iter(world.branch.uses(prefix)), None)
        for tunnel in traffic.present(world):
            held = world.branch.holds[tunnel].get(prefix, standing[tunnel])
            # Where the best of its kind is not the one in use, as it is about to go, that stays below it.
            exact = (all_live and standing[tunnel] == min(standing.values())) or tunnel != used
            if (held != standing[tunnel]) if exact else (held > standing[tunnel]):
                wrong.append(f"the branch holds {held} of {tunnel} for {prefix}, not {standing[tunnel]}")
    return wrong


def _uses(world: World) -> list[str]:
    """All prefixes that are steered together take one tunnel, the right one."""
    wrong = []
    for traffic in all_traffic(world):
        live = traffic.present(world)
        used = {prefix: world.branch.uses(prefix) for prefix in traffic.prefixes(world)}
        if not live or not used:
            continue
        if len({tuple(over) for over in used.values()}) > 1:
            wrong.append(f"the branch uses {used}")
        wrong += [
            f"the branch sends {prefix} over {over}, not {live[0]}"
            for prefix, over in used.items()
            if len(over) != 1 or not traffic.may_be_on(world, over[0], live)
        ]
    return wrong


def _branch(world: World) -> Branch:
    (branch,) = world.intent.branches.values()
    return branch


def _moving(world: World) -> list[str]:
    """No traffic is being moved, and no move was taken back that would be tried again."""
    decided = world.controller.decisions.values() if world.controller is not None else ()
    every = [verdict for one in decided for verdict in (one.verdict, *one.verdict.others)]
    moving = [verdict for verdict in every if verdict.reason in (Reason.MOVING, Reason.TAKEN_BACK)]
    return [f"traffic from {each.sources} is {each.reason.name} {each.detail}" for each in moving]


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
