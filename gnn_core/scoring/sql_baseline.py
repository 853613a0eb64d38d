"""The SQL cascade, v5.17 and v5.18: the system to beat, computed in the warehouse from the contract tables of a week.

What belongs here: running sql/baseline in order, and the cascade as one of the models. What does not: formulas and rules
(gnn_core/sql/baseline/*.sql), other models (peers), lists of other models (recommend.py).

Shape letters: A audience rows, P products, V vehicles (year/make/model), S segments (make/model).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.errors import ConfigError, ContractError, LeakageError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.recommender import Audience
from gnn_core.scoring.eligibility import commodity_pattern
from gnn_core.scoring.sql_intent import audience_intent
from gnn_core.snapshot import Int, Snapshot, index_of, micros
from gnn_core.stores.staging import run_file
from gnn_core.stores.week import WeekTables

logger = logging.getLogger(__name__)

VERSIONS = ("v5.17", "v5.18")
NOT_OFFERED = np.float32(-1.0)
"""Score of what the cascade does not score; below every real score (they are >= 0), and near them, so that it distorts
no scale."""

_NEVER = r"[^\s\S]"
"""A pattern that no text matches."""
_LIST_STEPS = ("purchases", "owners", "candidates", "vehicle_lists", "set_candidates", "set_lists")


@dataclass(frozen=True)
class SqlScores:
    """What one run of the cascade left in the warehouse."""

    version: str
    cutoff: np.datetime64
    segment_scores: TableName
    """(segment_id, product_id, tier, score, universal_rank): popularity of eligible products that fit."""
    intent: TableName
    """(user_id, product_id, intent); empty for v5.18."""
    lists: TableName
    """(user_id, vehicle_id, slot, product_id, score): complete lists after all rules."""
    coverage: dict[str, int]
    """Users with all slots, with fewer, and dropped by reason; see sql/baseline/coverage.sql."""
    seconds: float


def compute_sql_scores(
    warehouse: Warehouse, week: WeekTables, cutoff: np.datetime64, version: str, settings: Settings
) -> SqlScores:
    """Score segments, then everyone's list, from events before `cutoff`; writes three tables named by week and cutoff.

    Users without purchases or intent of their own that own the same vehicles are ranked once. Equal tables give equal
    rows.

    Raises:
        ConfigError: the version is not one of VERSIONS.
        LeakageError: the cutoff lies after the week's as-of date.
    """
    started = time.monotonic()
    run = _Run(warehouse, week, cutoff, version, settings)
    try:
        run.score_segments()
        run.step("intent", "intent")
        run.step("purchases", "purchases")
        run.step("owners", "owners")
        run.step("candidates", "candidates")
        run.step("vehicle_lists", "rank")
        run.step("set_candidates", "set_candidates")
        run.step("set_lists", "rank", candidates="set_candidates")
        run.step("lists", "lists", cluster_by=("user_id",))
        coverage = run.coverage()
    finally:
        run.drop(*_LIST_STEPS, "eligible_products")
    seconds = time.monotonic() - started
    logger.info("SQL %s at %s: %s in %.1f s", version, cutoff, coverage, seconds)
    tables = run.tables
    return SqlScores(
        version, cutoff, tables["segment_scores"], tables["intent"], tables["lists"], coverage, seconds
    )


class SqlRecommender:
    """The cascade as a Recommender: `fit` runs its popularity in the warehouse, `score_block` reads it per vehicle.

    The score of a row for a product is the best over those of the row's vehicles that the product fits on
    year/make/model (or over all of them, for v5.17's universal products), plus, in v5.17, the row's own intent.
    """

    def __init__(self, warehouse: Warehouse, week: WeekTables, version: str, settings: Settings) -> None:
        _check_version(version)
        self.name = f"sql_{version}"
        self._warehouse, self._week, self._version, self._settings = warehouse, week, version, settings
        self._scores_VP: sparse.csr_matrix | None = None
        self._universal_VP: sparse.csr_matrix | None = None
        self._audience: Audience | None = None
        self._intent_AP: sparse.csr_matrix | None = None

    def fit(self, train: Snapshot) -> None:
        """Count orders before `train.as_of` in the warehouse, and index the scores as `train` does.

        Raises:
            LeakageError: `train` ends after the week's as-of date.
            ContractError: the warehouse's week and `train` are not the same store.
        """
        run = _Run(self._warehouse, self._week, train.as_of, self._version, self._settings)
        run.check_same_store(train)
        try:
            run.score_segments()
        finally:
            run.drop("eligible_products")
        table = self._warehouse.read(run.tables["segment_scores"])
        fits_SP, universal_SP = _by_segment(table, train)
        scores_VP = _on_pairs(fits_SP, train)
        enough_V = np.diff(scores_VP.indptr) >= self._settings.eligibility.min_products_per_vehicle
        self._scores_VP = _keep_rows(scores_VP, enough_V)
        self._universal_VP = _keep_rows(universal_SP[train.segment_V], enough_V)

    def prepare(self, audience: Audience) -> None:
        """Remember who is scored; v5.17 counts their events in the window."""
        if self._scores_VP is None:
            raise ContractError(f"{self.name}: prepare before fit; fit it on a snapshot first")
        self._audience = audience
        if self._version == "v5.17":
            n_products = self._scores_VP.shape[1]
            start = np.datetime64(self._settings.sources.event_stream_start, "us")
            self._intent_AP = audience_intent(audience, n_products, start, self._settings.baseline)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, P) scores; NOT_OFFERED where the cascade has none."""
        if self._audience is None or self._scores_VP is None or self._universal_VP is None:
            raise ContractError(f"{self.name}: score_block before prepare; prepare an audience first")
        owned = self._audience.owns_AV[start:stop]
        block = np.full((owned.shape[0], self._scores_VP.shape[1]), NOT_OFFERED, dtype=np.float32)
        n_owned = np.diff(owned.indptr)
        for nth in range(int(n_owned.max(initial=0))):
            rows = np.flatnonzero(n_owned > nth)
            vehicles = owned.indices[owned.indptr[rows] + nth]
            for matrix in (self._scores_VP, self._universal_VP):
                _raise_to(block, rows, matrix[vehicles])
        if self._intent_AP is not None:
            intent = self._intent_AP[start:stop].tocoo()
            offered = block[intent.row, intent.col] > NOT_OFFERED
            block[intent.row[offered], intent.col[offered]] += intent.data[offered]
        return block


class _Run:
    """One run of sql/baseline: its tables and parameters."""

    def __init__(
        self, warehouse: Warehouse, week: WeekTables, cutoff: np.datetime64, version: str, settings: Settings
    ) -> None:
        _check_version(version)
        if micros(cutoff) > micros(np.datetime64(week.as_of)):
            raise LeakageError(
                f"SQL {version}: cutoff {cutoff} lies after {week.as_of}, the as-of date of the week's tables"
            )
        self._warehouse, self._cutoff = warehouse, cutoff
        contract = ("users", "vehicles", "ownership", "products", "fitment", "events")
        self.tables = {name: week.table(name) for name in contract}
        computed = ("eligible_products", "segment_scores", "intent", *_LIST_STEPS, "lists")
        self.tables |= {name: week.scores(name, cutoff, version) for name in computed}
        self._parameters = _parameters(cutoff, version, settings)

    def score_segments(self) -> None:
        """Eligibility and popularity."""
        self._warehouse.ensure_dataset(self.tables["segment_scores"].dataset)
        self.step("eligible_products", "eligible_products")
        self.step("segment_scores", "segment_scores", cluster_by=("segment_id",))

    def step(
        self, target: str, file: str, *, candidates: str = "candidates", cluster_by: tuple[str, ...] = ()
    ) -> None:
        """Write the table `target` from sql/baseline/<file>.sql."""
        tables = self.tables | {"candidates": self.tables[candidates]}
        run_file(self._warehouse, self.tables[target], f"baseline/{file}", self._parameters, tables, cluster_by)

    def coverage(self) -> dict[str, int]:
        """Counts of users, by what became of them."""
        counted = query_file(self._warehouse, "baseline/coverage", self._parameters, self.tables)
        return {name: int(value) for name, value in counted.to_pylist()[0].items()}

    def check_same_store(self, train: Snapshot) -> None:
        """The warehouse and the snapshot must hold the same events before the cutoff, or the comparison is void."""
        counted = query_file(self._warehouse, "baseline/size", self._parameters, self.tables).to_pylist()[0]
        here = {"users": len(train.user_ids), "products": len(train.product_ids), "events": len(train.events)}
        if counted != here:
            raise ContractError(
                f"{self.tables['events']} and the snapshot differ before {self._cutoff}: the warehouse has {counted}, "
                f"the snapshot {here}. Read the snapshot again from this week's tables."
            )

    def drop(self, *names: str) -> None:
        """Drop tables that only the run itself needs."""
        for name in names:
            self._warehouse.drop(self.tables[name])


def eligibility_parameters(settings: Settings) -> dict[str, object]:
    """Parameters of sql/baseline/eligible_products.sql."""
    rules = settings.eligibility
    prefixes = "|".join(_escape(prefix.upper()) for prefix in rules.service_prefixes)
    return {
        "min_price": rules.min_price_usd,
        "unknown_min_price": rules.unknown_part_type_min_price_usd,
        "service_pattern": f"^(?:{prefixes})" if prefixes else _NEVER,
        "commodity_pattern": commodity_pattern(rules.commodity_words) if rules.commodity_words else _NEVER,
        # A parameter list cannot be empty; no part type is the empty text.
        "commodity_exceptions": [e.strip().lower() for e in rules.commodity_exceptions] or [""],
    }
