"""Curves of the report, drawn with matplotlib: who imports this waits for it, which the other pages need not.

What belongs here: drawing. What does not: bars (charts.py), which figures are drawn (report.py).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gnn_core.evaluation.charts import BLUE, GREEN, GRID, INK, ORANGE, SOFT

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "gnn",  # the same figure gives the same bytes
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
}
_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
"""Behind a label, so that it can be read where it crosses a line."""


def alpha_chart(curve: Sequence[tuple[float, float]], chosen: float, smoother: float, baseline_label: str) -> Markup:
    """Recall@10 on validation against α, with the chosen one marked and the smoother as a level."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure()
        alphas, recalls = [a for a, _ in curve], [r for _, r in curve]
        axes.plot(alphas, recalls, color=BLUE, marker="o", markersize=5, linewidth=2)
        axes.axhline(smoother, color=GREEN, linestyle=(0, (4, 3)), linewidth=1.5)
        axes.annotate(
            "smoother", (0.99, smoother), xycoords=("axes fraction", "data"), xytext=(0, 4),
            textcoords="offset points", ha="right", color=GREEN, fontsize=10, bbox=_PLATE,
        )  # fmt: skip
        best = dict(curve)[chosen]
        axes.plot([chosen], [best], marker="o", markersize=12, markerfacecolor="none", markeredgecolor=ORANGE, mew=2)
        axes.annotate(
            # In the margin above everything that is drawn, so that it crosses no line.
            f"chosen: α = {chosen:g}", (chosen, 0.98), xycoords=("data", "axes fraction"), va="top",
            ha="left" if chosen < 0.3 else "right" if chosen > 0.7 else "center", color=ORANGE, fontsize=10,
        )  # fmt: skip
        axes.margins(y=0.25)
        axes.set_xlabel(f"α:  0 = graph alone  …  1 = {baseline_label} alone")
        axes.set_ylabel("Recall@10 on validation")
        return _image(figure, f"Recall@10 on validation for {len(curve)} values of alpha; chosen {chosen:g}")


def training_chart(steps: Sequence[tuple[int, float | None, float | None]], best_step: int) -> Markup:
    """Loss and validation Recall@10 by training step, one above the other, with the kept step marked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True)
        for axes, column, colour, label in ((upper, 2, BLUE, "Recall@10\non validation"), (lower, 1, SOFT, "loss")):
            points = [(s[0], value) for s in steps if (value := s[column]) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=2, marker="o", markersize=3)
            axes.axvline(best_step, color=ORANGE, linestyle=(0, (4, 3)), linewidth=1.5)
            axes.set_ylabel(label)
            axes.margins(y=0.15)
        late = best_step > 0.7 * max(s[0] for s in steps)
        lower.annotate(  # below a falling curve there is room
            f"kept: step {best_step}", (best_step, 0), xycoords=("data", "axes fraction"),
            xytext=(-4 if late else 4, 4), textcoords="offset points", va="bottom",
            ha="right" if late else "left", color=ORANGE, fontsize=10, bbox=_PLATE,
        )  # fmt: skip
        lower.set_xlabel("training step")
        return _image(figure, f"Validation recall and loss by training step; step {best_step} was kept")


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _image(figure: Figure, alt: str) -> Markup:
    """An <img> that carries its own SVG: its ids cannot clash with those of another picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img class="chart" alt="{}" src="data:image/svg+xml;base64,{}">').format(alt, Markup(encoded))
