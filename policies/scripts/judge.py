"""Whether what a script returned is an adjustment that can be taken; said in words when it is not."""

from __future__ import annotations

from policies.model.kinds import CHEAPEST, KINDS
from policies.model.policy import Metered
from policies.scripts.api import Adjustment, BranchSituation

LONGEST_REASON = 200
"""Characters."""
LONGEST_PREFER = 64


def nonsense(returned: object, branch: BranchSituation) -> str | None:
    """What is wrong with what `adjust` returned for this branch; None if it can be taken as it is."""
    if returned is None:
        return None
    if not isinstance(returned, Adjustment):
        return f"returned {_kind_of(returned)}, not an Adjustment or None"
    if (wrong := _wrong_reason(returned.reason)) is not None:
        return wrong
    if (wrong := _wrong_metered(returned.metered) or _wrong_ignore(returned.ignore_degraded)) is not None:
        return wrong
    return _wrong_prefer(returned.prefer, branch)


def _wrong_metered(metered: object) -> str | None:
    if metered is None or isinstance(metered, Metered):
        return None
    return f"returned metered as {_kind_of(metered)}: write Metered.ALLOWED, for example"


def _wrong_ignore(ignore: object) -> str | None:
    return None if isinstance(ignore, bool) else f"returned ignore_degraded as {_kind_of(ignore)}, not True or False"


def _wrong_reason(reason: object) -> str | None:
    if not isinstance(reason, str) or not reason.strip():
        return "returned an Adjustment without a reason: say why in a few words"
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        return f"returned a reason that is not one line of at most {LONGEST_REASON} characters"
    return None


def _wrong_prefer(prefer: object, branch: BranchSituation) -> str | None:
    if prefer is None:
        return None
    if not isinstance(prefer, tuple):
        return f'returned prefer as {_kind_of(prefer)}, not a tuple: write ("fiber", "lte")'
    if not prefer or len(prefer) > LONGEST_PREFER:
        return f"returned prefer with {len(prefer)} names: give 1 to {LONGEST_PREFER}, or None"
    known = {tunnel.name for tunnel in branch.tunnels} | {*KINDS, CHEAPEST}
    for name in prefer:
        if not isinstance(name, str):
            return f"returned prefer with {_kind_of(name)} in it, not only names"
        if name not in known:
            return f'returned prefer with "{_shown(name)}", which is no tunnel of {branch.name} and no kind of uplink'
    return None


def _kind_of(value: object) -> str:
    return f"a {type(value).__name__}"[:60]


def _shown(name: str) -> str:
    short = name[:40]
    return short if short.isprintable() else ascii(short)[1:-1]
