"""The evaluation report: one HTML file that an owner understands in twenty seconds and an engineer can check.

What belongs here: wording, order and formatting. What does not: figures (comparison.py), drawing (charts.py,
curves.py), where the file goes (the asset that writes it). The page needs nothing from anywhere else: no script, no
font, no image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gnn_core.evaluation import charts
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.comparison import PRIMARY, Comparison
from gnn_core.evaluation.evaluate import STAGES
from gnn_core.evaluation.gate import FAIL, INCONCLUSIVE, PASS, GateVerdict, percent, signed_percent
from gnn_core.evaluation.names import label, phrase
from gnn_core.evaluation.report_data import ReportData
from gnn_core.scoring.tiers import TIERS

GROUPS = {
    "tier:cold": "Cold: no event before",
    "tier:warm": "Warm: only looked",
    "tier:hot": "Hot: cart or order",
    "origin:organic": "Came by themselves",
    "origin:email": "Came from an e-mail",
}
STAGE_LABELS = {"before": "Full ranking, before the business rules", "after": "E-mail list, after the business rules"}
_VERDICT = {PASS: ("Pass", "✓"), FAIL: ("Fail", "✕"), INCONCLUSIVE: ("Inconclusive", "?")}


def render_report(data: ReportData) -> str:
    """The report as one self-contained HTML page."""
    environment = Environment(
        loader=PackageLoader("gnn_core.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "percent": percent,
        "signed": signed_percent,
        "figure": _figure,
        "bare": _bare,
        "number": _number,
        "day": _day,
        "windows": _windows,
    }
    return environment.get_template("report.html.j2").render(
        data=data,
        label=label,
        phrase=phrase,
        verdict=_verdict_view(data),
        publication=_publication(data),
        others=[_judged_view(data, name) for name in data.verdicts if name != data.selection.candidate],
        stages=[_stage_view(data.comparison, stage, data) for stage in STAGES],
        forest=_forest(data.comparison, data),
        beside=_beside_smoother(data),
        groups=_groups(data),
        group_models=_group_models(data),
        alpha_chart=_alpha(data),
        training_chart=_training(data),
        diversity=data.diversity,
        tiers=[(tier, data.users_by_tier.get(tier, 0)) for tier in TIERS],
        drops=sorted(data.drops, key=lambda d: (d.table, -d.rows)),
    )


@dataclass(frozen=True)
class _Verdict:
    word: str
    mark: str
    style: str
    title: str
    next_step: str
    bar: Markup
    axis: Markup


def _verdict_view(data: ReportData) -> _Verdict:
    verdict = data.decision
    word, mark = _VERDICT[verdict.verdict]
    axis = _verdict_axis(data)
    return _Verdict(
        word=word,
        mark=mark,
        style=verdict.verdict,
        title=_title(verdict, data),
        next_step=_next_step(verdict),
        bar=charts.interval_svg(_bar(verdict), axis, threshold=verdict.threshold, height=34),
        axis=charts.axis_svg(axis, threshold=verdict.threshold),
    )


def _title(verdict: GateVerdict, data: ReportData) -> str:
    candidate, baseline = phrase(data.selection.candidate), phrase(data.comparison.baseline)
    if verdict.verdict == PASS:
        return f"{_first_upper(candidate)} is better than {baseline} by enough to replace it."
    if verdict.verdict == FAIL:
        return f"{_first_upper(candidate)} is not better than {baseline} by enough to replace it."
    if verdict.invalid:
        return "The comparison is not valid, so there is no answer."
    return f"The data do not decide whether {candidate} is better than {baseline}."


def _next_step(verdict: GateVerdict) -> str:
    if verdict.verdict == PASS:
        return "An e-mail experiment (gate 2) shows whether customers click more. Passing here does not prove that."
    if verdict.verdict == FAIL:
        return (
            "Stop and write down what was learned; consider using the graph for product similarity alone (plan 2B), "
            "which adds to SQL and replaces nothing."
        )
    if verdict.invalid:
        return "Correct what made the comparison invalid, and evaluate again."
    return "Evaluate again when more weeks of data are there, or judge several windows together."


def _publication(data: ReportData) -> dict[str, str]:
    """What this week's table holds, and for whom."""
    candidate, baseline = phrase(data.selection.candidate), phrase(data.comparison.baseline)
    everyone = f"for all {_count(data.users)} customers"
    if not data.decision.passed:
        what, whom = baseline, f"{everyone}, as before. Nothing new is promoted."
    elif data.served_share == 0:
        what = baseline
        whom = (
            f"{everyone}. {_first_upper(candidate)} is promoted, but serving.hybrid_share = 0 serves it to nobody yet."
        )
    elif data.served_share == 1:
        what, whom = candidate, f"{everyone}."
    else:
        what = candidate
        whom = f"for {percent(data.served_share)} of the {_count(data.users)} customers, {baseline} for the others."
    return {"what": _first_upper(what), "whom": whom}


