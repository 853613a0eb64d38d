"""Would early stopping do better if a step had to gain more than chance over the start? Users without a history.

Of each public store and split seed the graph model is trained on, without patience, and every validated state is asked
for the Recall@10 of each validation user. Then the users are halved at random, many times: one half chooses the step by
each rule, as a run with `training.patience` would, the other says what that was worth. Nobody judges a step that they
chose, and no test window is opened.

    python -m benchmarks stopping --from FOLDER --store beauty --cold 98 --seeds 3 --keep FOLDER
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
from gnn_core.benchmark.store_run import StoreRun
from gnn_core.benchmark.variants import GRAPH, changed
from gnn_core.evaluation.evaluate import places, recall_of
from gnn_core.model.recommender import GraphRecommender
from gnn_core.recommender import Recommender

Float = NDArray[np.float64]
STORES, COLD = ("beauty", "sports"), (50, 90, 98)
RULES = {"best": 0.0, "one error": 1.0, "two errors": 2.0}
"""How many standard errors of the paired gain a step has to be above the start."""
HALVES, RNG_SEED = 200, 0


def stopped_at(value_T: Float, patience: int) -> int:
    """Index of the best value seen before `patience` in a row were no better; 0 is the start."""
    best, stale = 0, 0
    for t in range(1, len(value_T)):
        best, stale = (t, 0) if value_T[t] > value_T[best] else (best, stale + 1)
        if stale >= patience:
            break
    return best


def worth(recall_TU: Float, patience: int, halves: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Of each rule: mean relative change of the other half's recall against no training, and how often it trained.

    Args:
        recall_TU: of each validated state (the first is the start) and user.
    """
    changes: dict[str, list[float]] = {rule: [] for rule in RULES}
    trained = dict.fromkeys(RULES, 0)
    n_U = recall_TU.shape[1]
    for _ in range(halves):
        shuffled_U = rng.permutation(n_U)
        asked, told = shuffled_U[: n_U // 2], shuffled_U[n_U // 2 :]
        step = stopped_at(recall_TU[:, asked].mean(axis=1), patience)
        gain_U = recall_TU[step, asked] - recall_TU[0, asked]
        error = float(gain_U.std(ddof=1)) / np.sqrt(len(asked))
        for rule, errors in RULES.items():
            kept = step if gain_U.mean() > errors * error else 0
            trained[rule] += kept > 0
            changes[rule].append(float(recall_TU[kept, told].mean() / recall_TU[0, told].mean() - 1.0))
    return {rule: (float(np.mean(changes[rule])), trained[rule] / halves) for rule in RULES}


def recalls(spec: Spec, source: Path, max_steps: int) -> Float:
    """(T, U) Recall@10 of the validation users of a spec's windows after 0, 5, 10 … steps."""
    run = StoreRun(spec, source, CONFIG, [])
    settings = changed(run.settings, {"training": {"max_steps": max_steps, "patience": max_steps + 1}})
    found = []
    for window in run.validation:
        rows: list[Float] = []

        def asked(model: Recommender, window=window, rows=rows) -> float:  # type: ignore[no-untyped-def]
            rows.append(recall_of(window.panel, places(window.panel, model, settings)))
            return float(rows[-1].mean())

        model = GraphRecommender(settings, validator=asked)
        model.fit(window.train)
        # Starts that validation chose between were asked before the first step.
        found.append(np.stack(rows[-len(model.history) :]))
    return np.concatenate(found, axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--store", action="append", choices=STORES)
    parser.add_argument("--cold", action="append", type=int, choices=COLD)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-steps", type=int, default=30)
    parser.add_argument("--patience", type=int, default=3, help="validations; as training.patience")
    parser.add_argument("--keep", type=Path, help="folder of what was trained, to go on where a run was stopped")
    options = parser.parse_args(arguments)
    print(f"{'store':16}{'seed':>5}{'users':>7}  " + "".join(f"{rule:>22}" for rule in RULES))
    totals: dict[str, list[float]] = {rule: [] for rule in RULES}
    colds = options.cold or COLD
    for spec in specs(options.store or STORES, options.source, colds=colds, seeds=options.seeds):
        recall_TU = _kept(spec, options.source, options.max_steps, options.keep)
        found = worth(recall_TU, options.patience, HALVES, np.random.default_rng(RNG_SEED))
        cells = "".join(f"{f'{change:+.2%}, trains {share:4.0%}':>22}" for change, share in found.values())
        print(f"{spec.cell:16}{spec.seed:>5}{recall_TU.shape[1]:>7,d}  {cells}", flush=True)
        for rule, (change, _) in found.items():
            totals[rule].append(change)
    n = len(totals["best"])
    errors = {rule: float(np.std(values, ddof=1)) / np.sqrt(n) if n > 1 else np.nan for rule, values in totals.items()}
    cells = "".join(f"{f'{np.mean(v):+.2%} ± {errors[rule]:.2%}':>22}" for rule, v in totals.items())
    print(f"{f'mean of {n}':28}  {cells}")


def _kept(spec: Spec, source: Path, max_steps: int, keep: Path | None) -> Float:
    if keep is None:
        return recalls(spec, source, max_steps)
    keep.mkdir(parents=True, exist_ok=True)
    key = cell_key(spec, GRAPH, GRAPH, settings_of(), data_digest(spec, source), code_digest())
    path = keep / f"{spec.cell}-seed{spec.seed}-{max_steps}-{key}.npy"
    if not path.is_file():
        np.save(path, recalls(spec, source, max_steps))
    return np.asarray(np.load(path))


if __name__ == "__main__":
    main()
