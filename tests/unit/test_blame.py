"""Whose trouble it is: of a target, a tunnel, an ISP, an uplink of the hub, or the hub itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from small_network import HUB, a_branch, a_network

from policies.blame import CheckFault, check_faults, tunnel_blames
from policies.model.clock import Instant
from policies.model.events import ChecksTaken
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import InForce
from policies.model.targets import (
    Blame,
    Check,
    CheckKey,
    CheckResult,
    Outcome,
    Ping,
    TcpConnect,
    Timing,
    Via,
)
from policies.model.view import LivenessState, LivenessView, View
from policies.observe import observe
from policies.uplinks import UplinkState, uplink_views

TIMING = Timing(interval=timedelta(seconds=10), timeout=timedelta(seconds=2), fall=3, rise=2)
ERP = Check("erp", TcpConnect(ip_address("10.1.0.10"), 443), TIMING)
OUTSIDE = tuple(Check(name, Ping(ip_address(name)), TIMING, Via.ACTIVE) for name in ("1.1.1.1", "8.8.8.8", "9.9.9.9"))
NOW = Instant(1000.0)


def with_isps(branch: Branch, **isps: str) -> Branch:
    tunnels = tuple(
        replace(tunnel, uplink=replace(tunnel.uplink, isp=isps.get(tunnel.id.name, tunnel.uplink.isp)))
        for tunnel in branch.tunnels
    )
    return replace(branch, tunnels=tunnels, targets=(ERP,))


def network(count: int = 3, *, asked: bool = True) -> Intent:
    """Branches with fiber of telkom to telkom, wireless of indosat to biznet, and external targets of both uplinks."""
    names = ("bandung", "bogor", "cirebon", "garut")[:count]
    branches = [with_isps(a_branch(name, number=n), fiber="telkom", wireless="indosat") for n, name in enumerate(names)]
    intent = a_network(*branches)
    targets = (OUTSIDE, 2) if asked else ((), 0)
    uplinks = {name: replace(up, targets=targets[0], quorum=targets[1]) for name, up in HUB.uplinks.items()}
    return replace(intent, hub=replace(HUB, uplinks=uplinks))


def view_of(
    intent: Intent,
    *,
    dead: tuple[str, ...] = (),
    silent: tuple[str, ...] = (),
    since: float = 900.0,
    forwarder: bool = True,
) -> View:
    """Dead tunnels (`bandung/fiber`), and what does not answer: `bandung/erp/fiber`, `hub:hq/telkom/1.1.1.1`."""
    liveness = {
        tunnel: LivenessView(LivenessState.DOWN if str(tunnel) in dead else LivenessState.UP, Instant(1.0))
        for tunnel in intent.tunnels()
    }
    view = View(liveness=liveness, forwarder=forwarder)
    keys = [CheckKey(b.name, "erp", t.id.name) for b in intent.branches.values() for t in b.tunnels]
    keys += [CheckKey(f"hub:hq/{up.name}", c.name) for up in intent.hub.uplinks.values() for c in up.targets]
    at = since
    while at <= NOW:
        outcomes = [(key, "/".join(filter(None, (key.place, key.check, key.tunnel))) in silent) for key in keys]
        results = [
            CheckResult(key, Outcome.FAILED if bad else Outcome.ANSWERED, Instant(at), TIMING) for key, bad in outcomes
        ]
        view = observe(view, ChecksTaken(tuple(results)))
        at += 10
    return view


def faults(intent: Intent, view: View) -> list[CheckFault]:
    return list(check_faults(intent, view, NOW))


def test_where_all_answers_nothing_is_wrong() -> None:
    assert faults(network(), view_of(network())) == []


def test_a_target_that_fails_by_every_tunnel_is_its_own_fault() -> None:
    (fault,) = faults(network(), view_of(network(), silent=("bandung/erp/fiber", "bandung/erp/wireless")))
    assert fault.blame is Blame.TARGET
    assert fault.text == (
        "target: target erp of bandung (10.1.0.10:443) does not answer by any tunnel: the target, not a tunnel"
    )


def test_with_one_live_tunnel_target_and_tunnel_cannot_be_told_apart() -> None:
    view = view_of(network(), dead=("bandung/fiber",), silent=("bandung/erp/fiber", "bandung/erp/wireless"))
    (fault,) = faults(network(), view)
    assert fault.text.endswith("by wireless, the only tunnel that lives: the target, or that tunnel")


def test_a_branch_that_is_cut_off_has_no_target_faults() -> None:
    view = view_of(network(), dead=("bandung/fiber", "bandung/wireless"))
    assert faults(network(), view) == []


def test_a_target_that_fails_by_one_tunnel_is_that_tunnels_fault() -> None:
    (fault,) = faults(network(), view_of(network(), silent=("bandung/erp/fiber",)))
    assert (fault.blame, fault.key) == (Blame.TUNNEL, "tunnel:bandung/fiber")
    assert "by it, but by wireless it does: the tunnel, not the target" in fault.text


def test_a_dead_tunnel_whose_isp_and_uplink_are_fine_is_the_tunnels_own() -> None:
    view = view_of(network(), dead=("bandung/fiber",))
    assert tunnel_blames(network(), view, NOW) == {TunnelId("bandung", "fiber"): Blame.TUNNEL}


def test_an_isp_under_most_of_its_branches_is_one_fault() -> None:
    view = view_of(network(), dead=("bandung/fiber", "bogor/fiber"))
    (fault,) = faults(network(), view)
    assert (fault.blame, fault.key) == (Blame.ISP, "isp:telkom")
    assert fault.text.startswith("isp: telkom: 2 of the 3 branches with it have trouble on it at once")
    assert set(tunnel_blames(network(), view, NOW).values()) == {Blame.ISP}


def test_tunnels_that_were_never_up_are_no_trouble_of_their_isp() -> None:
    intent = network(4)
    never = frozenset({TunnelId("bandung", "fiber"), TunnelId("bogor", "fiber"), TunnelId("cirebon", "fiber")})
    view = view_of(intent, dead=tuple(map(str, never)))
    assert list(check_faults(intent, view, NOW, never)) == []
    assert tunnel_blames(intent, view, NOW, never) == {}


def test_an_isp_is_counted_by_the_tunnels_that_were_up() -> None:
    intent = network(4)
    view = view_of(intent, dead=("bandung/fiber", "bogor/fiber", "garut/fiber"))
    never = frozenset({TunnelId("garut", "fiber")})
    (fault,) = check_faults(intent, view, NOW, never)
    assert fault.text.startswith("isp: telkom: 2 of the 3 branches with it have trouble on it at once")
    assert tunnel_blames(intent, view, NOW, never).keys() == {TunnelId(name, "fiber") for name in ("bandung", "bogor")}


def test_a_tunnel_on_which_people_work_blames_no_isp() -> None:
    view = view_of(network(), dead=("bandung/fiber", "bogor/fiber"))
    drained = {"bandung": InForce(drained=frozenset({TunnelId("bandung", "fiber")}))}
    blames = tunnel_blames(network(), replace(view, in_force=drained), NOW)
    assert blames == {TunnelId("bogor", "fiber"): Blame.TUNNEL}


def test_half_of_the_branches_are_not_the_isp() -> None:
    view = view_of(network(4), dead=("bandung/fiber", "bogor/fiber"))
    assert set(tunnel_blames(network(4), view, NOW).values()) == {Blame.TUNNEL}


def test_an_uplink_out_is_one_fault_and_not_one_for_every_branch() -> None:
    silent = tuple(f"hub:hq/telkom/{check.name}" for check in OUTSIDE)
    view = view_of(network(), dead=("bandung/fiber", "bogor/fiber", "cirebon/fiber"), silent=silent)
    (fault,) = faults(network(), view)
    assert (fault.blame, fault.key) == (Blame.HUB_UPLINK, "uplink:telkom")
    assert fault.text == "hub uplink: uplink telkom of the hub: 3 of 3 external targets do not answer"
    assert set(tunnel_blames(network(), view, NOW).values()) == {Blame.HUB_UPLINK}


@pytest.mark.parametrize(
    ("silent", "state", "faults_found"),
    [
        ((), UplinkState.UP, 0),
        (("1.1.1.1",), UplinkState.UP, 0),
        (("1.1.1.1", "8.8.8.8"), UplinkState.OUT, 1),
        (("1.1.1.1", "8.8.8.8", "9.9.9.9"), UplinkState.OUT, 1),
    ],
)
def test_a_quorum_of_silent_targets_makes_an_uplink_out(
    silent: tuple[str, ...], state: UplinkState, faults_found: int
) -> None:
    view = view_of(network(), silent=tuple(f"hub:hq/telkom/{name}" for name in silent))
    uplinks = uplink_views(network().hub, view, NOW)
    assert (uplinks["telkom"].state, uplinks["biznet"].state) == (state, UplinkState.UP)
    assert len(faults(network(), view)) == faults_found


def test_an_uplink_whose_targets_were_not_asked_is_neither_up_nor_out() -> None:
    assert uplink_views(network().hub, View(), NOW)["telkom"].state is UplinkState.UNKNOWN


def test_one_dead_external_target_is_told_after_a_while_as_its_own_trouble_and_once() -> None:
    silent = ("hub:hq/telkom/9.9.9.9", "hub:hq/biznet/9.9.9.9")
    assert faults(network(), view_of(network(), silent=silent, since=800.0)) == []
    (fault,) = faults(network(), view_of(network(), silent=silent, since=600.0))
    assert (fault.blame, fault.key) == (Blame.TARGET, "target:hub/9.9.9.9")
    assert "does not answer by biznet, telkom, while others do" in fault.text


def test_all_uplinks_out_at_once_is_rather_the_hub_itself() -> None:
    silent = tuple(f"hub:hq/{uplink}/{check.name}" for uplink in HUB.uplinks for check in OUTSIDE)
    view = view_of(network(), dead=("bandung/fiber",), silent=silent)
    (fault,) = faults(network(), view)
    assert (fault.blame, fault.key) == (Blame.HUB, "hub:hq")
    assert set(tunnel_blames(network(), view, NOW).values()) == {Blame.HUB}


def test_without_external_targets_everything_dead_is_the_hub() -> None:
    intent = network(asked=False)
    view = view_of(intent, dead=tuple(map(str, intent.tunnels())))
    assert set(tunnel_blames(intent, view, NOW).values()) == {Blame.HUB}


def test_without_external_targets_an_uplink_over_which_nothing_of_any_isp_goes_is_blamed() -> None:
    mixed = [
        with_isps(a_branch(n, number=i), fiber=isp, wireless="indosat")
        for i, (n, isp) in enumerate([("bandung", "telkom"), ("bogor", "link-net"), ("cirebon", "first-media")])
    ]
    intent = a_network(*mixed)
    view = view_of(intent, dead=("bandung/fiber", "bogor/fiber", "cirebon/fiber"))
    assert set(tunnel_blames(intent, view, NOW).values()) == {Blame.HUB_UPLINK}


def test_while_the_forwarder_is_away_no_tunnel_is_called_dead() -> None:
    view = view_of(network(), dead=("bandung/fiber", "bogor/fiber"), forwarder=False)
    assert tunnel_blames(network(), view, NOW) == {}


def test_what_cannot_be_asked_is_told_once_for_all() -> None:
    intent, view = network(), view_of(network())
    for at in (980.0, 990.0, 1000.0):
        results = [
            CheckResult(key, Outcome.UNKNOWN, Instant(at), TIMING, text="ICMP is not permitted", mend="sysctl")
            for key in view.targets
            if key.place.startswith("hub:")
        ]
        view = observe(view, ChecksTaken(tuple(results)))
    (fault,) = faults(intent, view)
    assert fault.blame is Blame.CHECK
    assert fault.text == (
        "check: hub:hq/biznet/1.1.1.1, hub:hq/biznet/8.8.8.8, hub:hq/biznet/9.9.9.9 and 3 more: not known: "
        "ICMP is not permitted"
    )
    assert fault.mend == "sysctl"
