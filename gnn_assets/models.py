"""Models from artifacts: read back what an earlier step fitted, or hand a step what it needs to fit.

Torch is imported when a graph model is read back, and by no step that reads none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_assets import progress
from gnn_assets.promotion import promotion_of
from gnn_assets.resources import Week
from gnn_core.discovery.universal import with_universal
from gnn_core.errors import ArtifactError
from gnn_core.evaluation.promotion import Decision
from gnn_core.evaluation.selection import Selection, with_selection
from gnn_core.graph.split import Cut
from gnn_core.io.artifacts import Artifact, parquet_bytes
from gnn_core.monitoring.blocks import Space, Vectors, score_shares
from gnn_core.program.offline import FitGraph, MakeSql, hybrid_of
from gnn_core.recommender import Recommender
from gnn_core.scoring.audience import build_audience, segment_audience
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.peers import make_peer
from gnn_core.scoring.sql_baseline import SqlRecommender
from gnn_core.snapshot import Snapshot

if TYPE_CHECKING:
    from gnn_core.model.recommender import GraphRecommender
    from gnn_core.training.checkpoint import Checkpoint

GRAPH_SECTIONS = ("graph", "paths", "history", "model", "training", "split", "evaluation")
"""Settings that shape a fitted graph model: `split` and `evaluation` say which earlier choices teach its weights."""
WITHOUT_HISTORY, WITH_HISTORY = "without a history", "with a history"
"""Whose scores are taken apart: a user of each make/model, and a sample of those who did something."""


def eligible_products(week: Week, snapshot: Snapshot) -> NDArray[np.bool_]:
    """(P,) products that may be recommended at all."""
    return eligible_mask(snapshot.products, week.settings.eligibility)


def sql_maker(week: Week) -> MakeSql:
    """Fresh SQL recommenders over the week's contract tables."""
    return lambda version: SqlRecommender(week.warehouse, week.tables, version, week.settings)


def stored_graphs(week: Week, artifact: Artifact) -> FitGraph:
    """Graph models of the cuts, read back from a checkpoint artifact."""

    def of_cut(cut: Cut, train: Snapshot) -> GraphRecommender:
        return stored_graph(week, artifact, cut.name, train)

    return of_cut


def stored_graph(week: Week, artifact: Artifact, name: str, train: Snapshot) -> GraphRecommender:
    """One graph model of an artifact. `train` is the snapshot that it was fitted on."""
    from gnn_core.model.recommender import GraphRecommender

    return GraphRecommender.from_checkpoint(stored_checkpoint(artifact, name), train, week.settings)


def stored_checkpoint(artifact: Artifact, name: str) -> Checkpoint:
    """One checkpoint of an artifact."""
    from gnn_core.training.checkpoint import from_bytes

    return from_bytes(artifact.bytes(f"{name}.safetensors"))


def vector_table(key: str, ids: NDArray[Any], values: NDArray[np.floating]) -> pa.Table:
    """Vectors by id: columns `key` and `vector`, a list of fixed size."""
    flat = pa.array(values.astype(np.float32).ravel())
    return pa.table({key: pa.array(ids.tolist()), "vector": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})


def served_vectors(model: GraphRecommender, train: Snapshot) -> dict[str, bytes]:
    """Files of product and vehicle vectors, as an artifact keeps them beside the model that they are of."""
    vehicles = model.user_vectors(segment_audience(train))
    return {
        "products.parquet": parquet_bytes(vector_table("product_id", train.product_ids, model.product_vectors())),
        "vehicles.parquet": parquet_bytes(vector_table("segment_id", train.segment_ids, vehicles)),
    }


def stored_vectors(artifact: Artifact) -> dict[str, Vectors]:
    """Vectors of an artifact by kind, without the last dimension: a product's bias, and the 1 that meets it."""
    found = {kind: _vectors(artifact, kind) for kind in ("products", "vehicles")}
    return {kind: (ids, values[:, :-1]) for kind, (ids, values) in found.items()}


def stored_space(artifact: Artifact) -> Space | None:
    """Whole vectors of an artifact by kind, what their columns are, and what each part counts for.

    None where it was written before vectors told what they are made of.
    """
    meta = artifact.manifest.meta
    if "blocks" not in meta or "shares" not in meta:
        return None
    return Space({kind: _vectors(artifact, kind) for kind in ("products", "vehicles")}, meta["blocks"], meta["shares"])


