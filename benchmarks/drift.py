"""What the limits of embedding drift tell apart, on the vectors of a week that was run.

`python -m benchmarks.drift` reads the newest week of GNN_STATE_DIR that promoted a graph model: `gnn demo` leaves one.
"""

from __future__ import annotations

import argparse
from typing import cast

import numpy as np

from gnn_assets.environment import Environment
from gnn_assets.models import stored_vectors
from gnn_core.errors import DataError
from gnn_core.io.artifacts import Artifact, ArtifactStore
from gnn_core.monitoring.embeddings import EmbeddingDrift, embedding_drift


def main() -> None:
    """Print the drift of the served model from the judged one, and of vectors broken on purpose."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    where = Environment.from_variables()
    settings = where.settings()
    judged, served = _newest(where.artifacts(settings))
    old, new = stored_vectors(judged), stored_vectors(served)
    ids, vectors = new["products"]
    rng = np.random.default_rng(0)
    spread = vectors.std(axis=0)
    cases = {
        "as served": vectors,
        "rows exchanged at random": vectors[rng.permutation(len(vectors))],
        **{
            f"noise of {size:g} of each coordinate's spread": vectors + size * spread * rng.normal(size=vectors.shape)
            for size in (0.1, 0.3, 1.0)
        },
    }
    print(f"{served.key} against {judged.key}, {len(ids):,} products\n")
    print(f"{'':44s} {'norm':>7s} {'norm PSI':>9s} {'cosine':>7s} {'overlap':>8s}  limits broken")
    for name, case in cases.items():
        found = embedding_drift(
            old, new | {"products": (ids, case)}, settings.monitoring, reference="judged", seed=settings.training.seed
        )
        drift = cast(EmbeddingDrift, found).kinds["products"]
        print(
            f"{name:44s} {drift.norm_change:+7.1%} {drift.norm_psi:9.3f} {drift.aligned_cosine:7.3f} "
            f"{drift.neighbour_overlap:8.3f}  {len(cast(EmbeddingDrift, found).breaks)}"
        )


def _newest(store: ArtifactStore) -> tuple[Artifact, Artifact]:
    """(judged, served) vectors of the newest week that has both."""
    for week in reversed(store.weeks()):
        if week[:1].isdigit() and store.exists(week, "promoted_model"):
            served = store.read(week, "promoted_model")
            if "products.parquet" in served.manifest.files:
                return store.read(week, "embeddings"), served
    raise DataError(f"no week under {store.root} has promoted a graph model; run `gnn demo` first")


if __name__ == "__main__":
    main()
