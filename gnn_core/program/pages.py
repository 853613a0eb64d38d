"""What the program's pages share: one look with the evaluation report, intervals as bars, figures as text.

What belongs here: formatting and drawing that more than one page needs. What does not: what a page says (its own
module), the charts themselves (evaluation/charts.py). A page needs nothing from anywhere else: no script, no image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gnn_core.evaluation import charts
from gnn_core.evaluation.gate import FAIL, INCONCLUSIVE, PASS, percent, signed_percent

MARKS = {PASS: ("Pass", "✓"), FAIL: ("Fail", "✕"), INCONCLUSIVE: ("Inconclusive", "?")}
"""Verdict → (word, mark): a colour never carries a meaning alone."""


def render(template: str, **values: Any) -> str:
    """A page from its template, as one self-contained HTML file."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("gnn_core.program", "templates"), PackageLoader("gnn_core.evaluation", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "percent": percent,
        "signed": signed_percent,
        "rate": rate,
        "usd": usd,
        "interval": interval,
    }
    return environment.get_template(template).render(**values)


def count(value: float) -> str:
    """1234 → "1,234"."""
    return f"{value:,.0f}"


def rate(value: float | None) -> str:
    """A share of small size, a price or nothing: four significant places at most."""
    return "–" if value is None else f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"


def usd(value: float) -> str:
    """Cents where they matter: a step of a small store costs less than one."""
    return f"{value:,.2f}" if value >= 0.995 or value == 0 else f"{value:.4f}"


def interval(lift: Mapping[str, Any]) -> str:
    """ "+8.9% [+3.6%, +14.7%]", or why there is none."""
    if lift["lift"] is None:
        return "no comparison"
    high = "no upper limit" if lift["high"] is None else signed_percent(lift["high"])
    return f"{signed_percent(lift['lift'])} [{signed_percent(lift['low'])}, {high}]"


def bars(lifts: Sequence[Mapping[str, Any]], threshold: float | None) -> tuple[list[Markup], Markup]:
    """Intervals on one axis, and the axis; each lift has `lift`, `low`, `high`, None where there is none."""
    ends = [v for lift in lifts for v in (lift["low"], lift["high"])]
    axis = charts.Axis.around([*ends, threshold], [lift["lift"] for lift in lifts])
    drawn = [
        charts.interval_svg(charts.Bar(lift["lift"], lift["low"], lift["high"]), axis, threshold=threshold)
        for lift in lifts
    ]
    return drawn, charts.axis_svg(axis, threshold=threshold)
