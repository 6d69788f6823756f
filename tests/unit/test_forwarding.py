"""Which prefixes go together, and which tunnels may carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network

from small_network import a_branch, moment

from policies.forwarding import can_follow, carrying, class_orders, classes_due
from policies.model.clock import Instant
from policies.model.desired import ClassOrder
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View
from policies.ranking import Ranked, present_order
from policies.steering import plain_steering

NOW = Instant(100.0)
OTHER = ip_network("10.1.1.0/24")
BRANCH = replace(a_branch(), prefixes=(*a_branch().prefixes, OTHER))
LAN = BRANCH.prefixes[0]
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)


def session(*prefixes: object, state: SessionState = SessionState.UP, held: bool = False) -> SessionView:
    heard = Heard(Instant(1.0), Instant(50.0) if held else None)
    return SessionView(state, Instant(1.0), heard=dict.fromkeys(prefixes, heard), end_of_rib=state is SessionState.UP)  # type: ignore[arg-type]


def view(fiber: SessionView, wireless: SessionView, **known: ClassView) -> View:
    up = LivenessView(LivenessState.UP)
    return View(liveness={FIBER: up, WIRELESS: up}, sessions={FIBER: fiber, WIRELESS: wireless}, classes=known)


def classes(
    branch: Branch, believed: View, ranking: Sequence[Ranked], carrier: TunnelId | None
) -> Mapping[str, ClassOrder]:
    return class_orders(branch, plain_steering(branch), believed, ranking, carrier, "test", moment(NOW))


def orders(believed: View, carrier: TunnelId = FIBER) -> dict[str, tuple[tuple[TunnelId, ...], TunnelId | None]]:
    ranking = present_order(BRANCH, believed, NOW)
    found = classes(BRANCH, believed, ranking, carrier)
    return {name: (order.order, order.active) for name, order in found.items()}


def test_prefixes_heard_everywhere_are_one_class_named_after_the_branch() -> None:
    assert orders(view(session(LAN, OTHER), session(LAN, OTHER))) == {"bandung": ((FIBER, WIRELESS), FIBER)}


def test_a_prefix_heard_over_one_tunnel_is_carried_by_no_other() -> None:
    found = orders(view(session(LAN, OTHER), session(LAN)), carrier=WIRELESS)
    assert found == {"bandung": ((FIBER, WIRELESS), WIRELESS), "bandung:fiber": ((FIBER,), FIBER)}


def test_a_held_prefix_counts_like_a_heard_one() -> None:
    found = orders(view(session(LAN), session(LAN, state=SessionState.DOWN, held=True)))
    assert found == {"bandung": ((FIBER, WIRELESS), FIBER)}


def test_a_prefix_that_is_no_longer_the_branchs_own_is_not_forwarded() -> None:
    alien = ip_network("10.9.0.0/24")
    assert orders(view(session(LAN, alien), session(LAN, alien))) == {"bandung": ((FIBER, WIRELESS), FIBER)}
    found = class_orders(
        BRANCH, plain_steering(BRANCH), view(session(LAN, alien), session(LAN, alien)), (), FIBER, "test", moment(NOW)
    )
    assert found["bandung"].prefixes == (LAN,)


def test_what_the_kernel_forwards_is_kept_until_the_sessions_have_spoken() -> None:
    known = ClassView("bandung", "bandung", FIBER, (FIBER, WIRELESS), (LAN,), 2, NOW, "before")
    silent = SessionView(SessionState.DOWN)
    assert orders(view(silent, silent, bandung=known)) == {"bandung": ((FIBER, WIRELESS), FIBER)}
    assert orders(view(session(), session(), bandung=known)) == {}


def test_what_has_sources_of_one_ip_version_has_no_prefixes_of_the_other() -> None:
    lan6 = ip_network("2001:db8:1::/56")
    branch = replace(BRANCH, prefixes=(LAN, lan6))
    believed = view(session(LAN, lan6), session(LAN, lan6))
    for source, prefix in (("10.0.10.0/24", LAN), ("2001:db8::/48", lan6)):
        steering = replace(plain_steering(branch), sources=(ip_network(source),))
        found = class_orders(branch, steering, believed, present_order(branch, believed, NOW), FIBER, "", moment(NOW))
        assert [order.prefixes for order in found.values()] == [(prefix,)]


def test_the_class_that_most_tunnels_can_carry_stands_for_its_branch() -> None:
    both = ClassView("bandung:z", "bandung", FIBER, (FIBER, WIRELESS), (LAN,), 0, NOW, "")
    one = ClassView("bandung:a", "bandung", FIBER, (FIBER,), (LAN, OTHER), 0, NOW, "")
    assert carrying(BRANCH, view(session(), session(), one=one, both=both)) == both


def test_a_class_can_follow_to_where_any_of_its_prefixes_is_heard() -> None:
    known = ClassView("bandung", "bandung", FIBER, (FIBER,), (LAN, OTHER), 0, NOW, "")
    assert can_follow(known, WIRELESS, BRANCH, view(session(LAN, OTHER), session(OTHER)), NOW)
    assert not can_follow(known, WIRELESS, BRANCH, view(session(LAN, OTHER), session()), NOW)


def test_an_order_is_based_on_the_epoch_that_is_known() -> None:
    known = ClassView("bandung", "bandung", FIBER, (FIBER, WIRELESS), (LAN, OTHER), 7, NOW, "before")
    believed = view(session(LAN, OTHER), session(LAN, OTHER), bandung=known)
    ranking = present_order(BRANCH, believed, NOW)
    assert classes(BRANCH, believed, ranking, FIBER)["bandung"].based_on_epoch == 7


def away_from(carrier: TunnelId, *, fiber_since: float, after_death: bool = True) -> TunnelId | None:
    """Where a class goes that sits on lte and is not heard over the branch's own tunnel (here: wireless)."""
    branch = replace(a_branch(tunnels=("fiber", "lte", "wireless")), prefixes=(LAN,))
    lte = next(tunnel.id for tunnel in branch.tunnels if tunnel.id.name == "lte")
    up = LivenessView(LivenessState.UP, after_death=False)
    known = ClassView("bandung:fiber+lte", "bandung", lte, (FIBER, lte), (LAN,), 1, NOW, "before")
    believed = View(
        liveness={FIBER: replace(up, since=Instant(fiber_since), after_death=after_death), lte: up, WIRELESS: up},
        sessions={FIBER: session(LAN), lte: session(LAN), WIRELESS: session()},
        classes={"bandung:fiber+lte": known},
    )
    ranking = present_order(branch, believed, NOW)
    return classes(branch, believed, ranking, carrier)["bandung:fiber+lte"].active


