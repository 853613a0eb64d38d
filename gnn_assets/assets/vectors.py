"""published_embeddings: the promoted model's vectors in the warehouse, live together with the table of the same run."""

import datetime as dt

import dagster as dg
import pandas as pd

from gnn_assets import metadata, models
from gnn_assets.assets.serving import later_published
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import Platform, Week
from gnn_core.errors import PublishRefused
from gnn_core.evaluation.promotion import Decision
from gnn_core.publishing import embeddings
from gnn_core.publishing.state import history, live_state, read_ledger
from gnn_core.scoring.vectors import vectors_of


def publish_vectors(week: Week, published_at: dt.datetime) -> tuple[embeddings.LiveVectors | None, str]:
    """Write the promoted model's vectors and make them live; None, and why, where no graph model is promoted.

    Raises:
        PublishRefused: the week's table is not the live one: its audit failed, or another was published since. The
            vectors that are live have not moved.
    """
    promoted = week.read("promoted_model")
    decision = Decision.from_json(promoted.json("decision.json"))
    if not decision.needs_graph:
        return None, f"no vectors are published: {decision.reason}"
    staged = week.read("recommendation_candidates").json("staged.json")
    live = live_state(week.publisher, week.settings)
    if live is None or (live.run_id, live.digest) != (staged["run_id"], staged["digest"]) or not live.recorded:
        raise PublishRefused(
            f"embeddings of run {staged['run_id']}: the live table holds {live or 'nothing'}. Vectors go live after "
            "the table of their own run; publish that first"
        )
    snapshot = week.snapshot()
    model = models.stored_graph(week, promoted, "serving", snapshot)
    vectors = vectors_of(
        model,
        snapshot,
        models.eligible_products(week, snapshot),
        run_id=staged["run_id"],
        week=dt.date.fromisoformat(week.key),
        model_version=promoted.version,
    )
    digest = embeddings.write_version(week.publisher, week.settings, vectors)
    state = embeddings.go_live(week.publisher, week.settings, staged["run_id"], expected_digest=digest, at=published_at)
    good = [entry.run_id for entry in history(read_ledger(week.publisher, week.settings))]
    embeddings.drop_old(week.publisher, week.settings, good)
    return state, f"run {state.run_id} is live: {state.products:,} products, {state.users:,} users"


def vector_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """published_embeddings."""

    @dg.asset(
        partitions_def=weekly,
        group_name="serving",
        deps=["recommendations", "promoted_model"],
        kinds={"table"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="1",
    )
    def published_embeddings(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Vectors of products, vehicles and users for search, after gate 1 and the publish; else the last ones stay.

        One row of `embedding_live` says which run is live: read it first (docs/operations/embeddings.md).
        """
        week = platform.week(context)
        state: embeddings.LiveVectors | None = None
        if later := later_published(week):
            said = f"kept as they are: week {later} was published already, and its vectors stay with its table"
        else:
            state, said = publish_vectors(week, published_at=dt.datetime.now(dt.UTC))
        live = state or embeddings.live_vectors(week.publisher, week.settings)
        facts = pd.DataFrame(vars(live).items() if live else [], columns=["fact", "value"])
        return dg.MaterializeResult(
            metadata={"state": said, "live": metadata.rows(facts)},
            data_version=dg.DataVersion(live.digest if live else "none"),
        )

    return [published_embeddings]