def vector_facts(week: Week, model: GraphRecommender, train: Snapshot) -> dict[str, Any]:
    """Facts beside vectors, for their reader: which columns are what, and what the score differs by.

    Users with a history are a sample. The terms of their own history that are no inner product are no part of it.
    """
    some = np.random.default_rng(week.settings.training.seed).permutation(np.unique(train.events.user_E))
    asked = {
        WITHOUT_HISTORY: segment_audience(train),
        WITH_HISTORY: build_audience(train, np.sort(some[: week.settings.monitoring.drift_sample]))[0],
    }
    blocks, product_PO = model.vector_blocks(), model.product_vectors()
    return {
        "blocks": blocks,
        "shares": {who: score_shares(model.user_vectors(users), product_PO, blocks) for who, users in asked.items()},
    }


def _vectors(artifact: Artifact, kind: str) -> Vectors:
    table = artifact.table(f"{kind}.parquet")
    values = np.stack(table["vector"].to_numpy(zero_copy_only=False)).astype(np.float64)
    return table[table.column_names[0]].to_numpy(zero_copy_only=False), values


def fit_options(week: Week, name: str, previous: Checkpoint | None) -> dict[str, Any]:
    """What every training gets: where a killed run resumes, last week's weights, where steps are reported."""
    return {"checkpoint_dir": week.scratch, "warm_start": previous, "progress": progress.of(name)}


def last_week(week: Week, artifact: str, role: str) -> tuple[Checkpoint | None, str]:
    """The previous week's checkpoint of the same role, and a phrase that says what was found.

    Of the same role only: last week's served model knows events that this week's judged fits must not.
    """
    if not week.settings.training.keep_embeddings_warm:
        return None, "cold start: training.keep_embeddings_warm is false"
    if not week.store.exists(week.previous_key, artifact):
        return None, f"cold start: {week.previous_key} has no {artifact}"
    try:
        found = week.store.read(week.previous_key, artifact)
    except ArtifactError as error:
        return None, f"cold start: {error}"
    names = sorted(f.removesuffix(".safetensors") for f in found.manifest.files if f.endswith(".safetensors"))
    chosen = [n for n in names if n.startswith(role)]
    if not chosen:
        return None, f"cold start: {week.previous_key} fitted no {role} model"
    try:
        checkpoint = stored_checkpoint(found, chosen[-1])
    except ArtifactError as error:
        # Another version of the code wrote it: the first week after a deployment may not fail for that.
        return None, f"cold start: {error}"
    return checkpoint, f"warm start from {found.key}, {chosen[-1]}, {found.version[:12]}"


def needs_graph(week: Week) -> bool:
    """Whether promoted_model fits anything: what is promoted uses the graph."""
    return promotion_of(week).decision.needs_graph


def _sql_version(selection: Selection) -> str:
    return selection.baseline.removeprefix("sql_")


@dataclass(frozen=True)
class Served:
    """The policies of the as-of refit."""

    policy: Recommender
    sql: Recommender
    graph: Recommender | None
    source: str


def counted_sql(week: Week, snapshot: Snapshot, promoted: Artifact) -> pa.Table:
    """The popularity by segment of the SQL version that is served or blended, counted in the warehouse."""
    selection = Selection.from_json(promoted.json("selection.json"))
    sql = SqlRecommender(week.warehouse, week.tables, _sql_version(selection), week.settings)
    sql.fit(snapshot)
    assert sql.segment_scores is not None
    return sql.segment_scores


def served_policies(week: Week, snapshot: Snapshot, promoted: Artifact, counted: pa.Table | None = None) -> Served:
    """The promoted policy and its components, fitted on everything before the as-of date.

    Args:
        counted: what `counted_sql` gave; None = count again. With it nothing is asked of the warehouse.
    """
    decision = Decision.from_json(promoted.json("decision.json"))
    selection = Selection.from_json(promoted.json("selection.json"))
    settings = with_selection(week.settings, selection)
    eligible_P = eligible_products(week, snapshot)
    sql = SqlRecommender(week.warehouse, week.tables, _sql_version(selection), week.settings)
    if counted is None:
        sql.fit(snapshot)
    else:
        sql.fit_from(counted, snapshot)
    if not decision.promoted:
        return Served(sql, sql, None, sql.name)
    if decision.policy == "smoother":
        smoother = make_peer("smoother", settings, eligible_P)
        smoother.fit(snapshot)
        return Served(smoother, sql, None, "smoother")
    if not decision.needs_graph:
        return Served(sql, sql, None, sql.name)
    fitted = stored_graph(week, promoted, "serving", snapshot)
    graph = with_universal(fitted, snapshot, eligible_P, week.settings)
    hybrid = hybrid_of(sql, graph, selection.alpha, snapshot, settings, eligible_P)
    return Served(hybrid, sql, graph, "hybrid")
