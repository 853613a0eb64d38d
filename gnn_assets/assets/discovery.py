"""Similar products and users, the universal ranking, cross-vehicle discovery: what embeddings say beside lists."""

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from gnn_assets import metadata, models
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.discovery import cross_vehicle, universal, users
from gnn_core.discovery.products import similar_products
from gnn_core.discovery.rules import SIMILARITY_RULES, UNIVERSAL_RULES
from gnn_core.discovery.space import similarity_space, user_parts
from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.panel import build_panel
from gnn_core.explanation.evidence import GraphEvidence
from gnn_core.io.artifacts import Artifact, json_bytes, parquet_bytes
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.side_tables import publish_side_table
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.peers.popularity import Popularity
from gnn_core.snapshot import ORDER, Snapshot

SECTIONS = ("graph", "eligibility", "discovery")
COLUMNS = ("user_id", "vehicle_id", "product_id", "part_type", "source")


def discovery_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """product_similarity, universal_ranking, user_similarity, cross_vehicle_discovery."""

    @dg.asset(
        partitions_def=weekly,
        group_name="discovery",
        deps=["embeddings"],
        kinds={"python", "table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def product_similarity(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Substitutes, complements and related products, from the embeddings; a table that other teams read.

        A product is never its own neighbour or its own colour, and a neighbour shares a make and model with it.
        """
        week = platform.week(context)
        embeddings = week.read("embeddings")
        train = week.snapshot().before(np.datetime64(embeddings.manifest.meta["fitted_before"]))
        similar = similar_products(
            _space(embeddings, "products.parquet"), train, models.eligible_products(week, train), week.settings
        )
        table = publish_side_table(
            week.publisher, week.settings.discovery.similarity_table, similar, SIMILARITY_RULES, _tables(week),
            week.settings,
        )  # fmt: skip
        covered = len(set(similar["product_id"].to_pylist())) / len(train.product_ids)
        artifact = week.write(
            "product_similarity",
            {"similar.parquet": parquet_bytes(similar), "facts.json": json_bytes({"covered": covered})},
            inputs=[embeddings],
            sections=SECTIONS,
        )
        frame = similar.to_pandas()
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": similar.num_rows,
                "table": str(table),
                "covered": covered,
                "pairs": metadata.counts(frame["kind"].value_counts().to_dict(), "kind", "pairs"),
                "bought_together": int((frame["joint_orders"] >= week.settings.graph.co_purchase_min_count).sum()),
                "best_sellers": metadata.rows(_sample(frame, train)),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="discovery",
        deps=["product_similarity", "gnn_checkpoint"],
        kinds={"python", "table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def universal_ranking(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Products for everyone: popularity spread over similar products, against popularity on held-out baskets.

        Beside it, on validation: what the ranking adds to the graph's score at each weight. It is used only where
        `discovery.universal_weight` is above 0.
        """
        week = platform.week(context)
        found = week.store.read_all(week.key, ["product_similarity", "gnn_checkpoint"])
        snapshot, settings = week.snapshot(), week.settings
        eligible_P = models.eligible_products(week, snapshot)
        cut, earlier = week.timeline.test[-1], week.timeline.validation[-1]
        train = snapshot.before(cut.fitted_before)
        similar = found["product_similarity"].table("similar.parquet")
        score_P = universal.universal_scores(train, similar, settings.discovery.universal_spread, settings.graph)
        orders_P = np.bincount(train.events.product_E[train.events.kind_E == ORDER], minlength=len(score_P))
        ranking = universal.universal_table(score_P, orders_P, train, eligible_P)
        table = publish_side_table(
            week.publisher, settings.discovery.universal_table, ranking, UNIVERSAL_RULES, {}, settings
        )
        judged = universal.basket_window(snapshot, train, cut, similar, eligible_P, settings)
        past = snapshot.before(earlier.fitted_before)
        graph = models.stored_graphs(week, found["gnn_checkpoint"])(earlier, past)
        space_PD = similarity_space(graph.product_vectors(), graph.vector_blocks())
        chosen = universal.basket_window(
            snapshot, past, earlier, similar_products(space_PD, past, eligible_P, settings), eligible_P, settings
        )
        panel = build_panel(snapshot.before(earlier.end), past, earlier, settings, eligible_P)
        spread = settings.discovery.universal_spread
        lifts = {
            "test": universal.against_popularity(judged, _popularity(train), [spread], settings),
            "validation": universal.against_popularity(
                chosen, _popularity(past), settings.discovery.universal_spreads, settings
            ),
            "added": universal.added_to(chosen, graph, panel, settings.discovery.universal_weights, settings),
        }
        facts: dict[str, Any] = {
            name: {f"{k:g}": lift.as_json() for k, lift in of.items()} for name, of in lifts.items()
        }
        facts |= {"baskets": judged.baskets, "spread": spread, "weight": settings.discovery.universal_weight}
        artifact = week.write(
            "universal_ranking",
            {"ranking.parquet": parquet_bytes(ranking), "facts.json": json_bytes(facts)},
            inputs=found.values(),
            sections=(*SECTIONS, "evaluation", "scoring"),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": ranking.num_rows,
                "table": str(table),
                "baskets": judged.baskets,
                "against_popularity_test": metadata.rows(_lifts(lifts["test"], "spread")),
                "against_popularity_validation": metadata.rows(_lifts(lifts["validation"], "spread")),
                "added_to_the_graph_validation": metadata.rows(_lifts(lifts["added"], "weight")),
                "first": metadata.rows(ranking.slice(0, 10).to_pandas()),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="discovery",
        deps=["embeddings"],
        kinds={"python", "parquet"},
        owners=OWNERS,
        code_version="1",
    )
    def user_similarity(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Nearest groups of users, for look-alike audiences. Cold users with the same makes and models are one group.

        What it is worth is shown beside it: are users who are like buyers more often active in the test window?
        """
        week = platform.week(context)
        embeddings = week.read("embeddings")
        snapshot = week.snapshot()
        train = snapshot.before(np.datetime64(embeddings.manifest.meta["fitted_before"]))
        audience, row_U = build_audience(train, np.arange(len(train.user_ids)))
        groups = users.group_users(audience, row_U)
        vectors, blocks = _vectors(embeddings, "user_vectors.parquet"), embeddings.manifest.meta["blocks"]
        parts = user_parts(vectors, blocks)
        space_GD = similarity_space(vectors, blocks, parts)[groups.row_G]
        nearest = users.nearest_groups(space_GD, week.settings.discovery.similar_users)
        similar = users.similarity_rows(groups, nearest, audience.owns_AS[groups.row_G])
        facts = _look_alike_facts(snapshot, train, groups, nearest, week)
        facts["covered"] = float((nearest.group_GK[:, 0] >= 0).mean())
        facts["groups"] = len(groups.row_G)
        artifact = week.write(
            "user_similarity",
            {
                "users.parquet": parquet_bytes(users.user_rows(train.user_ids, groups)),
                "similar.parquet": parquet_bytes(similar),
                "facts.json": json_bytes(facts),
            },
            inputs=[embeddings],
            sections=("discovery",),
        )
        plain = {name: value for name, value in facts.items() if value is not None}
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": similar.num_rows,
                "compared_by": " and ".join(parts),
                **plain,
                "sample": metadata.rows(similar.slice(0, 5).to_pandas()),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="discovery",
        deps=["recommendation_candidates"],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def cross_vehicle_discovery(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Recommendations by whose evidence they rest on: owners of the make and model, of other vehicles, nobody."""
        week = platform.week(context)
        candidates = week.read("recommendation_candidates")
        train = week.snapshot()
        staged = TableName.parse(candidates.json("staged.json")["table"])
        rows = week.warehouse.read(staged, columns=(*COLUMNS, "reason_path")).to_pandas()
        found = cross_vehicle.discover(rows, train, GraphEvidence(train, week.settings.graph))
        reasons = {str(k): int(v) for k, v in rows["reason_path"].value_counts().items()}
        artifact = week.write(
            "cross_vehicle_discovery",
            {"discovery.json": json_bytes({**found.as_json(), "reasons": reasons})},
            inputs=[candidates],
            sections=("graph",),
        )
        return dg.MaterializeResult(
            metadata={
                "rows": found.rows,
                "cross_vehicle_rows": found.cross_vehicle_rows,
                "share": found.share,
                "counts": metadata.rows(found.counts),
                "products": metadata.rows(found.products),
                "reasons": metadata.counts(reasons, "path of the reason", "rows"),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [product_similarity, universal_ranking, user_similarity, cross_vehicle_discovery]


def _tables(week: Week) -> dict[str, TableName]:
    return {name: week.tables.table(name) for name in ("products", "vehicles", "fitment")}


def _space(embeddings: Artifact, file: str) -> np.ndarray:
    return similarity_space(_vectors(embeddings, file), embeddings.manifest.meta["blocks"])


def _vectors(embeddings: Artifact, file: str) -> np.ndarray:
    column = embeddings.table(file)["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def _popularity(train: Snapshot) -> Popularity:
    popularity = Popularity()
    popularity.fit(train)
    return popularity


def _lifts(lifts: dict[float, Lift], key: str) -> pd.DataFrame:
    rows = [
        {key: k, "recall_at_10": x.model_mean, "without": x.baseline_mean, "lift": x.estimate, "low": x.low,
         "high": x.high, "users": x.n_users}
        for k, x in lifts.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _sample(similar: pd.DataFrame, train: Snapshot) -> pd.DataFrame:
    """The nearest products of the best sellers, with their part types."""
    best = np.argsort(-np.bincount(train.events.product_E, minlength=len(train.product_ids)), kind="stable")[:4]
    part_type = dict(zip(train.product_ids, train.part_types[train.part_type_P], strict=True))
    shown = similar[similar["product_id"].isin(train.product_ids[best]) & (similar["rank"] <= 3)].copy()
    shown.insert(1, "part_type", shown["product_id"].map(part_type))
    shown["similar_part_type"] = shown["similar_product_id"].map(part_type)
    return shown


def _look_alike_facts(
    snapshot: Snapshot, train: Snapshot, groups: users.Groups, nearest: users.Nearest, week: Week
) -> dict[str, float | int | None]:
    """Users without an event who are like buyers: how many did anything in the test window, beside all such users."""
    cut = week.timeline.test[-1]
    n_U = len(train.user_ids)
    seeds = np.unique(train.events.user_E[train.events.kind_E == ORDER])
    active_U = np.zeros(n_U, dtype=bool)
    active_U[snapshot.events.between(cut.start, cut.end).user_E] = True
    cold_U = (groups.group_U >= 0) & ~np.isin(np.arange(n_U), train.events.user_E)
    facts: dict[str, float | int | None] = {"seeds": len(seeds), "look_alikes": 0, "active_share_look_alikes": None}
    facts["active_share_cold"] = users.active_share(np.flatnonzero(cold_U), active_U)
    if (groups.group_U[seeds] >= 0).any():
        alike = users.look_alikes(seeds, groups, nearest, n_U)
        alike = alike[cold_U[alike]][: max(1, int(cold_U.sum()) // 10)]
        facts["look_alikes"], facts["active_share_look_alikes"] = len(alike), users.active_share(alike, active_U)
    return facts
