"""SQL's scores and the graph's in one: final = α · sql + (1 − α) · gnn, on comparable scales.

What belongs here: scaling within a row's candidates, and the blend. What does not: the choice of α (evaluation), or the
models themselves. Shape letters: R rows of a block, P products, C candidate cells of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import ConfigError, ShapeError
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.rank import Bool, Float, candidate_cells, checked_block, require_finite, row_chunks
from gnn_core.snapshot import Int, Snapshot

SCALES = ("minmax", "zscore", "rank")


def scale_block(scores_RP: Float, mask_RP: Bool, how: str) -> Float:
    """Bring each row's candidate scores to a scale that does not depend on the model.

    `minmax` maps them to [0, 1]; `zscore` to mean 0 and standard deviation 1; `rank` to the share of the other
    candidates that are beaten, ties sharing the mean. A row whose candidates all have one score tells nothing: zeros.

    Returns:
        (R, P) float32; 0 where the mask is false.
    Raises:
        ConfigError: `how` is unknown. ShapeError: shapes disagree. DataError: a score is NaN or infinite.
    """
    if how not in SCALES:
        raise ConfigError(f"hybrid.scale is {how!r}; it must be one of {', '.join(SCALES)}")
    if scores_RP.shape != mask_RP.shape:
        raise ShapeError(f"scores are {scores_RP.shape} but the mask is {mask_RP.shape}")
    require_finite(scores_RP, f"{how} scaling")
    scaled = np.zeros(scores_RP.shape, dtype=np.float32)
    for rows in row_chunks(*scores_RP.shape):
        row, product = candidate_cells(mask_RP[rows])
        if len(row):
            # float64: scores may be large and close together.
            values = scores_RP[rows][row, product].astype(np.float64)
            scaled[rows][row, product] = _SCALERS[how](values, row)
    return scaled


class Hybrid:
    """A Recommender that blends two others.

    At α = 1 the score is SQL's own and at α = 0 the graph's own, unscaled, so that these two ends keep their model's
    order exactly, ties included (scaling in floating point may merge two neighbouring scores).
    """

    name = "hybrid"

    def __init__(
        self,
        sql: Recommender,
        gnn: Recommender,
        alpha: float,
        scale: str,
        candidates_of: Callable[[Audience], Candidates],
    ) -> None:
        """`candidates_of` gives the candidates within whose scores each row is scaled: those that will be ranked.

        Raises:
            ConfigError: α is outside [0, 1], or the scale is unknown.
        """
        if not 0 <= alpha <= 1:
            raise ConfigError(f"hybrid α is {alpha!r}; it must lie between 0 and 1")
        if scale not in SCALES:
            raise ConfigError(f"hybrid.scale is {scale!r}; it must be one of {', '.join(SCALES)}")
        self.sql, self.gnn, self.alpha, self.scale = sql, gnn, alpha, scale
        self._candidates_of = candidates_of
        self._candidates: Candidates | None = None

    def fit(self, train: Snapshot) -> None:
        """Fit both components. Components that are fitted already need no call."""
        self.sql.fit(train)
        self.gnn.fit(train)

    def prepare(self, audience: Audience) -> None:
        """Prepare both components and the candidates."""
        self.sql.prepare(audience)
        self.gnn.prepare(audience)
        self._candidates = self._candidates_of(audience)

    def score_block(self, start: int, stop: int) -> Float:
        """(R, P) blended scores; 0 outside the candidates unless α is 0 or 1."""
        if self._candidates is None:
            raise ShapeError("hybrid: score_block was called before prepare; there is no audience to score")
        n_P = self._candidates.n_products
        sql_RP = checked_block(self.sql, start, stop, n_P) if self.alpha > 0 else None
        gnn_RP = checked_block(self.gnn, start, stop, n_P) if self.alpha < 1 else None
        return self.blend(sql_RP, gnn_RP, self._candidates.mask(start, stop))

    def blend(self, sql_RP: Float | None, gnn_RP: Float | None, mask_RP: Bool) -> Float:
        """The final scores from component scores that the caller has; a component of weight 0 may be None."""
        if self.alpha == 1 and sql_RP is not None:
            return sql_RP
        if self.alpha == 0 and gnn_RP is not None:
            return gnn_RP
        if sql_RP is None or gnn_RP is None:
            raise ShapeError(f"hybrid: at α = {self.alpha} both SQL's and the graph's scores are needed")
        # In place: a block is 100 MB, and every temporary costs its page faults.
        blended, graph = (scale_block(scores, mask_RP, self.scale) for scores in (sql_RP, gnn_RP))
        blended *= np.float32(self.alpha)
        graph *= np.float32(1 - self.alpha)
        blended += graph
        return blended


def _minmax(values: NDArray[np.float64], row: Int) -> NDArray[np.float64]:
    low, high = (_per_row(f, values, row) for f in (np.minimum, np.maximum))
    return _divide(values - low, high - low)


def _zscore(values: NDArray[np.float64], row: Int) -> NDArray[np.float64]:
    count = np.bincount(row)[row]
    centred = values - (np.bincount(row, weights=values)[row] / count)
    deviation = np.sqrt(np.bincount(row, weights=centred**2)[row] / count)
    # A constant row has deviation exactly 0: sums of equal 24-bit values are exact in float64.
    return _divide(centred, deviation)


def _rank(values: NDArray[np.float64], row: Int) -> NDArray[np.float64]:
    order = np.lexsort((values, row))
    sorted_values, sorted_row = values[order], row[order]
    new = np.r_[True, (np.diff(sorted_row) != 0) | (np.diff(sorted_values) != 0)]
    first = np.flatnonzero(new)
    size = np.diff(np.r_[first, len(values)])
    mean_place = (first + (size - 1) / 2)[np.cumsum(new) - 1]
    count = np.bincount(row)
    before = (np.cumsum(count) - count)[sorted_row]
    beaten = _divide(mean_place - before, (count[sorted_row] - 1).astype(np.float64))
    varies = _per_row(np.maximum, sorted_values, sorted_row) > _per_row(np.minimum, sorted_values, sorted_row)
    ranks = np.empty(len(values))
    ranks[order] = np.where(varies, beaten, 0.0)
    return ranks


def _per_row(function: np.ufunc, values: NDArray[np.float64], row: Int) -> NDArray[np.float64]:
    """The row's reduction, once for each of its cells. Rows are consecutive, as candidate_cells gives them."""
    starts = np.flatnonzero(np.r_[True, np.diff(row) != 0])
    return np.repeat(function.reduceat(values, starts), np.diff(np.r_[starts, len(row)]))


def _divide(values: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)


_SCALERS = {"minmax": _minmax, "zscore": _zscore, "rank": _rank}
