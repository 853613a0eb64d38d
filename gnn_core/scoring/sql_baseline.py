"""The SQL cascade, v5.17 and v5.18: the system to beat, computed in the warehouse from the contract tables of a week.

What belongs here: the cascade as a job and as one of the models. What does not: formulas and rules
(gnn_core/sql/baseline/*.sql), other models (peers), lists of other models (recommend.py).

Shape letters: A audience rows, P products, V vehicles (year/make/model), S segments (make/model).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.errors import ContractError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.recommender import Audience
from gnn_core.scoring.sql_intent import audience_intent
from gnn_core.scoring.sql_run import LIST_STEPS, SqlRun, check_version
from gnn_core.snapshot import Int, Snapshot, index_of
from gnn_core.stores.week import WeekTables

logger = logging.getLogger(__name__)

NOT_OFFERED = np.float32(-1.0)
"""Score of what the cascade does not score; below every real score (they are >= 0), and near them, so that it distorts
no scale."""
_DECIMALS = 6
"""Of scores, as in sql/baseline."""


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
    run = SqlRun(warehouse, week, cutoff, version, settings)
    try:
        run.score_segments()
        run.step("intent")
        for name in LIST_STEPS:
            run.step(name)
        run.step("lists", layout=settings.layouts.lists)
        coverage = run.coverage()
    finally:
        run.drop(*LIST_STEPS, "eligible_products")
    seconds = time.monotonic() - started
    logger.info("SQL %s at %s: %s in %.1f s", version, cutoff, coverage, seconds)
    tables = run.tables
    return SqlScores(version, cutoff, tables["segment_scores"], tables["intent"], tables["lists"], coverage, seconds)


class SqlRecommender:
    """The cascade as a Recommender: `fit` runs its popularity in the warehouse, `score_block` reads it per vehicle.

    The score of a row for a product is the best over those of the row's vehicles that the product fits on
    year/make/model (or over all of them, for v5.17's universal products), plus, in v5.17, the row's own intent.
    """

    def __init__(self, warehouse: Warehouse, week: WeekTables, version: str, settings: Settings) -> None:
        check_version(version)
        self.name = f"sql_{version}"
        self._warehouse, self._week, self._version, self._settings = warehouse, week, version, settings
        self.segment_scores: pa.Table | None = None
        """Popularity by segment and product, as it was counted; None before `fit`."""
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
        run = SqlRun(self._warehouse, self._week, train.as_of, self._version, self._settings)
        run.check_same_store(train)
        try:
            run.score_segments()
        finally:
            run.drop("eligible_products")
        self.fit_from(self._warehouse.read(run.tables["segment_scores"]), train)

    def fit_from(self, table: pa.Table, train: Snapshot) -> None:
        """Index scores that `fit` has counted elsewhere, so that many processes need only one count.

        Args:
            table: what `segment_scores` gave. train: the snapshot that it was counted on.
        Raises:
            ContractError: the table names a segment or product that `train` does not have.
        """
        self.segment_scores = table
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
        # A sum is rounded as the warehouse rounds it, or ties would break differently; that takes double precision.
        kind = np.float32 if self._intent_AP is None else np.float64
        block = np.full((owned.shape[0], self._scores_VP.shape[1]), NOT_OFFERED, dtype=kind)
        n_owned = np.diff(owned.indptr)
        for nth in range(int(n_owned.max(initial=0))):
            rows = np.flatnonzero(n_owned > nth)
            vehicles = owned.indices[owned.indptr[rows] + nth]
            for matrix in (self._scores_VP, self._universal_VP):
                _raise_to(block, rows, matrix[vehicles])
        if self._intent_AP is not None:
            intent = self._intent_AP[start:stop].tocoo()
            popularity = block[intent.row, intent.col]
            both = np.round(popularity + intent.data, _DECIMALS)
            block[intent.row, intent.col] = np.where(popularity > NOT_OFFERED, both, popularity)
        return block.astype(np.float32, copy=False)


def _by_segment(table: pa.Table, train: Snapshot) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Scores of fitting and of universal products, each (S, P); a score of 0 is stored, not left out."""
    frame = table.to_pandas()
    segment = index_of(frame["segment_id"], train.segment_ids, "SQL scores: segment_id")
    product = index_of(frame["product_id"], train.product_ids, "SQL scores: product_id")
    score = frame["score"].to_numpy(dtype=np.float64)
    universal = frame["universal_rank"].notna().to_numpy()
    shape = (len(train.segment_ids), len(train.product_ids))

    def matrix(rows: NDArray[np.bool_]) -> sparse.csr_matrix:
        return sparse.csr_matrix((score[rows], (segment[rows], product[rows])), shape=shape)

    return matrix(~universal), matrix(universal)


def _on_pairs(scores_SP: sparse.csr_matrix, train: Snapshot) -> sparse.csr_matrix:
    """(V, P): a segment's scores, only where the product fits the vehicle's own year."""
    n_P = len(train.product_ids)
    known = scores_SP.tocoo()
    key = known.row.astype(np.int64) * n_P + known.col
    order = np.argsort(key)
    fits = train.fits_VP.tocoo()
    wanted = train.segment_V[fits.row] * n_P + fits.col
    at = np.minimum(np.searchsorted(key[order], wanted), max(len(key) - 1, 0))
    found = key[order][at] == wanted if len(key) else np.zeros(len(wanted), dtype=bool)
    scores = known.data[order][at[found]] if len(key) else known.data
    return sparse.csr_matrix((scores, (fits.row[found], fits.col[found])), shape=train.fits_VP.shape)


def _keep_rows(matrix: sparse.csr_matrix, keep: NDArray[np.bool_]) -> sparse.csr_matrix:
    """The matrix with every other row emptied. Stored zeros stay: they are scores."""
    lengths = np.where(keep, np.diff(matrix.indptr), 0)
    entries = np.repeat(keep, np.diff(matrix.indptr))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((matrix.data[entries], matrix.indices[entries], indptr), shape=matrix.shape)


def _raise_to(block: NDArray[np.floating], rows: Int, scores: sparse.csr_matrix) -> None:
    """Lift `block[rows]` to the stored entries of `scores` (one row each) where they are higher, in place."""
    at = np.repeat(rows, np.diff(scores.indptr))
    block[at, scores.indices] = np.maximum(block[at, scores.indices], scores.data)
