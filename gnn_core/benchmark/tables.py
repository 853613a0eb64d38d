"""The report as tables of text, and as Markdown: what the command prints and what the documents hold.

What belongs here: rows, columns, number formats. What does not: figures (figures.py), verdicts (targets.py), colours
(the command line).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnn_core.benchmark.cells import Made
from gnn_core.benchmark.figures import ALL, BEST_PEER, BEST_SIMPLE, METRICS, SQL_INTENT, CellFigures, Figures
from gnn_core.benchmark.spec import WARM
from gnn_core.benchmark.targets import Row
from gnn_core.benchmark.variants import SQL
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.gate import signed_percent
from gnn_core.evaluation.names import label

_NAMES = {
    SQL: "SQL, chosen on validation",
    BEST_SIMPLE: "best simple model, chosen on validation",
    BEST_PEER: "best peer, chosen on validation",
}
_WIDE_ONLY = {
    *("Recall@1", "Recall@4", "Recall@5", "Recall@10", "Recall@20", "HR@10", "NDCG@20", "over Smoother"),
    *("CPU seconds", "of which added"),
    *("kinds of users", "top product's share", "… per vehicle (median)", "vehicles with one vector"),
}
_HEADS = {"recall": "Recall", "hit": "HR", "ndcg": "NDCG"}


@dataclass(frozen=True)
class Table:
    """A titled table of text; the first column is left-aligned."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    main: str = ""
    """A column that no narrowing takes away."""

    def narrow(self) -> Table:
        """The table for a terminal: without the columns that only the documents need."""
        kept = [i for i, name in enumerate(self.columns) if name == self.main or name not in _WIDE_ONLY]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)


def report_tables(figures: Figures, made: Made, targets: Sequence[Row]) -> list[Table]:
    """Targets, then each cell's quality, tiers, costs and collapse; failures last, if any."""
    found = [targets_table(targets)]
    cells = [*figures.cells.values(), *([figures.pooled] if figures.pooled else []), *figures.shuffled.values()]
    for cell in cells:
        found += [quality_table(cell, figures, group) for group in cell.n_users]
    found += [cost_table(figures, made), collapse_table(figures, made)]
    if made.failures:
        rows = tuple((spec.cell, str(spec.seed), model, why) for (spec, model), why in sorted(made.failures.items()))
        found.append(Table("Models that refused", ("data", "seed", "model", "reason"), rows))
    return [table for table in found if table.rows]


def targets_table(targets: Sequence[Row]) -> Table:
    """Must, goal, reached, verdict."""
    rows = tuple((r.data, r.measure, r.must, r.goal, r.reached or "–", r.verdict) for r in targets)
    return Table("Targets of the graph model", ("data", "measure", "must", "goal", "reached", "verdict"), rows)


def quality_table(cell: CellFigures, figures: Figures, group: str = ALL) -> Table:
    """Every metric of every model, and lifts of the primary metric with intervals."""
    intent = (SQL_INTENT,) if cell.kind == WARM else ()
    first = ("popularity",) if SQL not in cell.models or cell.cell in figures.shuffled else ()
    references = [r for r in (*first, SQL, *intent, "smoother", BEST_SIMPLE, BEST_PEER) if r in cell.models]
    claimed = SQL if SQL in cell.models else "popularity"
    rows = []
    for model in cell.models:
        if model in _NAMES:
            continue
        values = [f"{cell.means[group, model, metric]:.4f}" for metric in METRICS]
        lifts = [lift_text(cell.lifts.get((group, model, reference, cell.metric))) for reference in references]
        p = figures.p_holm.get((cell.cell, model, claimed)) if group == ALL else None
        rows.append((label(model), *values, *lifts, "" if p is None else f"{p:.3f}"))
    heads = tuple(_head(metric) for metric in METRICS)
    over = tuple(f"over {label(r) if r not in _NAMES else _NAMES[r].split(',')[0]}" for r in references)
    stands = "; ".join(f"{_NAMES[name]}: {', '.join(dict.fromkeys(which))}" for name, which in cell.stands_for.items())
    of_all = (
        f" Recall@10 with the unreachable in the denominator: {_of_all(cell)}." if cell.of_all and group == ALL else ""
    )
    title = cell.cell if group == ALL else f"{cell.cell}, {group} users"
    seeds = f"{len(cell.seeds)} seed{'s' if len(cell.seeds) != 1 else ''}"
    spread = _spread(cell) if group == ALL and cell.seed_means and len(cell.seeds) > 1 else ""
    left_out = f" Left out, since a seed is missing: {', '.join(map(label, cell.lacking))}." if cell.lacking else ""
    note = (
        f"{cell.n_users[group]:,d} users, {seeds}; lifts of {_head(cell.metric)}. {stands}.{of_all}{spread}{left_out}"
    )
    return Table(title, ("model", *heads, *over, "p (Holm)"), tuple(rows), note.replace(" .", ""), _head(cell.metric))


