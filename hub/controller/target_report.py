"""What is known of targets, checks and uplinks of the hub, as plain data for `status` and `why`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.model.clock import NEVER, Instant
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.targets import NOT_ASKED, Blame, Check, CheckView, Run, TargetStanding
from policies.model.view import View
from policies.targets import keys_of, standing_of
from policies.uplinks import UplinkView, uplink_views

Report = dict[str, Any]
_OVER_ALL = (TargetStanding.OK, TargetStanding.FAILING, TargetStanding.UNKNOWN)


def targets_report(branch: Branch, view: View, now: Instant) -> list[Report]:
    """Each target and custom check of a branch, by each way in which it is asked."""
    return [_target(branch, check, view, now) for check in branch.targets]


def _target(branch: Branch, check: Check, view: View, now: Instant) -> Report:
    keys = keys_of(branch.name, check, (tunnel.id.name for tunnel in branch.tunnels))
    custom = isinstance(check.question, Run)
    by = [_way(key.tunnel, view.targets.get(key, NOT_ASKED), now, custom=custom) for key in keys]
    standings = {way["is"] for way in by}
    return {
        "name": check.name,
        "asks": str(check.question),
        "custom": custom,
        # As soon as it answers by one way it is there; what a tunnel keeps from it is that way's.
        "is": next((each.value for each in _OVER_ALL if each.value in standings), TargetStanding.UNKNOWN.value),
        "by": by,
    }


def _way(tunnel: str, known: CheckView, now: Instant, *, custom: bool) -> Report:
    # How long a check of one's own runs says nothing of the network.
    round_trip = known.round_trip if known.standing is TargetStanding.OK and not custom else None
    return {
        "tunnel": tunnel or None,
        "is": standing_of(known, now).value,
        "rtt_ms": round(round_trip * 1000, 1) if round_trip is not None else None,
        "text": known.text,
        "ago": round(now - known.at, 1) if known.at != NEVER else None,
    }


def uplinks_report(intent: Intent, view: View, now: Instant) -> list[Report]:
    """The uplinks of the hub; `is` is null for those without external targets, of which nothing is known."""
    known: Mapping[str, UplinkView] = uplink_views(intent.hub, view, now)
    return [
        {
            "uplink": name,
            "isp": uplink.isp,
            "interface": uplink.interface,
            "is": known[name].state.value if name in known else None,
            "answering": sorted(known[name].answering) if name in known else [],
            "failing": sorted(known[name].failing) if name in known else [],
            "targets": [check.name for check in uplink.targets],
            "quorum": uplink.quorum,
        }
        for name, uplink in intent.hub.uplinks.items()
    ]


def trouble_of(tunnel: Tunnel, blame: Blame | None) -> Report | None:
    """Whose trouble it is that the tunnel is dead or fails, and that in words; None where it is in none."""
    if blame is None:
        return None
    words = {
        Blame.HUB: "the hub itself: nothing gets through anywhere",
        Blame.HUB_UPLINK: f"the hub's uplink {tunnel.hub_uplink.name}: nothing goes over it",
        Blame.ISP: f"{tunnel.uplink.isp}: several branches have trouble on it at once",
    }
    return {"blame": blame.value, "text": words.get(blame, f"this tunnel's: others over {tunnel.uplink.isp} are well")}