def _judged_view(data: ReportData, name: str) -> dict[str, Any]:
    verdict = data.verdicts[name]
    word, mark = _VERDICT[verdict.verdict]
    bar = charts.interval_svg(_bar(verdict), _verdict_axis(data), threshold=verdict.threshold, height=34)
    return {"name": label(name), "word": word, "mark": mark, "style": verdict.verdict, "verdict": verdict, "bar": bar}


def _verdict_axis(data: ReportData) -> charts.Axis:
    verdicts = data.verdicts.values()
    ends = [v for verdict in verdicts for v in (verdict.low, verdict.high, verdict.threshold)]
    return charts.Axis.around(ends, [verdict.lift for verdict in verdicts])


def _bar(verdict: GateVerdict) -> charts.Bar:
    # An invalid comparison is not interpreted, so it is not drawn either.
    return charts.Bar(None, None, None) if verdict.invalid else charts.Bar(verdict.lift, verdict.low, verdict.high)


def _stage_view(comparison: Comparison, stage: str, data: ReportData) -> dict[str, Any]:
    metrics = list(dict.fromkeys(key[2] for key in comparison.lifts))
    rows = [
        {
            "model": model,
            "cells": [_cell(comparison.lift(model, stage=stage, metric=metric)) for metric in metrics],
            "of_all": comparison.recall_of_all[model],
        }
        for model in _ordered(comparison, data)
    ]
    heads = [{"name": _metric_label(m), "gate": m == PRIMARY} for m in metrics]
    return {"stage": stage, "label": STAGE_LABELS[stage], "heads": heads, "rows": rows}


def _ordered(comparison: Comparison, data: ReportData) -> list[str]:
    """Baseline first, then what is judged, then the others from best to worst."""
    first = [comparison.baseline, data.selection.candidate, *data.verdicts]
    rest = sorted(comparison.models, key=lambda m: -comparison.lift(m).model_mean)
    return [m for m in dict.fromkeys([*first, *rest]) if m in comparison.models]


def _forest(comparison: Comparison, data: ReportData) -> dict[str, Any]:
    lifts = {m: comparison.lift(m) for m in _ordered(comparison, data) if m != comparison.baseline}
    roles = comparison.table.query("stage == 'before' and group == 'all' and metric == @PRIMARY").set_index("model")
    rows = _bars(lifts, data.decision.threshold)
    for row in rows["rows"]:
        row["p_holm"] = None if pd.isna(p := roles.loc[row["model"], "p_holm"]) else float(p)
    return rows


def _beside_smoother(data: ReportData) -> dict[str, Any]:
    return _bars(data.against_smoother, None)


