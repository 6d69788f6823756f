"""What is told of the probes of one tunnel; `samples` of docs/reference/sockets.md."""

from __future__ import annotations

from hub.control.lines import Message
from hub.forwarder.health.fates import News


def samples(tunnel: str, news: News, *, burst: bool = False, last: bool = False) -> Message:
    """One member of a `samples` line; `last`: a burst is over with it."""
    return {
        "tunnel": tunnel,
        "begins": round(news.begins / 1e9, 6),
        "ends": round(news.ends / 1e9, 6),
        "sent": news.sent,
        "lost": news.lost,
        "rtt_ms": [round(took / 1e6, 3) for took in news.round_trips],
        **({"late_ms": [round(took / 1e6, 3) for took in news.late]} if news.late else {}),
        **({"burst": True} if burst else {}),
        **({"last": True} if last else {}),
    }
