"""figures: sizes and measures in words, in the unit and with the digits in which they are read."""

from __future__ import annotations

from policies.model.health import Metric


def size_words(size: float) -> str:
    """Bytes like `812 kB`, `3.1 GB`; units are of 1000, as ISPs count."""
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 0.9995 * 10**power:
            return f"{size / 10**power:.3g} {unit}" if size < 999.5 * 10**power else f"{size / 10**power:.0f} {unit}"
    return f"{size:.0f} B"


def metric_words(metric: Metric, value: float) -> str:
    """A share of probes like `6.2 %`, seconds like `8.4 ms` or `31 ms`."""
    if metric is Metric.LOSS:
        return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"
    return f"{1000 * value:.2g} ms" if value < 0.00995 else f"{1000 * value:.0f} ms"
