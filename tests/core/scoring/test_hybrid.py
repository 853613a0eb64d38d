"""Scaling by hand, and the two ends of the blend."""

import numpy as np
import pytest

from gnn_core.errors import ConfigError, DataError, ShapeError
from gnn_core.scoring import rank
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.hybrid import SCALES, Hybrid, scale_block
from gnn_core.scoring.rank import top_k
from tests.core.builders import make_snapshot
from tests.core.scoring.small import SETTINGS

CAR, OTHER = "1969|ford|mustang", "1970|ford|mustang"


def _f32(rows):
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize(
    ("how", "want"),
    [
        ("minmax", [0.0, 1.0, 0.25, 0.25, 0.0]),
        ("zscore", [-1.0, 5 / 3, -1 / 3, -1 / 3, 0.0]),  # mean 1.5, deviation 1.5
        ("rank", [0.0, 1.0, 0.5, 0.5, 0.0]),  # the tied pair shares places 1 and 2 of 0…3
    ],
)
def test_scale_within_candidates_by_hand(how, want):
    scores, mask = _f32([[0, 4, 1, 1, 99]]), np.array([[1, 1, 1, 1, 0]], dtype=bool)
    np.testing.assert_allclose(scale_block(scores, mask, how)[0], want, atol=1e-6)


@pytest.mark.parametrize("how", SCALES)
def test_a_row_that_tells_nothing_is_zero(how):
    scores = _f32([[0.1, 0.1, 0.1], [5, 7, 9], [3, 1, 2]])
    mask = np.array([[1, 1, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    assert not scale_block(scores, mask, how).any()


@pytest.mark.parametrize("how", SCALES)
def test_a_long_constant_row_leaves_no_rounding_noise(how):
    scores = np.full((1, 9_973), 1 / 3, dtype=np.float32)
    assert not scale_block(scores, np.ones(scores.shape, dtype=bool), how).any()


@pytest.mark.parametrize("how", SCALES)
def test_rows_are_scaled_alone_whatever_the_chunk(how, monkeypatch):
    rng = np.random.default_rng(1)
    scores, mask = rng.standard_normal((7, 5)).astype(np.float32), rng.random((7, 5)) < 0.6
    alone = np.vstack([scale_block(scores[i : i + 1], mask[i : i + 1], how) for i in range(7)])
    monkeypatch.setattr(rank, "_CHUNK_CELLS", 10)
    np.testing.assert_array_equal(scale_block(scores, mask, how), alone)


def test_unknown_scale_wrong_shape_and_no_number_are_refused():
    with pytest.raises(ConfigError, match=r"hybrid\.scale is 'max'"):
        scale_block(_f32([[1]]), np.ones((1, 1), bool), "max")
    with pytest.raises(ShapeError, match=r"\(1, 1\).*\(1, 2\)"):
        scale_block(_f32([[1]]), np.ones((1, 2), bool), "rank")
    with pytest.raises(DataError, match="NaN or infinite"):
        scale_block(_f32([[np.nan]]), np.ones((1, 1), bool), "rank")


class _Fixed:
    """Scores that stand in a table."""

    def __init__(self, name, scores):
        self.name, self.scores, self.fitted = name, _f32(scores), 0

    def fit(self, train):
        self.fitted += 1

    def prepare(self, audience):
        pass

    def score_block(self, start, stop):
        return self.scores[start:stop]


# Two neighbouring floats near 1,000 that any scaling to [0, 1] would merge.
CLOSE = np.nextafter(np.float32(1000), np.float32(2000))
SQL = [[1000, CLOSE, 0, 0, 999], [0, 0, 0, 0, 0]]
GNN = [[0.3, 0.1, 0.2, 0.2, 0.9], [5, 4, 3, 2, 1]]


def _hybrid(alpha, scale="minmax"):
    train = make_snapshot(owns={"u0": [CAR], "u1": [OTHER]}, fits={p: [CAR, OTHER] for p in "ABCD"} | {"E": [OTHER]})
    audience, _ = build_audience(train, np.arange(2))
    sql, gnn = _Fixed("sql", SQL), _Fixed("gnn", GNN)

    def candidates_of(rows):
        return Candidates(train, rows, np.ones(5, dtype=bool), SETTINGS, min_products_per_vehicle=1)

    hybrid = Hybrid(sql, gnn, alpha, scale, candidates_of)
    hybrid.fit(train)
    assert (sql.fitted, gnn.fitted) == (1, 1)
    hybrid.prepare(audience)
    return hybrid, candidates_of(audience).mask(0, 2)


@pytest.mark.parametrize(("alpha", "component"), [(1.0, SQL), (0.0, GNN)])
def test_the_ends_keep_their_models_order_exactly(alpha, component):
    hybrid, mask = _hybrid(alpha)
    want = top_k(_f32(component), mask, 5)[0]
    assert top_k(hybrid.score_block(0, 2), mask, 5)[0].tolist() == want.tolist()


def test_the_middle_by_hand():
    hybrid, _ = _hybrid(0.25)
    # Row 0, E is no candidate: SQL's minmax is 1, 1, 0, 0; the graph's (.3 − .1 = .2 apart) 1, 0, .5, .5.
    np.testing.assert_allclose(hybrid.score_block(0, 1), [[1.0, 0.25, 0.375, 0.375, 0.0]], atol=1e-6)
    # Row 1: SQL is constant, so the graph alone decides, at 3/4.
    np.testing.assert_allclose(hybrid.score_block(1, 2), [[0.75, 0.5625, 0.375, 0.1875, 0.0]], atol=1e-6)


def test_a_broken_component_is_named():
    hybrid, _ = _hybrid(0.5)
    hybrid.gnn.scores[1, 2] = np.inf
    with pytest.raises(DataError, match="gnn: 1 score"):
        hybrid.score_block(0, 2)


def test_bad_alpha_and_scale_are_refused_when_built():
    with pytest.raises(ConfigError, match=r"α is 1\.5"):
        Hybrid(_Fixed("a", []), _Fixed("b", []), 1.5, "rank", lambda _: None)
    with pytest.raises(ConfigError, match="scale"):
        Hybrid(_Fixed("a", []), _Fixed("b", []), 0.5, "raw", lambda _: None)