def test_a_class_without_the_branchs_tunnel_goes_back_to_its_own_better_one_after_the_hold() -> None:
    assert away_from(WIRELESS, fiber_since=10.0) == FIBER
    assert away_from(WIRELESS, fiber_since=90.0) == TunnelId("bandung", "lte")
    assert away_from(WIRELESS, fiber_since=90.0, after_death=False) == FIBER


def test_when_such_a_class_may_go_back_is_known() -> None:
    lte = TunnelId("bandung", "lte")
    branch = replace(a_branch(tunnels=("fiber", "lte", "wireless")), prefixes=(LAN,))
    known = ClassView("bandung:fiber+lte", "bandung", lte, (FIBER, lte), (LAN,), 1, NOW, "before")
    up = LivenessView(LivenessState.UP, after_death=False)
    believed = View(
        liveness={FIBER: replace(up, since=Instant(90.0), after_death=True), lte: up, WIRELESS: up},
        sessions={FIBER: session(LAN), lte: session(LAN), WIRELESS: session()},
        classes={known.name: known},
    )
    ranking, steering = present_order(branch, believed, NOW), plain_steering(branch)
    orders = class_orders(branch, steering, believed, ranking, WIRELESS, "", moment(NOW))
    due = classes_due(orders.values(), WIRELESS, steering, believed, ranking, moment(NOW))
    assert list(due) == [Instant(90.0 + 60.0)]


def test_of_two_tunnels_that_are_left_the_better_one_carries_what_only_they_have() -> None:
    lte = replace(BRANCH.tunnels[1], id=TunnelId("bandung", "lte"))
    branch = replace(BRANCH, tunnels=(*BRANCH.tunnels, lte), leaving=frozenset({FIBER, WIRELESS}))
    kernel = ClassView("bandung:fiber+wireless", "bandung", WIRELESS, (WIRELESS, FIBER), (LAN,), 0, NOW, "")
    up = dict.fromkeys((FIBER, WIRELESS, lte.id), LivenessView(LivenessState.UP))
    heard = {FIBER: session(LAN), WIRELESS: session(LAN), lte.id: session()}
    believed = View(liveness=up, sessions=heard, classes={kernel.name: kernel})
    found = class_orders(
        branch, plain_steering(branch), believed, present_order(branch, believed, NOW), lte.id, "test", moment(NOW)
    )
    assert found[kernel.name].active == FIBER
