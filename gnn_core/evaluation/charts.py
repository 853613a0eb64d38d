"""Intervals as bars of plain SVG, and the colours of all pictures. Nothing is fetched from anywhere.

What belongs here: drawing without a library. What does not: curves (curves.py), which figures are drawn (report.py).
Colours differ for any kind of colour vision, and never carry a meaning alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gnn_core.evaluation.gate import signed_percent

INK, SOFT, GRID = "#1f2933", "#616e7c", "#e4e7eb"
BLUE, ORANGE, GREEN = "#0b6e99", "#b4530a", "#2a7f62"


@dataclass(frozen=True)
class Axis:
    """A horizontal axis of relative lifts; positions come out in percent of the width."""

    low: float
    high: float

    @classmethod
    def around(cls, ends: Sequence[float | None], estimates: Sequence[float | None], *, cap: float = 2.0) -> Axis:
        """An axis that holds 0, every estimate, and the ends of intervals up to `cap`, so that one wild interval does
        not flatten the rest. A dot at the frame would be read as a figure that nobody measured."""
        known = [0.0, *(v for v in estimates if v is not None)]
        known += [max(-1.0, min(cap, v)) for v in ends if v is not None]
        pad = 0.08 * max(max(known) - min(known), 0.05)
        return cls(min(known) - pad, max(known) + pad)

    def x(self, value: float) -> float:
        """Position in percent, held within the frame."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers within the axis, zero among them."""
        step = 10 ** math.floor(math.log10((self.high - self.low) / most))
        step = next(step * m for m in (1, 2, 2.5, 5, 10, 20) if (self.high - self.low) / (step * m) <= most)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(i * step, 10) for i in range(first, last + 1)]


@dataclass(frozen=True)
class Bar:
    """One interval with its estimate; None where it does not exist."""

    estimate: float | None
    low: float | None
    high: float | None
    colour: str = BLUE


def interval_svg(bar: Bar, axis: Axis, *, threshold: float | None, height: int = 26) -> Markup:
    """One row of a forest plot: the interval as a line, with an arrow where it goes on beyond the frame, the
    estimate as a dot, 0 and τ as uprights."""
    middle = height / 2
    parts = [_upright(axis.x(0), 0, height, INK, "")]
    if threshold is not None:
        parts.append(_upright(axis.x(threshold), 0, height, ORANGE, "4 3"))
    if bar.estimate is not None and bar.low is not None:
        left, right = axis.x(bar.low), axis.x(axis.high if bar.high is None else bar.high)
        parts.append(
            f'<line x1="{left}%" x2="{right}%" y1="{middle}" y2="{middle}" stroke="{bar.colour}" stroke-width="5" '
            'stroke-linecap="round" opacity="0.45"/>'
        )
        if bar.high is None or bar.high > axis.high:
            parts.append(_text(100, middle + 4, "▸", bar.colour))  # it goes on beyond the frame
        parts.append(f'<circle cx="{axis.x(bar.estimate)}%" cy="{middle}" r="5.5" fill="{bar.colour}"/>')
        label = f"{signed_percent(bar.estimate)}, between {signed_percent(bar.low)} and {_high(bar.high)}"
    else:
        label = "no interval"
    return _svg(parts, height, label)


def axis_svg(axis: Axis, *, threshold: float | None, height: int = 34) -> Markup:
    """The scale under a forest plot, with the threshold named on a line of its own."""
    parts = []
    for tick in axis.ticks():
        parts.append(_upright(axis.x(tick), 0, 4, SOFT, ""))
        parts.append(_text(axis.x(tick), 16, "0" if tick == 0 else signed_percent(tick).replace(".0%", "%"), SOFT))
    if threshold is not None:
        parts.append(
            _text(axis.x(threshold), 31, f"asked for: {signed_percent(threshold).replace('.0%', '%')}", ORANGE)
        )
    return _svg(parts, height, "scale")


def _svg(parts: Sequence[str], height: int, label: str) -> Markup:
    body = Markup("".join(parts))  # built above from numbers and escaped text
    return Markup('<svg class="bar" role="img" aria-label="{}" width="100%" height="{}">{}</svg>').format(
        label, height, body
    )


def _upright(x: float, top: float, bottom: float, colour: str, dash: str) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x}%" x2="{x}%" y1="{top}" y2="{bottom}" stroke="{colour}" stroke-width="1.5"{dashed}/>'


def _text(x: float, y: float, text: str, colour: str) -> str:
    anchor = "start" if x < 4 else "end" if x > 96 else "middle"
    return str(
        Markup('<text x="{}%" y="{}" fill="{}" font-size="12" text-anchor="{}">{}</text>').format(
            x, y, colour, anchor, text
        )
    )


def _high(value: float | None) -> str:
    return "no upper limit" if value is None else signed_percent(value)