def cost_table(figures: Figures, made: Made) -> Table:
    """Seconds and memory of each model, mean over seeds; choosing, fitting and judging together."""
    rows = []
    for name, cell in (figures.cells | figures.shuffled).items():
        for model in (m for m in cell.models if m not in _NAMES):
            facts = [r.facts for (spec, m), r in sorted(made.results.items()) if spec.cell == name and m == model]
            mean = {
                key: sum(f[key] for f in facts) / len(facts)
                for key in ("seconds", "cpu_seconds", "peak_mb", "start_mb")
            }
            added = mean["peak_mb"] - mean["start_mb"]
            devices = "; ".join(dict.fromkeys(f["device"] for f in facts))
            chosen = "; ".join(dict.fromkeys(_chosen(f["chosen"]) for f in facts if f["chosen"]))
            numbers = (
                f"{mean['seconds']:.1f}",
                f"{mean['cpu_seconds']:.1f}",
                f"{mean['peak_mb']:,.0f}",
                f"{added:,.0f}",
            )
            rows.append((name, label(model), *numbers, devices, chosen))
    columns = ("data", "model", "seconds", "CPU seconds", "peak MB", "of which added", "device", "chosen on validation")
    note = (
        "Means over seeds. Peak: of the process, which holds the store and may have held other models before; added: "
        "beyond what it had held until then, so that a model which fits into what an earlier one left adds nothing."
    )
    return Table("Costs: choosing, fitting and judging", columns, tuple(rows), note)


def collapse_table(figures: Figures, made: Made) -> Table:
    """Whether models give everyone the same; the first seed's newest window."""
    keys = (
        "distinct_lists",
        "coverage",
        "top_product_share",
        "popularity_percentile",
        "distinct_vectors",
        "median_distinct_vectors_per_vehicle",
        "vehicles_with_one_vector",
        "mean_cosine",
    )
    rows = []
    for (spec, model), result in sorted(made.results.items()):
        if spec.cell in figures.cells and spec.seed == figures.cells[spec.cell].seeds[0]:
            report = result.facts["collapse"]
            cells = tuple(_number(report.get(key)) for key in keys)
            rows.append((spec.cell, label(model), str(report["rows"]), *cells))
    columns = (
        "data",
        "model",
        "kinds of users",
        "distinct top-4 lists",
        "coverage",
        "top product's share",
        "popularity percentile",
        "distinct vectors",
        "… per vehicle (median)",
        "vehicles with one vector",
        "likeness (cosine)",
    )
    return Table("Collapse: does everyone get the same?", columns, tuple(rows))


def markdown(tables: Sequence[Table], heading: str, origin: str) -> str:
    """All tables as one Markdown text, which says first where it is from."""
    parts = [f"# {heading}", "", origin, ""]
    for table in tables:
        parts += [f"## {table.title}", ""]
        if table.note:
            parts += [table.note, ""]
        parts += [_line(table.columns), _line(["---"] * len(table.columns))]
        parts += [*(_line(row) for row in table.rows), ""]
    return "\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _head(metric: str) -> str:
    kind, _, k = metric.rpartition("_")
    return f"{_HEADS[kind.split('_')[0]]}@{k}" if kind else metric.upper()


def lift_text(lift: Lift | None) -> str:
    """A lift with its interval, such as +12.0 % [+3.1 %, +20.4 %]."""
    if lift is None:
        return "–"
    if lift.estimate is None:
        return "no hit"
    high = "∞" if lift.high is None else signed_percent(lift.high)
    low = "" if lift.low is None else signed_percent(lift.low)
    return f"{signed_percent(lift.estimate)} [{low}, {high}]"


def _spread(cell: CellFigures) -> str:
    shown = (f"{label(m)} {' '.join(f'{v:.4f}' for v in cell.by_seed(m))}" for m in cell.models if m not in _NAMES)
    return f" {_head(cell.metric)} by seed: {'; '.join(shown)}."


def _of_all(cell: CellFigures) -> str:
    return "; ".join(f"{label(m)} {cell.of_all[m]:.4f}" for m in cell.models if m not in _NAMES)


def _chosen(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_number(value)}" for key, value in chosen.items())


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"
    return str(value)
