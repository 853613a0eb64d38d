"""What is it worth that choices of the validation window teach the weights of users without a history?

Of each public store and split seed the validation users are dealt out into two groups. The graph model, without any
gradient step, is fitted once for each group: on what is known before the window, and taught by the choices of the
other group. Its Recall@10 is then that of the group, so that nobody is judged who taught; no test window is opened.
Columns add one thing after the other: choices teach; the second fit among the candidates that lead; owners per rival.

    python -m benchmarks teaching --from FOLDER --store beauty --cold 98 --seeds 3 --keep FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.stores import CONFIG, settings_of
from gnn_core.benchmark.results import cell_key, code_digest
from gnn_core.benchmark.spec import Spec, data_digest, specs
from gnn_core.benchmark.store_run import StoreRun, Window
from gnn_core.benchmark.variants import GRAPH, VARIANTS, changed
from gnn_core.config import Settings
from gnn_core.evaluation.evaluate import places, recall_of
from gnn_core.model.recommender import GraphRecommender
from gnn_core.snapshot import Events, Snapshot

Float = NDArray[np.float64]
STORES, COLD = ("beauty", "sports"), (50, 90, 98)
GROUPS, RNG_SEED = 2, 0
UNTAUGHT = "untaught"
_NO_SECOND_FIT, _NO_RIVALS = (VARIANTS[name].changes for name in ("graph_all_candidates", "graph_no_rivals"))
_NEITHER = {"paths": {**_NO_SECOND_FIT["paths"], **_NO_RIVALS["paths"]}}
COLUMNS = {
    UNTAUGHT: _NEITHER,
    "taught": _NEITHER,
    "leading": _NO_RIVALS,
    "rivals": {},
}
"""Settings of each column; only the first is not taught."""


def recalls(spec: Spec, source: Path) -> dict[str, Float]:
    """(U,) Recall@10 of the validation users by column, under models that they did not teach."""
    run = StoreRun(spec, source, CONFIG, [])
    (window,) = run.validation
    choices = run.snapshot.events.between(window.cut.fitted_before, window.cut.end)
    user_U = window.panel.users["user"].to_numpy()
    group_U = np.random.default_rng(RNG_SEED).integers(0, GROUPS, len(user_U))
    found = {}
    for column, changes in COLUMNS.items():
        settings = changed(run.settings, {"training": {"max_steps": 0}, **changes})
        found[column] = np.zeros(len(user_U))
        for group in range(1 if column == UNTAUGHT else GROUPS):
            others = choices.take(~np.isin(choices.user_E, user_U[group_U == group]))
            recall_U = _recall(window, window.train, settings, None if column == UNTAUGHT else others)
            asked = (group_U == group) | (column == UNTAUGHT)
            found[column][asked] = recall_U[asked]
    return found


def change(recall_U: Float, base_U: Float) -> tuple[float, float]:
    """Relative change of the mean recall and its standard error, paired by user."""
    difference_U = (recall_U - base_U) / base_U.mean()
    return float(difference_U.mean()), float(difference_U.std(ddof=1) / np.sqrt(len(difference_U)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--store", action="append", choices=STORES)
    parser.add_argument("--cold", action="append", type=int, choices=COLD)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder of what was measured, to go on where a run was stopped")
    options = parser.parse_args(arguments)
    later = [column for column in COLUMNS if column != UNTAUGHT]
    print(f"{'store':16}{'seed':>5}{'users':>7}{UNTAUGHT:>10}  " + "".join(f"{column:>16}" for column in later))
    totals: dict[str, list[float]] = {column: [] for column in later}
    colds = options.cold or COLD
    for spec in specs(options.store or STORES, options.source, colds=colds, seeds=options.seeds):
        found = _kept(spec, options.source, options.keep)
        base_U = found[UNTAUGHT]
        changes = {column: change(found[column], base_U) for column in later}
        cells = "".join(f"{f'{mean:+.1%} ± {error:.1%}':>16}" for mean, error in changes.values())
        print(f"{spec.cell:16}{spec.seed:>5}{len(base_U):>7,d}{base_U.mean():>10.4f}  {cells}", flush=True)
        for column, (mean, _) in changes.items():
            totals[column].append(mean)
    n = len(totals[later[0]])
    error_of = {column: np.std(v, ddof=1) / np.sqrt(n) if n > 1 else np.nan for column, v in totals.items()}
    cells = "".join(f"{f'{np.mean(v):+.1%} ± {error_of[column]:.1%}':>16}" for column, v in totals.items())
    print(f"{f'mean of {n}':38}  {cells}")


def _recall(window: Window, train: Snapshot, settings: Settings, choices: Events | None) -> Float:
    model = GraphRecommender(settings)
    if choices is not None:
        model.teach(choices)
    model.fit(train)
    return recall_of(window.panel, places(window.panel, model, settings))


def _kept(spec: Spec, source: Path, keep: Path | None) -> dict[str, Float]:
    if keep is None:
        return recalls(spec, source)
    keep.mkdir(parents=True, exist_ok=True)
    key = cell_key(spec, GRAPH, GRAPH, settings_of(), data_digest(spec, source), code_digest())
    path = keep / f"{spec.cell}-seed{spec.seed}-{key}.npz"
    if not path.is_file():
        np.savez(path, **recalls(spec, source))  # type: ignore[arg-type]
    with np.load(path) as stored:
        return {column: stored[column] for column in COLUMNS}


if __name__ == "__main__":
    main()
