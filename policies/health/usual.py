"""usual: what round trip is usual on a tunnel, over the last week in which it was up and not degraded.

A histogram with bins of 3 %, in which the weight of what was seen halves with every 3.5 days that are seen after it: a
path that stays changed is the usual one after half a week, as with a sliding window of seven days. Only time that was
measured counts, so nothing ages while a tunnel is degraded or dead, and no calendar is needed over a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, floor, isfinite, log

HALF_LIFE = 3.5 * 86_400
"""Measured seconds after which what was seen weighs half."""
ENOUGH = 600.0
"""Measured seconds before which nothing is called usual."""
_RATIO = log(1.03)
_SHORTEST = 1e-6
MOST_BINS = 40
_LONGEST_TELLING = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Usual:
    """A Usual is the histogram of a tunnel's round trips: bin and weight in seconds, by bin; `seconds` of it in all.

    `rtt` is the median in seconds, None before there is enough. It can be stored: `to_json` and `usual_from_json`.
    """

    weights: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    rtt: float | None = None

    def to_json(self) -> dict[str, object]:
        """As what `json.dumps` takes; some hundred bytes."""
        return {"seconds": round(self.seconds, 1), "weights": {str(bin_): round(w, 1) for bin_, w in self.weights}}


NO_USUAL = Usual()


def learnt(usual: Usual, rtt: float, seconds: float) -> Usual:
    """What is usual after so many more seconds with this median round trip."""
    if seconds <= 0:
        return usual
    fading = exp(-log(2) * seconds / HALF_LIFE)
    weights = {bin_: weight * fading for bin_, weight in usual.weights}
    place = floor(log(max(rtt, _SHORTEST)) / _RATIO)
    weights[place] = weights.get(place, 0.0) + HALF_LIFE / log(2) * (1 - fading)
    while len(weights) > MOST_BINS:
        _drop_lightest(weights)
    return _made(weights, min(usual.seconds + seconds, _LONGEST_TELLING))


def usual_from_json(stored: object) -> Usual:
    """What was stored by `to_json`. Raises ValueError when it is not that: then the tunnel begins to learn anew."""
    parts = stored if isinstance(stored, Mapping) else {}
    try:
        seconds = float(parts["seconds"])
        weights = {int(bin_): float(weight) for bin_, weight in parts["weights"].items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as cause:
        raise ValueError("what is usual on a tunnel: seconds, and weights by bin, in numbers are needed") from cause
    numbers = [seconds, *weights.values()]
    if len(weights) > MOST_BINS or any(not isfinite(number) or number < 0 for number in numbers):
        raise ValueError(f"what is usual on a tunnel: at most {MOST_BINS} bins, no number below zero")
    if any(not -2_000 < bin_ < 2_000 for bin_ in weights):
        raise ValueError("what is usual on a tunnel: there is no such bin")
    return _made(weights, seconds)


def _made(weights: Mapping[int, float], seconds: float) -> Usual:
    kept = tuple(sorted((bin_, weight) for bin_, weight in weights.items() if weight >= 0.05))
    return Usual(kept, seconds, _median(kept) if seconds >= ENOUGH else None)


def _median(weights: tuple[tuple[int, float], ...]) -> float | None:
    """Within its bin by how much of the bin lies below the middle."""
    half = sum(weight for _, weight in weights) / 2
    for bin_, weight in weights:
        if weight >= half:
            return exp((bin_ + (half / weight if weight else 0.5)) * _RATIO)
        half -= weight
    return None


def _drop_lightest(weights: dict[int, float]) -> None:
    """The bin that matters least goes to its neighbour."""
    lightest = min(weights, key=lambda bin_: (weights[bin_], bin_))
    weight = weights.pop(lightest)
    weights[min(weights, key=lambda bin_: (abs(bin_ - lightest), bin_))] += weight
