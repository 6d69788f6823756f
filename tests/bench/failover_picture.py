"""The distributions as a picture: SVG, a dot a cut, a line at the median, a band for its interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from failover_figures import median_of

WIDTH, ROW, LEFT, TOP, GAP = 900, 34, 150, 46, 60
SMALLEST = 1.0
"""Milliseconds at the left end; what is shorter stands there."""
_STYLE = "text{font:13px sans-serif;fill:#222}.small{font-size:11px;fill:#666}.grid{stroke:#ddd}.median{stroke:#c22}"


def picture(title: str, panels: Mapping[str, Mapping[str, Sequence[float]]], seed: int) -> str:
    """An SVG document: one panel a direction, one row a hub, milliseconds on a logarithmic scale."""
    highest = max((value for rows in panels.values() for values in rows.values() for value in values), default=1.0)
    scale = _Scale(10 ** math.ceil(math.log10(max(highest, 10 * SMALLEST))))
    body, y = [f'<text x="10" y="22">{escape(title)}</text>'], TOP
    for name, rows in panels.items():
        body += _panel(name, rows, scale, y, seed)
        y += ROW * len(rows) + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
    background = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", background, *body, "</svg>"]) + "\n"


class _Scale:
    """Milliseconds to the right."""

    def __init__(self, highest: float) -> None:
        self._decades = math.log10(highest / SMALLEST)
        self.marks = [SMALLEST * 10**power for power in range(round(self._decades) + 1)]

    def x(self, value: float) -> float:
        share = math.log10(max(value, SMALLEST) / SMALLEST) / self._decades
        return LEFT + share * (WIDTH - LEFT - 30)


def _panel(name: str, rows: Mapping[str, Sequence[float]], scale: _Scale, y: float, seed: int) -> Iterator[str]:
    bottom = y + 12 + ROW * len(rows)
    yield f'<text x="10" y="{y + 6}" font-weight="bold">{escape(name)}</text>'
    for mark in scale.marks:
        x = scale.x(mark)
        yield f'<line class="grid" x1="{x:.1f}" y1="{y + 12}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{mark:g} ms</text>'
    for position, (hub, values) in enumerate(rows.items()):
        yield from _row(hub, values, scale, y + 12 + ROW * position, seed)


def _row(hub: str, values: Sequence[float], scale: _Scale, y: float, seed: int) -> Iterator[str]:
    yield f'<text x="10" y="{y + ROW / 2 + 4}">{escape(hub)}</text>'
    if not values:
        return
    median = median_of(values, seed)
    low, high, at = scale.x(median.low), scale.x(median.high), scale.x(median.value)
    wide, tall = max(high - low, 1), ROW - 8
    yield f'<rect x="{low:.1f}" y="{y + 4}" width="{wide:.1f}" height="{tall}" fill="#c22" opacity="0.2"/>'
    for number, value in enumerate(values):
        dot = y + 8 + (number * 7 % 19) * (ROW - 16) / 18
        yield f'<circle cx="{scale.x(value):.1f}" cy="{dot:.1f}" r="2.2" fill="#247" opacity="0.6"/>'
    yield f'<line class="median" x1="{at:.1f}" y1="{y + 3}" x2="{at:.1f}" y2="{y + ROW - 3}"/>'
