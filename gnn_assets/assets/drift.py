"""embedding_drift, input_drift: is what is served still what was judged, on the inputs that it was judged on?"""

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from gnn_assets import metadata, models, partitions
from gnn_assets.policy import OWNERS, WAREHOUSE_POOL
from gnn_assets.resources import RAW, Platform, Week
from gnn_core.errors import ArtifactError
from gnn_core.evaluation.promotion import Decision
from gnn_core.io.artifacts import Artifact, json_bytes
from gnn_core.monitoring.embeddings import EmbeddingDrift
from gnn_core.monitoring.embeddings import embedding_drift as compare_vectors
from gnn_core.monitoring.inputs import Holdings
from gnn_core.monitoring.inputs import input_drift as compare_inputs
from gnn_core.publishing.state import read_ledger


def drift_assets(weekly: dg.WeeklyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """embedding_drift, input_drift."""
    last_week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["promoted_model", "embeddings"],
        kinds={"python"},
        owners=OWNERS,
        pool=WAREHOUSE_POOL,
        code_version="2",
    )
    def embedding_drift(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """Norms, directions and neighbourhoods of each part of the vectors that are to be served, against those
        published last; and which parts the model has weighed otherwise, which is no defect and is told.

        Before anything was published it is compared with the model that gate 1 judged, which was fitted a window
        earlier. A retrained space turns: directions are compared after the best rotation, neighbourhoods need none.
        What is allowed grows with the share of events that the reference did not know.
        """
        week = platform.week(context)
        promoted = week.read("promoted_model")
        content, inputs = _embeddings(week, promoted)
        artifact = week.write("embedding_drift", {"drift.json": json_bytes(content)}, inputs=inputs)
        parts = [
            {"vectors": part["kind"], "part": part["block"], "state": part["state"], **(part["drift"] or {})}
            for part in content.get("parts", ())
        ]
        shares = [
            {"users": who, "part": name, "reference": of["reference"].get(name), "served": of["served"].get(name)}
            for who, of in content.get("shares", {}).items()
            for name in dict.fromkeys((*of["reference"], *of["served"]))
        ]
        return dg.MaterializeResult(
            metadata={
                "state": str(content["state"]),
                "compared_with": str(content.get("reference", "nothing")),
                "drift": metadata.rows(pd.DataFrame(parts)),
                "share_of_the_score": metadata.rows(pd.DataFrame(shares)),
                "changes": " ".join(content.get("changes", ())) or "none",
                "new_evidence": float(content.get("new_evidence", 0.0)),
                "breaks": " ".join(content.get("breaks", ())) or "no limit",
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    @dg.asset(
        partitions_def=weekly,
        group_name="monitoring",
        deps=["temporal_split", dg.AssetDep("input_drift", partition_mapping=last_week)],
        kinds={"python"},
        owners=OWNERS,
        code_version="1",
    )
    def input_drift(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        """PSI of the week's events against the weeks before, and of catalogue and ownership against last week's.

        Each stands beside what chance alone would give for so many users, so that a small week raises no alarm.
        """
        week = platform.week(context)
        holdings, why = _holdings(week)
        found = compare_inputs(
            week.snapshot(),
            np.datetime64(week.settings.sources.event_stream_start),
            week.settings.monitoring,
            holdings=holdings,
        ).as_json() | {"holdings": why}
        artifact = week.write("input_drift", {"drift.json": json_bytes(found)}, inputs=[week.read("temporal_split")])
        return dg.MaterializeResult(
            metadata={
                "worst": found["worst"]["sentence"] if found["worst"] else "no input has enough rows to tell",
                "reference_weeks": found["weeks"],
                "catalogue_and_ownership": why,
                "inputs": metadata.rows(pd.DataFrame(found["inputs"]).drop(columns="sentence", errors="ignore")),
                **metadata.artifact(artifact),
            },
            data_version=dg.DataVersion(artifact.version),
        )

    return [embedding_drift, input_drift]


def _embeddings(week: Week, promoted: Artifact) -> tuple[dict[str, Any], list[Artifact]]:
    """What the artifact says, and what it was made from."""
    decision = Decision.from_json(promoted.json("decision.json"))
    if not decision.needs_graph:
        return {"state": f"{decision.policy} is served: it has no vectors"}, [promoted]
    reference, words = _published_before(week), "the model published last"
    if reference is None:
        reference, words = week.read("embeddings"), "the model that gate 1 judged, since none was published before"
        known_until = np.datetime64(reference.manifest.meta["fitted_before"])
    else:
        known_until = partitions.as_of_moment(reference.manifest.week)
    spaces = {artifact.key: models.stored_space(artifact) for artifact in (reference, promoted)}
    old, new = spaces.values()
    if old is None or new is None:
        silent = " and ".join(key for key, space in spaces.items() if space is None)
        return {"state": f"{silent} was written before vectors told what they are made of"}, [promoted, reference]
    events = week.snapshot().events
    found = compare_vectors(
        old, new, week.settings.monitoring,
        reference=f"{words} ({reference.key})", new_evidence=len(events.between(known_until, None)) / len(events),
        seed=week.settings.training.seed,
    )  # fmt: skip
    content: dict[str, Any] = found.as_json() if isinstance(found, EmbeddingDrift) else {"state": found}
    return content, [promoted, reference]


def _published_before(week: Week) -> Artifact | None:
    """The promoted model of the newest earlier week whose table went live; None when no graph model ever did."""
    published = {entry.run_id for entry in read_ledger(week.warehouse, week.settings)}
    for key in reversed([w for w in week.store.weeks() if w < week.key]):
        if not week.store.exists(key, "promoted_model") or not week.store.exists(key, "recommendation_candidates"):
            continue
        try:
            run_id = _run_of(week, key)
            model = week.store.read(key, "promoted_model")
        except ArtifactError:
            # Made with other settings: no model of today's kind.
            continue
        if run_id in published and "products.parquet" in model.manifest.files:
            return model
    return None


def _run_of(week: Week, key: str) -> str:
    """The run that made a week's table.

    Raises:
        ArtifactError: neither the staged table nor the published one can be read.
    """
    try:
        staged = week.store.read(key, "recommendation_candidates").json("staged.json")
    except ArtifactError:
        # Made under an experiment that started or ended since, say, which changes no vector: what was published tells.
        return str(week.store.read(key, "recommendations").json("published.json")["run_id"])
    return str(staged["run_id"])


def _holdings(week: Week) -> tuple[tuple[Holdings, Holdings] | None, str]:
    """Catalogue and ownership of last week and of this one, and a phrase; None when last week was not snapshotted."""
    tables = ("users", "vehicles", "ownership", "products")
    if not all(week.store.exists(week.previous_key, name) for name in RAW):
        return None, f"{week.previous_key} was not snapshotted: nothing to compare catalogue and ownership with"
    try:
        before = week.at(week.previous_key).frames(*tables)
    except ArtifactError as error:
        # Other settings give other rows: no drift of the inputs.
        return None, str(error)
    eligibility = week.settings.eligibility
    pair = Holdings.of(before, eligibility), Holdings.of(week.frames(*tables), eligibility)
    return pair, f"compared with {week.previous_key}"
