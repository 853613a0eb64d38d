"""Small charts for asset metadata, as PNG. The report has its own (gnn_core/evaluation/curves.py)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f5fa8", "#c8641e", "#6b7280"


def training_curves(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """Loss and validation Recall@10 by step, a line a fit."""
    figure = _figure(8, 3)
    loss, recall = figure.subplots(1, 2)
    for name, history in histories.items():
        measured = [e for e in history if e["loss"] is not None]
        loss.plot([e["step"] for e in measured], [e["loss"] for e in measured], label=name)
        judged = [e for e in history if e["validation_recall_at_10"] is not None]
        if judged:
            recall.plot([e["step"] for e in judged], [e["validation_recall_at_10"] for e in judged], label=name)
    loss.set(title="training loss", xlabel="step")
    recall.set(title="validation Recall@10", xlabel="step")
    loss.legend(fontsize=7, frameon=False)
    return _png(figure)


def alpha_curve(curve: Sequence[tuple[float, float]], chosen: float) -> bytes:
    """Validation Recall@10 over α; α = 1 is SQL alone."""
    figure = _figure(5, 3)
    axes = figure.subplots()
    axes.plot([a for a, _ in curve], [r for _, r in curve], marker="o", color=BLUE)
    axes.axvline(chosen, color=ORANGE, linestyle="--", label=f"chosen α = {chosen:g}")
    axes.set(title="validation Recall@10", xlabel="α: 0 = graph alone, 1 = SQL alone")
    axes.legend(frameon=False)
    return _png(figure)


def histogram(values: np.ndarray, label: str) -> bytes:
    """Distribution of a value."""
    figure = _figure(5, 2.5)
    axes = figure.subplots()
    axes.hist(values, bins=40, color=BLUE)
    axes.set(xlabel=label, ylabel="rows")
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches. Made without pyplot, so it asks for no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110)


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
    figure.tight_layout()
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
