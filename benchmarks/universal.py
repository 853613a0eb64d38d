"""What the universal ranking is worth: against popularity on held-out baskets, and beside the graph's score.

`GNN_STATE_DIR=… python -m benchmarks universal` on a store of which a week was snapshotted (`gnn run`). The graph model
is taken at its constants, without gradient steps, so that the figures take minutes and do not hang on a training.
"""

from __future__ import annotations

from collections.abc import Sequence

from gnn_assets import models
from gnn_assets.environment import Environment
from gnn_assets.resources import Platform
from gnn_core.discovery import universal
from gnn_core.discovery.products import similar_products
from gnn_core.discovery.space import similarity_space
from gnn_core.errors import DataError
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.panel import build_panel
from gnn_core.program.offline import Frozen, refit
from gnn_core.scoring.peers.popularity import Popularity


def main(arguments: Sequence[str] = ()) -> None:
    """Print a line a window, spread and weight: Recall@10 without and with, the lift and its interval."""
    if arguments:
        raise SystemExit(f"universal takes no arguments, not {list(arguments)}; the store is named by GNN_STATE_DIR")
    where = Environment.from_variables()
    settings = where.settings()
    weeks = [w for w in where.artifacts(settings).weeks() if w[:1].isdigit()]
    if not weeks:
        raise DataError(f"{where.state_dir} holds no week; run `gnn run` there first")
    week = Platform.of(where).week(weeks[-1])
    snapshot, found = week.snapshot(), week.settings.discovery
    eligible_P = models.eligible_products(week, snapshot)
    for cut in (*week.timeline.validation, *week.timeline.test):
        train = snapshot.before(cut.fitted_before)
        graph = refit(train, Frozen(0), settings)
        space_PD = similarity_space(graph.product_vectors(), graph.vector_blocks())
        similar = similar_products(space_PD, train, eligible_P, settings)
        window = universal.basket_window(snapshot, train, cut, similar, eligible_P, settings)
        popularity = Popularity()
        popularity.fit(train)
        for spread, lift in universal.against_popularity(window, popularity, found.universal_spreads, settings).items():
            _line(f"{cut.name}: popularity → universal ranking, spread {spread:g}, {window.baskets}", lift)
        panel = build_panel(snapshot.before(cut.end), train, cut, settings, eligible_P)
        for weight, lift in universal.added_to(window, graph, panel, found.universal_weights, settings).items():
            _line(f"{cut.name}: graph → graph + {weight:g} × universal ranking", lift)


def _line(what: str, lift: Lift) -> None:
    shown = [None if x is None else f"{x:+.1%}" for x in (lift.estimate, lift.low, lift.high)]
    print(
        f"{what}: Recall@10 {lift.baseline_mean:.4f} → {lift.model_mean:.4f}, "
        f"lift {shown[0]} [{shown[1]}, {shown[2]}], {lift.n_users:,} users",
        flush=True,
    )


if __name__ == "__main__":
    main()
