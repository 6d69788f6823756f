"""uplinks: whether each internet connection of the hub reaches the world, by a quorum of external targets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from policies.model.clock import NEVER, Instant
from policies.model.intent import Hub, HubUplink
from policies.model.targets import NOT_ASKED, CheckView, TargetStanding
from policies.model.view import View
from policies.targets import standing_of, uplink_key


class UplinkState(Enum):
    """Whether an uplink of the hub reaches the world. `UNKNOWN` is neither."""

    UP = "up"
    OUT = "out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class UplinkView:
    """An UplinkView is what the external targets of an uplink say of it, each by its name.

    `since` is when the quorum was reached, for an uplink that is out.
    """

    uplink: HubUplink
    state: UplinkState
    since: Instant
    answering: Mapping[str, CheckView]
    failing: Mapping[str, CheckView]


def uplink_views(hub: Hub, view: View, now: Instant) -> Mapping[str, UplinkView]:
    """What is believed of each uplink that has targets; of the others nothing is."""
    return {name: _uplink_view(hub, uplink, view, now) for name, uplink in hub.uplinks.items() if uplink.targets}


def _uplink_view(hub: Hub, uplink: HubUplink, view: View, now: Instant) -> UplinkView:
    known = {check.name: view.targets.get(uplink_key(hub, uplink, check), NOT_ASKED) for check in uplink.targets}
    answering = {name: each for name, each in known.items() if standing_of(each, now) is TargetStanding.OK}
    failing = {name: each for name, each in known.items() if standing_of(each, now) is TargetStanding.FAILING}
    state = UplinkState.UNKNOWN
    if len(failing) >= uplink.quorum:
        state = UplinkState.OUT
    elif len(answering) > len(known) - uplink.quorum:
        # So many answer that the others could not make a quorum.
        state = UplinkState.UP
    silent_since = sorted(each.since for each in failing.values())
    since = silent_since[uplink.quorum - 1] if state is UplinkState.OUT else NEVER
    return UplinkView(uplink, state, since, answering, failing)
