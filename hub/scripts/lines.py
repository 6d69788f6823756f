"""The language between the controller and a script's worker: JSON, one object a line.

    controller  {"load": {"label": "policies/even_out.py", "text": "…"}}
    worker      {"loaded": true}   or   {"slips": [{"line", "column", "text", "mend"}…]}
    controller  {"ask": 7, "network": NETWORK, "branches": [BRANCH…]}
    worker      {"answer": 7, "adjustments": {"bandung": ADJUSTMENT | null…}, "failed": {"bogor": {"line", "text"}…}}
                or   {"answer": 7, "refused": {"line", "text"}}

What a worker says is judged by the controller as if a stranger said it: an answer is taken whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.scripts.examine import Slip
from policies.model.health import HealthState
from policies.model.policy import Metered
from policies.model.view import LivenessState
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation, TunnelSituation
from policies.scripts.judge import nonsense

LONGEST_TEXT = 600
"""Characters of a text that a worker says."""


class RefusedError(ValueError):
    """A line of a worker is not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A Failure is what a script did wrong, and in which of its lines; 0 if that is not known."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is what a script said to one question.

    Every branch asked about is in one of the two; `refused`: the script cannot be believed, and both are empty.
    """

    adjustments: Mapping[str, Adjustment | None] = field(default_factory=dict)
    failed: Mapping[str, Failure] = field(default_factory=dict)
    refused: Failure | None = None


def branch_json(branch: BranchSituation) -> dict[str, Any]:
    """BRANCH."""
    return {
        "name": branch.name,
        "wall": branch.wall.isoformat(),
        "policy": branch.policy,
        "prefer": branch.prefer,
        "metered": branch.metered.value,
        "tunnels": [_tunnel_json(tunnel) for tunnel in branch.tunnels],
    }


def _tunnel_json(tunnel: TunnelSituation) -> dict[str, Any]:
    return {
        "name": tunnel.name,
        "kind": tunnel.kind,
        "isp": tunnel.isp,
        "metered": tunnel.metered,
        "hub_uplink": tunnel.hub_uplink,
        "hub_isp": tunnel.hub_isp,
        "liveness": tunnel.liveness.value,
        "health": tunnel.health.value,
        "loss": tunnel.loss,
        "rtt": tunnel.rtt,
        "jitter": tunnel.jitter,
        "usual_rtt": tunnel.usual_rtt,
        "drained": tunnel.drained,
        "active": tunnel.active,
        "rank": tunnel.rank,
    }


def network_json(network: NetworkSituation) -> dict[str, Any]:
    """NETWORK."""
    return {
        "name": network.name,
        "wall": network.wall.isoformat(),
        "branches": network.branches,
        "on_hub_uplink": dict(network.on_hub_uplink),
        "on_isp": dict(network.on_isp),
    }


def adjustment_json(adjustment: Adjustment | None) -> dict[str, Any] | None:
    """ADJUSTMENT."""
    if adjustment is None:
        return None
    return {
        "reason": adjustment.reason,
        "prefer": adjustment.prefer,
        "metered": adjustment.metered.value if adjustment.metered is not None else None,
        "ignore_degraded": adjustment.ignore_degraded,
    }


def read_branch(said: dict[str, Any]) -> BranchSituation:
    """A BRANCH that the controller wrote."""
    return BranchSituation(
        **{
            **said,
            "wall": datetime.fromisoformat(said["wall"]),
            "prefer": tuple(said["prefer"]),
            "metered": Metered(said["metered"]),
            "tunnels": tuple(_read_tunnel(tunnel) for tunnel in said["tunnels"]),
        }
    )


def _read_tunnel(said: dict[str, Any]) -> TunnelSituation:
    liveness, health = LivenessState(said.pop("liveness")), HealthState(said.pop("health"))
    return TunnelSituation(liveness=liveness, health=health, **said)


def read_network(said: dict[str, Any]) -> NetworkSituation:
    """A NETWORK that the controller wrote."""
    wall, branches = datetime.fromisoformat(said["wall"]), tuple(said["branches"])
    return NetworkSituation(**{**said, "wall": wall, "branches": branches})


def read_loaded(line: bytes) -> tuple[Slip, ...]:
    """What is wrong with a script by its worker's first line; nothing if it was loaded.

    Raises:
        RefusedError: it is no such line.
    """
    said = _object(line)
    if said == {"loaded": True}:
        return ()
    slips = said.get("slips")
    if set(said) != {"slips"} or not isinstance(slips, list) or not slips:
        raise RefusedError("said neither that the script is loaded nor why it is not")
    return tuple(_slip(slip) for slip in slips)


def _slip(said: object) -> Slip:
    if not isinstance(said, dict) or set(said) != {"line", "column", "text", "mend"}:
        raise RefusedError("said what is wrong with the script in a way that is not understood")
    return Slip(_number(said["line"]), _number(said["column"]), _text(said["text"]), _text(said["mend"]))


def read_answer(line: bytes, number: int, asked: Mapping[str, BranchSituation]) -> Answer:
    """The answer to question `number` about the branches `asked`: taken whole.

    Raises:
        RefusedError: it is not an answer to that, or something in it is nonsense.
    """
    said = _object(line)
    if not _is_number(said.get("answer")) or said["answer"] != number:
        raise RefusedError("answered another question than it was asked")
    if "refused" in said:
        return Answer(refused=_failure(said["refused"]))
    adjustments, failed = said.get("adjustments"), said.get("failed")
    if set(said) != {"answer", "adjustments", "failed"}:
        raise RefusedError("answered with other fields than adjustments and failed")
    if not isinstance(adjustments, dict) or not isinstance(failed, dict):
        raise RefusedError("answered with fields that are no maps of branches")
    if len(adjustments) + len(failed) != len(asked) or {*adjustments, *failed} != set(asked):
        raise RefusedError("answered about other branches than it was asked about")
    return Answer(
        {name: _adjustment(adjustment, asked[name]) for name, adjustment in adjustments.items()},
        {name: _failure(failure) for name, failure in failed.items()},
    )


def _adjustment(said: object, branch: BranchSituation) -> Adjustment | None:
    adjustment = read_adjustment(said)
    wrong = nonsense(adjustment, branch)
    if wrong is not None:
        raise RefusedError(f"{branch.name}: adjust {wrong}")
    return adjustment


def read_adjustment(said: object) -> Adjustment | None:
    """An ADJUSTMENT; whether its names are known is not looked at.

    Raises:
        RefusedError: it is none.
    """
    if said is None:
        return None
    if not isinstance(said, dict) or set(said) != {"reason", "prefer", "metered", "ignore_degraded"}:
        raise RefusedError("an adjustment has not its four fields")
    prefer, metered, ignore = said["prefer"], said["metered"], said["ignore_degraded"]
    if prefer is not None and not (isinstance(prefer, list) and all(isinstance(name, str) for name in prefer)):
        raise RefusedError("an adjustment has a prefer that is no list of names")
    if not isinstance(ignore, bool):
        raise RefusedError("an adjustment has an ignore_degraded that is neither true nor false")
    try:
        wanted = None if metered is None else Metered(metered)
    except ValueError:
        raise RefusedError("an adjustment has an unknown metered") from None
    return Adjustment(
        reason=_text(said["reason"]),
        prefer=None if prefer is None else tuple(prefer),
        metered=wanted,
        ignore_degraded=ignore,
    )


def _failure(said: object) -> Failure:
    if not isinstance(said, dict) or set(said) != {"line", "text"}:
        raise RefusedError("said what failed in a way that is not understood")
    return Failure(_number(said["line"]), _text(said["text"]))


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise RefusedError("said what is no JSON") from None
    if not isinstance(said, dict):
        raise RefusedError("said what is no JSON object")
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise RefusedError("gave a line that is no number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedError("gave a text that is none")
    short = value[:LONGEST_TEXT]
    return short if short.isprintable() else "".join(char if char.isprintable() else " " for char in short)
