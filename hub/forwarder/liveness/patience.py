"""How long a silence is borne when it may be our own."""

from __future__ import annotations

from hub.forwarder.loop import Loop

_MOST_FRESH = 2
"""Detection times beyond the first that stalls may add: a loop that is always late must come to a verdict too."""


def patience_ends(loop: Loop, silent_since: int, due: int, detection_time: int) -> int:
    """When a silence that would be a death at `due` is one, given when this process was kept from running.

    A short stall adds its own length. One that is so long that packets may have been lost in it (half an interval of
    the usual three) is followed by a fresh, full detection time: whoever sent meanwhile to a machine that stood still
    has to be heard anew.
    """
    late = due + loop.stalled_since(silent_since, detection_time)
    slept_until = loop.slept_until(silent_since, detection_time // 6)
    if not slept_until:
        return late
    return max(late, min(slept_until + detection_time, silent_since + (1 + _MOST_FRESH) * detection_time))
