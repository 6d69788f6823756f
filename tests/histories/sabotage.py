"""Faults that the histories must find: each is one that the product has not, because of one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from unittest.mock import patch

from histories.world import Parts
from hub.forwarder.classes import ForwardingClass, Order, Refusal, TunnelStates, obey
from policies import choice, decide, observe, survivor
from policies.forwarding import carrying
from policies.survivor import Standing
from speaker.bgp.ledger import Ledger, _Neighbor


@contextmanager
def fixed_survivor_value() -> Iterator[Parts]:
    """Every survivor is announced with the same value."""
    with patch.object(survivor, "below", lambda _lowest: 50):
        yield Parts()


@contextmanager
def boost_given_back_early() -> Iterator[Parts]:
    """A boost is given back as soon as the better tunnel is chosen, be its session there or not."""

    def other_value(other: Standing, chosen: Standing | None, _rest: Sequence[Standing]) -> int | None:
        return other.med if other.session_up and not other.dead and chosen is not None else None

    with patch.object(survivor, "_other_value", other_value), patch.object(choice, "_told_all", lambda *_: True):
        yield Parts()


@contextmanager
def order_without_epoch() -> Iterator[Parts]:
    """The forwarder obeys orders that were computed before a move of its own."""

    def obey_any(
        order: Order, current: ForwardingClass | None, states: TunnelStates, now_ns: int
    ) -> ForwardingClass | Refusal:
        epoch = max(order.based_on_epoch, current.epoch if current is not None else 0)
        return obey(replace(order, based_on_epoch=epoch), current, states, now_ns)

    yield Parts(obey=obey_any)


class Impatient(Ledger):
    """An Impatient ledger says a change although the one before it was not seen yet."""

    def _due(self, address, known: _Neighbor):  # type: ignore[no-untyped-def]
        changes, known.changes = known.changes, {}
        last = {prefix: change.announcement for prefix, change in changes.items()}
        seen = known.sent
        known.sent = {**seen, **{prefix: said for prefix, said in last.items() if said is not None}}
        try:
            return super()._due(address, known)
        finally:
            known.sent, known.changes = seen, changes


@contextmanager
def two_changes_on_their_way() -> Iterator[Parts]:
    """ExaBGP with its queue as it comes, and a ledger that relies on it."""
    yield Parts(ledger=Impatient, mended=False)


@contextmanager
def withdrawn_at_once() -> Iterator[Parts]:
    """A value that was raised is believed to have arrived, however soon the tunnel died after it."""

    with patch.object(observe, "_may_still_hold", lambda session, _ended: replace(session, replaced={})):
        yield Parts()


@contextmanager
def told_by_nobody() -> Iterator[Parts]:
    """While the chosen tunnel has no session nobody stands in for it."""

    with patch.object(decide, "spokesman", lambda _standings, chosen: chosen):
        yield Parts()


# of what rules steer


@contextmanager
def rules_wait_for_another_event() -> Iterator[Parts]:
    """Nobody wakes the decision when the time of a rule begins or ends."""

    with patch.object(decide, "changes_at", lambda *_: None):
        yield Parts()


@contextmanager
def probes_show_every_way() -> Iterator[Parts]:
    """An answer that came a rule's way is taken for the way of the rest."""

    with patch.object(decide, "_is_probed", lambda *_: True):
        yield Parts()


@contextmanager
def rules_move_with_the_rest() -> Iterator[Parts]:
    """What a rule steers is thought to be where all else is."""

    with patch.object(decide, "carrying", lambda branch, view, *_: carrying(branch, view)):
        yield Parts()


Sabotage = Callable[[], AbstractContextManager[Parts]]

SABOTAGES: Mapping[str, Sabotage] = {
    "fixed survivor value": fixed_survivor_value,
    "boost given back early": boost_given_back_early,
    "order without epoch": order_without_epoch,
    "two changes on their way": two_changes_on_their_way,
    "a raise is believed to have arrived": withdrawn_at_once,
    "nobody stands in": told_by_nobody,
}

OF_RULES: Mapping[str, Sabotage] = {
    "rules wait for another event": rules_wait_for_another_event,
    "probes show every way": probes_show_every_way,
    "rules move with the rest": rules_move_with_the_rest,
}