def _bars(lifts: Mapping[str, Lift], threshold: float | None) -> dict[str, Any]:
    """Rows of a forest plot on one axis."""
    ends = [v for lift in lifts.values() for v in (lift.low, lift.high)]
    axis = charts.Axis.around([*ends, threshold], [lift.estimate for lift in lifts.values()])
    rows = [
        {
            "model": model,
            "lift": lift,
            "mean": lift.model_mean,
            "sign": _sign(lift),
            "bar": charts.interval_svg(charts.Bar(lift.estimate, lift.low, lift.high), axis, threshold=threshold),
        }
        for model, lift in lifts.items()
    ]
    return {"rows": rows, "axis": charts.axis_svg(axis, threshold=threshold)}


def _group_models(data: ReportData) -> list[str]:
    wanted = [data.comparison.baseline, data.selection.candidate, *data.verdicts, "smoother"]
    return [m for m in dict.fromkeys(wanted) if m in data.comparison.models]


def _groups(data: ReportData) -> list[dict[str, Any]]:
    comparison = data.comparison
    there = {key[1] for key in comparison.lifts}
    corrected = comparison.table.query("stage == 'before' and metric == @PRIMARY").set_index(["group", "model"])[
        "p_holm"
    ]
    rows = []
    for group in (g for g in GROUPS if g in there):
        cells = []
        for model in _group_models(data):
            p_holm = corrected[group, model]
            cells.append(_cell(comparison.lift(model, group=group)) | {"p_holm": None if pd.isna(p_holm) else p_holm})
        size = comparison.lift(comparison.baseline, group=group)
        rows.append({"name": GROUPS[group], "cells": cells, "users": size.n_users, "hits": size.n_baseline_hits})
    return rows


def _cell(lift: Lift) -> dict[str, Any]:
    return {"mean": lift.model_mean, "lift": lift, "sign": _sign(lift)}


def _sign(lift: Lift) -> str:
    """`up` or `down` when the interval excludes 0, `same` when it does not, `none` when there is none."""
    if lift.estimate is None or lift.low is None:
        return "none"
    if lift.low > 0:
        return "up"
    return "down" if lift.high is not None and lift.high < 0 else "same"


def _alpha(data: ReportData) -> Markup:
    from gnn_core.evaluation import curves  # brings matplotlib

    chosen = data.selection
    return curves.alpha_chart(chosen.alpha_curve, chosen.alpha, chosen.recalls["smoother"], label(chosen.baseline))


def _training(data: ReportData) -> Markup | None:
    from gnn_core.evaluation import curves

    steps = [(s.step, s.loss, s.validation_recall_at_10) for s in data.training]
    return curves.training_chart(steps, data.best_step) if steps else None


def _metric_label(metric: str) -> str:
    kind, _, k = metric.rpartition("_")
    names = {"recall": "Recall", "hit_rate": "Hit rate", "ndcg": "NDCG"}
    return f"{names[kind]}@{k}" if kind else metric.upper()


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float) -> str:
    """A quantity of any size: 0.5, 9,000, 100,000."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _day(moment: str) -> Markup:
    """The date of an ISO moment, never broken across lines."""
    return Markup('<span class="day">{}</span>').format(moment[:10])


def _windows(text: str) -> Markup:
    """A text with the names of cuts (`validation_2026-05-02`) said as a reader would."""
    return Markup(re.sub(r"\b(validation|test)_([0-9-]{10})\b", _spoken, str(escape(text))))


def _spoken(name: re.Match[str]) -> str:
    return f"the {name[1]} window from {_day(name[2])}"


def _bare(share: float) -> str:
    """0.0512 → "+5.1": a percentage in a table that says so."""
    return signed_percent(share).removesuffix("%")


def _figure(value: float | None) -> str:
    """A metric: three significant places, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}" if value >= 0.0995 or value == 0 else f"{value:.4f}"


def figures_frame(data: ReportData) -> pd.DataFrame:
    """Every figure as rows, ready for Parquet: columns of `Comparison.table`, with store and date."""
    return data.comparison.table.assign(store=data.store, as_of=data.as_of)
