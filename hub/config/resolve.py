"""From files that are right in themselves to intent: what they say of each other, defaults, and what was allocated.

`survey` does all that does not need allocations to be there, `resolve` the rest; `pointsman allocate` stands between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from hub.config.access import access_problems
from hub.config.adopted import adopted_problems, interface_name
from hub.config.allocate import Allocation, settled
from hub.config.capacity import too_many_packets
from hub.config.checks import branch_targets, target_problems, uplink_problems, uplink_targets
from hub.config.claims import claims, contradictions, missing_pool, taken_twice
from hub.config.crypto import crypto_problems
from hub.config.drafts import BranchDraft, TunnelDraft, draft_branch
from hub.config.guards import guards_of
from hub.config.identity import identity_problems, misspelt_isps, timezone_problem
from hub.config.keepalives import keepalive_warnings
from hub.config.load import ALLOCATIONS, Sources
from hub.config.names import write_instead
from hub.config.overlap import overlaps
from hub.config.pinning import pinning_warnings
from hub.config.policy.branches import policies_of
from hub.config.policy.build import Built
from hub.config.policy.inherit import Policies
from hub.config.policy.survey import policy_survey
from hub.config.policy.tunnels import own_policy
from hub.config.probing import probe_rate
from hub.config.problems import Place, Problem, error, has_errors, in_order, warning
from hub.config.raw import RawHub, RawNetwork, RawSecurity
from hub.config.reachability import aggregate_problems, unreachable_prefixes
from hub.config.redundancy import redundancy_warnings
from hub.config.sessions import resolve_session
from hub.config.survey import HubDraft, Survey
from hub.config.transports import (
    USUAL_KEY_AGE,
    hub_address_warnings,
    mark_problems,
    mtu_of,
    transport_of,
    transport_problems,
    usual_mark,
)
from policies.model.as_numbers import SharedFateSigns
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, HubUplink, Intent, Link, Mode, RouterKind, Security, Tunnel
from policies.model.policy import Policy

SMALLEST_PREFIX_LIMIT = 10
CROWDED = 200
"""Neighbors of one ExaBGP process; `allocate` stops below it, but what is written counts."""


def survey(sources: Sources) -> Survey:
    """Look at everything but what was allocated. What is wrong in one place does not hide what is wrong in another."""
    problems = list(sources.problems)
    hub, wrong = _hub(sources)
    problems += wrong
    versions = hub.versions if hub else frozenset[int]()
    branches = []
    for name, parsed in sources.branches.items():
        draft, wrong = draft_branch(name, parsed, versions)
        problems += wrong
        problems += target_problems(draft)
        problems += transport_problems(draft)
        problems += crypto_problems(draft)
        branches.append(draft)
    policies = Policies(sources.policies, sources.policy_names)
    chosen = policies_of(branches, sources.network, policies)
    looked = Survey(sources, hub, tuple(branches), chosen, ())
    problems += policy_survey(looked, policies)
    problems += _timezones(looked)
    problems += overlaps(claims(looked))
    problems += taken_twice(looked)
    problems += access_problems(looked)
    problems += adopted_problems(looked)
    if hub is not None:
        problems += identity_problems(hub.raw, hub.document, hub.at, branches)
        problems += uplink_problems(hub)
        problems += mark_problems(hub)
        problems += misspelt_isps(branches, hub.raw)
        problems += _unknown_ends(looked, hub)
        problems += missing_pool(looked)
        problems += unreachable_prefixes(branches, hub)
        problems += aggregate_problems(branches, hub)
    return replace(looked, problems=in_order(problems))


def resolve(looked: Survey) -> tuple[Intent | None, tuple[Problem, ...]]:
    """The intent, or None if anything is wrong; and all problems, those of the survey included."""
    allocations = looked.allocations()
    has = {tunnel.id: settled(tunnel, allocations) for tunnel in looked.tunnels()}
    problems = list(looked.problems)
    problems += _unallocated(looked, has)
    problems += _contradictions(looked)
    problems += _crowded(has)
    if looked.hub is not None:
        ends = {tunnel: mine.to for tunnel, mine in has.items() if mine.to}
        for branch in looked.branches:
            problems += redundancy_warnings(branch, ends, len(looked.hub.raw.uplinks))
            problems += keepalive_warnings(branch)
            problems += hub_address_warnings(branch, ends)
        problems += _hub_warnings(looked.hub)
        problems += pinning_warnings(looked.hub)
        problems += too_many_packets(looked.branches, looked.hub.document.key_place(*looked.hub.at))
        problems += _no_branches(looked)
    ordered = in_order(problems)
    if looked.hub is None or looked.network is None or has_errors(ordered):
        return None, ordered
    return _intent(looked, looked.network, looked.hub, has), ordered


def _hub(sources: Sources) -> tuple[HubDraft | None, list[Problem]]:
    if sources.network is None:
        return None, []
    raw, document = sources.network.raw, sources.network.document
    if raw.hub and raw.hubs:
        return None, [error(document.key_place("hubs"), "hub and hubs are both here", "remove one of them")]
    if raw.hubs:
        name, hub = next(iter(raw.hubs.items()))
        if len(raw.hubs) > 1:
            return None, [error(document.key_place("hubs"), "more than one hub is not supported yet: leave one")]
        if hub.name not in (None, name):
            text = f'hub "{name}" has another name: "{hub.name}"'
            return None, [error(document.place("hubs", name, "name"), text, "remove it")]
        return HubDraft(name, hub, document, ("hubs", name)), []
    if raw.hub is None:
        return None, [error(document.place(), '"hub" is missing', "add it, for example hub: {name: hq, as: 65000, …}")]
    if raw.hub.name is None:
        return None, [error(document.key_place("hub"), '"name" of hub is missing', "add it, for example name: hq")]
    return HubDraft(raw.hub.name, raw.hub, document, ("hub",)), []


def _timezones(looked: Survey) -> Iterator[Problem]:
    written = [
        (branch.raw.timezone, branch.document.place("timezone")) for branch in looked.branches if branch.raw.timezone
    ]
    if looked.sources.network:
        network = looked.sources.network
        written.append((network.raw.timezone, network.document.place("timezone")))
    seen: dict[str, Problem | None] = {}
    for timezone, place in written:
        if timezone not in seen:
            seen[timezone] = timezone_problem(timezone, place)
        problem = seen[timezone]
        if problem is not None:
            yield error(place, problem.text, problem.mend)


def _unknown_ends(looked: Survey, hub: HubDraft) -> Iterator[Problem]:
    known = sorted(hub.raw.uplinks)
    for tunnel in looked.tunnels():
        if tunnel.to is not None:
            if tunnel.to not in known:
                text = f'to: the hub has no uplink "{tunnel.to}"'
                yield error(tunnel.places["to"], text, write_instead(tunnel.to, known))
            continue
        raw, place = looked.sources.allocations.get(tunnel.id, (None, tunnel.place))
        if raw is not None and raw.to is not None and raw.to not in known:
            mend = f"write to: {known[0]} for {tunnel.id} in its branch's file, or put the uplink back"
            yield error(place, f'{tunnel.id} goes to "{raw.to}", which is no uplink of the hub', mend)


def _unallocated(looked: Survey, has: Mapping[TunnelId, Allocation]) -> Iterator[Problem]:
    pool = looked.network is not None and looked.network.pools.links_ipv6 is not None  # its lack was said already
    for branch in looked.branches:
        waiting = [
            str(tunnel.id) for tunnel in branch.tunnels if has[tunnel.id].lacks(ipv6=tunnel.ipv6, loopbacks=False)
        ]
        new = [str(each.id) for each in branch.tunnels if has[each.id].lacks(ipv6=False, loopbacks=each.loopbacks)]
        if new:
            what = "link or port" if any(_lacks_most(has[each]) for each in map(TunnelId.parse, new)) else "loopbacks"
            text = f"no {what} {'are' if what == 'loopbacks' else 'is'} allocated to {' and '.join(new)}"
            yield error(branch.document.key_place("uplinks"), text, f"run: {looked.sources.allocate_command}")
        elif waiting and pool:
            text = f"no IPv6 link is allocated to {' and '.join(waiting)}"
            yield error(branch.document.key_place("prefixes"), text, f"run: {looked.sources.allocate_command}")


def _lacks_most(mine: Allocation) -> bool:
    return mine.lacks(ipv6=False, loopbacks=False)


def _contradictions(looked: Survey) -> Iterator[Problem]:
    for tunnel, place, key, mine, theirs in contradictions(looked):
        line = looked.sources.allocations[tunnel][1]
        yield warning(place, f"{key} {mine} counts, not {theirs}, which was allocated to {tunnel} ({line})")


def _crowded(has: Mapping[TunnelId, Allocation]) -> Iterator[Problem]:
    for number, count in sorted(Counter(mine.process or 1 for mine in has.values()).items()):
        if count > CROWDED:
            text = f"ExaBGP process {number} holds {count} sessions: beyond {CROWDED} its answers come late"
            mend = "write another process into the lines of tunnels that are not in use yet"
            yield warning(Place(ALLOCATIONS), text, mend)


def _no_branches(looked: Survey) -> Iterator[Problem]:
    if not looked.sources.branch_names:
        text = "there are no branches: applied, this would remove every one that is there"
        yield warning(Place("branches"), text, "write branches/NAME.yaml, or restore them from version control")


def _hub_warnings(hub: HubDraft) -> Iterator[Problem]:
    place = hub.document.key_place(*hub.at, "uplinks")
    if len(hub.raw.uplinks) == 1:
        only = next(iter(hub.raw.uplinks))
        yield warning(place, f"the hub has one uplink: when {only} fails, every branch is cut off", "add an uplink")
    endpoints: dict[str, str] = {}
    for name, uplink in hub.raw.uplinks.items():
        if uplink.endpoint and endpoints.setdefault(uplink.endpoint, name) != name:
            text = f"endpoint {uplink.endpoint} is also that of {endpoints[uplink.endpoint]}"
            yield warning(hub.document.place(*hub.at, "uplinks", name, "endpoint"), text)


def _intent(looked: Survey, network: RawNetwork, hub: HubDraft, has: Mapping[TunnelId, Allocation]) -> Intent:
    uplinks = {
        name: HubUplink(
            name,
            raw.isp,
            raw.interface,
            raw.endpoint,
            *uplink_targets(raw),
            gateway=raw.gateway,
            address=raw.address,
            mark=raw.mark or usual_mark(name),
        )
        for name, raw in hub.raw.uplinks.items()
    }

    def tunnels_of(draft: BranchDraft) -> tuple[Tunnel, ...]:
        built = looked.policies[draft.name]
        return tuple(_tunnel(tunnel, has[tunnel.id], uplinks, hub.name, draft, built) for tunnel in draft.tunnels)

    branches = {
        draft.name: _branch(draft, looked.policies[draft.name], network, hub.raw, tunnels_of(draft))
        for draft in sorted(looked.branches, key=lambda draft: draft.name)
        if Mode(draft.raw.mode or network.mode) is not Mode.OFF  # as if it were not written
    }
    return Intent(
        network=network.network,
        timezone=network.timezone,
        hub=Hub(
            name=hub.name,
            asn=hub.raw.asn,
            router_id=hub.raw.router_id,
            prefixes=hub.raw.prefixes,
            uplinks=MappingProxyType(uplinks),
            between_branches=hub.raw.between_branches,
        ),
        branches=MappingProxyType(branches),
        guards=guards_of(network.guards),
        security=_security(network.security),
        shared_fate=SharedFateSigns(network.shared_fate.paths == "on"),
    )


def _security(raw: RawSecurity) -> Security:
    """Who says from where the hub is managed wants that to count; the firewall is off where nobody asked for it."""
    firewall = raw.firewall == "on" if raw.firewall is not None else bool(raw.management)
    return Security(raw.management, raw.key_age or USUAL_KEY_AGE, firewall)


def _branch(draft: BranchDraft, built: Built, network: RawNetwork, hub: RawHub, tunnels: tuple[Tunnel, ...]) -> Branch:
    raw = draft.raw
    if draft.router_id is None:
        raise ValueError(f"{draft.name} has no router id")
    return Branch(
        name=draft.name,
        asn=hub.asn if raw.asn is None else raw.asn,
        router_id=draft.router_id,
        timezone=raw.timezone or network.timezone,
        prefixes=raw.prefixes,
        prefix_limit=raw.prefix_limit or max(SMALLEST_PREFIX_LIMIT, 2 * len(raw.prefixes)),
        tunnels=tunnels,
        policy=_policy(built, draft),
        session=resolve_session(raw, hub),
        router=RouterKind(raw.router.kind) if raw.router else None,
        mode=Mode(raw.mode or network.mode),
        targets=branch_targets(draft),
    )


def _policy(built: Built, draft: BranchDraft) -> Policy:
    """The policy in this branch: of its rules those that can hold there, asking for its tunnels and IP versions."""
    over = {tunnel.id.name: tunnel.uplink.name for tunnel in draft.tunnels}
    found = (rule.for_branch(over, draft.raw.prefixes) for rule in built.rules)
    rules = tuple(rule for rule in found if rule is not None)
    return built.policy if rules == built.policy.rules else replace(built.policy, rules=rules)


def _tunnel(
    draft: TunnelDraft,
    has: Allocation,
    uplinks: Mapping[str, HubUplink],
    hub: str,
    branch: BranchDraft,
    built: Built,
) -> Tunnel:
    if has.to is None or has.link is None or has.port is None:
        raise ValueError(f"{draft.id} has no allocation")
    own = own_policy(branch, draft.id, draft.uplink.kind, built)
    return Tunnel(
        id=draft.id,
        uplink=draft.uplink,
        hub_uplink=uplinks[has.to],
        link=_link(has.link, has.link_ipv6 if draft.ipv6 else None),
        port=has.port,
        interface=draft.written.existing or interface_name(draft.id.branch, has.port),
        liveness=replace(draft.liveness, probe=probe_rate(draft.liveness, metered=draft.uplink.metered)),
        process=has.process or 1,
        limits=own.limits,
        announce=own.announce,
        damping=own.damping,
        transport=transport_of(draft, has, hub),
        mtu=mtu_of(draft),
    )


def _link(link: IPv4Network, ipv6: IPv6Network | None) -> Link:
    return Link(hub=link[0], branch=link[1], hub6=ipv6[0] if ipv6 else None, branch6=ipv6[1] if ipv6 else None)
