"""Features along the graph's paths, by hand on a store of three segments, and against plain regressions."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.model.paths import PathFeatures, item_space, owners_per_rival, path_features
from tests.core.model.tiny import PATHS, evidence_of, fitting_of, owning

# Segments 0 and 1 are of one make. Product 3 fits nothing. User 3 owns two vehicles, user 4 has done nothing.
FITTING = fitting_of([[0, 1], [0, 2], [1, 2]], [0, 0, 1], 4)
TYPES = np.array([0, 0, 1, 1])
OWNS = owning([0], [1], [2], [0, 2], [1], n_segments=3)
ORDERS = [[2, 0, 0, 0], [0, 0, 2, 0], [0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
NOTHING = [[0.0] * 4] * 5
SPACE = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
RECENT = np.array([0.5, 0.0, 0.25, 0.0])
PAIRS = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2)]


def features_of(orders=ORDERS, *, fitting=FITTING, owns=OWNS, types=TYPES, space=SPACE, recent=RECENT) -> PathFeatures:
    return path_features(fitting, evidence_of(orders, owns), recent, owns, types, space, PATHS)


def wide(of: PathFeatures, name: str) -> np.ndarray:
    return of.wide[name]


def fit(of: PathFeatures, name: str) -> np.ndarray:
    return of.fit[name]


def product(of: PathFeatures, name: str) -> np.ndarray:
    return of.product_PK[:, PRODUCT_FEATURES.index(name)]


# Hand values. By segment: 0 took [2, 1, 0, 0], 1 took [0, 0, 2, 0], 2 took [0, 2, 0, 1]; all took [2, 2, 2, 1].


def test_part_type_is_orders_of_the_type_over_what_popularity_expects():
    # Segments 1 and 2 took two of one type where popularity, equal, expects one of each; segment 0 fits one type only.
    assert fit(features_of(), "part_type") == pytest.approx(np.log([1, 1, 5 / 6, 7 / 6, 7 / 6, 5 / 6]), abs=1e-6)


def test_loyalty_is_what_fits_over_what_chance_and_all_owners_give():
    # Took 3, 2, 3; chance of fitting 4/7 each; 7 fitted where 32/7 were expected; 3, 2, 2 fitted.
    expected = np.array([3, 2, 3]) * 4 / 7 * 49 / 32
    want = np.log((np.array([3, 2, 2]) + 5) / (expected + 5))
    assert fit(features_of(), "loyalty") == pytest.approx(want[[0, 0, 1, 1, 2, 2]], abs=1e-6)


def test_every_fitting_pair_says_that_it_fits():
    assert (fit(features_of(), "fits") == 1).all()


def test_product_features_match_hand_values():
    got = features_of()
    want = {
        "orders": np.log([2.5, 2.5, 2.5, 1.5]),
        "orders_5": np.log([7, 7, 7, 6]),
        "recent_orders": np.log([1, 0.5, 0.75, 0.5]),
        "type_orders": np.log([2.05, 2.05, 1.55, 1.55]),
        "breadth": np.log([3, 3, 3, 1]),
        "near_orders": np.log(np.array([4, 4, 2, 0]) / 2.5 + 0.05),
        # By fit 2, 3, 2, 0; chance gives orders · share of the orders of fitting segments (5, 6, 5 of 8), scaled to 7.
        "fit_orders_1": np.log([3 / 3.1875, 4 / 3.625, 3 / 3.1875, 1]),
        "fit_orders_5": np.log([7 / 7.1875, 8 / 7.625, 7 / 7.1875, 1]),
        "type_fit_orders": np.log([10 / 9.8125, 10 / 9.8125, 7 / 7.1875, 7 / 7.1875]),
    }
    assert set(want) == set(PRODUCT_FEATURES)
    for name, value in want.items():
        assert product(got, name) == pytest.approx(value, abs=1e-6), name


def test_owners_per_rival_counts_who_owns_exactly_what_a_product_fits_and_what_else_fits_exactly_that():
    # User 3 alone owns what product 1 fits, segments 0 and 2; nobody owns 0 and 1, or 1 and 2.
    want = np.array([np.log(0.5 / 1.5), np.log(1.5 / 1.5), np.log(0.5 / 1.5)])
    got = features_of().product_PK[:, len(PRODUCT_FEATURES)]
    assert got == pytest.approx([*(want - want.mean()), 0.0], abs=1e-6)  # product 3 fits nothing
    # Three users of segment 0 alone, and two products that fit it alone; one user owns both, and so fits product 2.
    crowded = fitting_of([[0, 1, 2], [2]], [0, 0], 3)
    owns = owning([0], [0], [0], [1, 0], [], n_segments=2)
    want = np.log([3.5 / 2.5, 3.5 / 2.5, 1.5 / 1.5])
    assert owners_per_rival(crowded, owns) == pytest.approx(want - want.mean())


def test_owners_per_rival_says_nothing_where_all_own_and_fit_the_same():
    assert owners_per_rival(fitting_of([range(5)], [0], 5), owning([0], [0], n_segments=1)).tolist() == [0.0] * 5
    assert owners_per_rival(fitting_of([[]], [0], 3), owning([0], n_segments=1)).tolist() == [0.0] * 3


def test_co_taken_is_closeness_to_what_owners_took_over_closeness_to_what_all_take():
    # Closeness to everybody's orders: 4/7, 4/7, 2/7 and a floor; ten orders of it on both sides.
    got = wide(features_of(), "co_taken")
    want = np.log(
        [[61 / 52] * 2 + [20 / 26, 10 / 13], [40 / 48] * 2 + [34 / 24, 10 / 12], [54 / 52] * 2 + [20 / 26, 10 / 13]]
    )
    assert got == pytest.approx(want, abs=1e-6)


def ridge(design: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Least squares with so many rows of zeros below: the ridge by its definition."""
    rows = np.vstack([design, np.sqrt(penalty) * np.eye(design.shape[1])])
    return np.linalg.lstsq(rows, np.vstack([target, np.zeros((design.shape[1], target.shape[1]))]), rcond=None)[0]


def many_owners() -> tuple[np.ndarray, np.ndarray]:
    """300 users with one, two or three of the segments and some orders, segment 1's owners mostly of product 2."""
    rng = np.random.default_rng(0)
    owns = rng.random((300, 3)) < 0.4
    owns[np.arange(300), rng.integers(0, 3, 300)] = True
    orders = rng.poisson(0.3 + 0.9 * owns[:, [1]] * np.array([0, 0, 1, 0]), size=(300, 4)).astype(float)
    orders[:, 0] *= orders.sum(axis=1) > 1
    return owns, orders


def ratios(difference_SP: np.ndarray, rate_P: np.ndarray, n_active: int) -> np.ndarray:
    return np.log1p(np.maximum(difference_SP / (rate_P + 1 / n_active), -0.9))


@pytest.mark.parametrize("penalty", PATHS.ridge_penalties)
def test_ridge_is_a_regression_of_what_users_took_beyond_the_average_on_vehicles_and_makes(penalty):
    owns, orders = many_owners()
    active = orders.any(axis=1)
    assert not active.all()  # users without orders are no rows
    took = np.minimum(orders[active], 1)
    makes = np.stack([owns[active][:, :2].any(axis=1), owns[active][:, 2]], axis=1)
    weights = ridge(np.hstack([owns[active], PATHS.make_scale * makes]), took - took.mean(axis=0), penalty)
    want = ratios(weights[:3] + PATHS.make_scale * weights[3:][[0, 0, 1]], took.mean(axis=0), int(active.sum()))
    got = wide(features_of(orders, owns=owning(*map(np.flatnonzero, owns), n_segments=3)), f"ridge_{penalty:g}")
    assert got == pytest.approx(want, abs=1e-4)


def test_taste_is_the_difference_of_owners_seen_in_the_item_space():
    owns, orders = many_owners()
    active = orders.any(axis=1)
    took = np.minimum(orders[active], 1)
    space = np.array([[2.0, 0.0], [2.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    axes = space / np.linalg.norm(space, axis=0)
    weights = ridge(owns[active].astype(float), (took - took.mean(axis=0)) @ axes, PATHS.ridge_penalties[0])
    want = ratios(weights @ axes.T, took.mean(axis=0), int(active.sum()))
    got = wide(features_of(orders, owns=owning(*map(np.flatnonzero, owns), n_segments=3), space=space), "taste")
    assert got == pytest.approx(want, abs=1e-4)


def test_the_ridge_credits_the_vehicle_that_explains_an_order_and_the_lift_credits_both():
    """Segment 0's owners take product 0 and segment 1's product 1. All owners of segment 2 own a 0 as well."""
    owners = [[0]] * 200 + [[1]] * 400 + [[0, 2]] * 200
    orders = [[1, 0]] * 200 + [[0, 1]] * 400 + [[1, 0]] * 200
    fitting = fitting_of([[0, 1]] * 3, [0, 1, 2], 2)
    got = features_of(
        orders,
        fitting=fitting,
        owns=owning(*owners, n_segments=3),
        types=np.zeros(2, np.int64),
        space=np.eye(2),
        recent=np.zeros(2),
    )
    own, beside = wide(got, "ridge_100")[[0, 2], 0]
    assert own > 2 * beside > 0
    lift = fit(got, "lift_30").reshape(3, 2)
    assert lift[2, 0] > 0.8 * lift[0, 0]


def test_a_difference_is_never_below_a_tenth_of_the_average():
    """Half of all take product 0 and half product 1, by vehicle: the other's would be about a fortieth."""
    got = features_of(
        [[1, 0]] * 3000 + [[0, 1]] * 3000,
        fitting=fitting_of([[0, 1]] * 2, [0, 1], 2),
        owns=owning(*[[0]] * 3000, *[[1]] * 3000, n_segments=2),
        types=np.zeros(2, np.int64),
        space=np.eye(2),
        recent=np.zeros(2),
    )
    for name in ("ridge_100", "taste"):
        assert wide(got, name)[[0, 1], [1, 0]] == pytest.approx(np.log(0.1)), name


# No evidence, one segment


def test_no_evidence_is_no_difference():
    got = features_of(NOTHING, recent=np.zeros(4))
    for name in PATHS.wide_features:
        assert not wide(got, name).any(), name
    for name in PATHS.fit_features:
        assert fit(got, name) == pytest.approx(np.full(6, float(name == "fits")), abs=1e-6), name


def test_one_segment_has_no_difference_to_everyone_also_of_what_nobody_ordered():
    orders = [[2, 0, 0], [0, 1, 0], [1, 0, 0]]
    alone = features_of(
        orders,
        fitting=fitting_of([[0, 1, 2]], [0], 3),
        owns=owning([0], [0], [0], n_segments=1),
        types=np.array([0, 1, 1]),
        space=np.array([[1.0, 0.2], [0.5, 1.0], [0.0, 0.1]]),
        recent=np.zeros(3),
    )
    for name in PATHS.wide_features:
        assert wide(alone, name) == pytest.approx(np.zeros((1, 3)), abs=1e-5), name
    for name in (*PATHS.lift_features, "part_type", "loyalty"):
        assert fit(alone, name) == pytest.approx(np.zeros(3), abs=1e-6), name
    assert product(alone, "fit_orders_1") == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_user_without_events_changes_nothing():
    more = owning([0], [1], [2], [0, 2], [1], [0, 1, 2], n_segments=3)
    one, other = features_of(), features_of([*ORDERS, [0, 0, 0, 0]], owns=more)
    assert np.array_equal(one.product_PK, other.product_PK)
    for name in PATHS.wide_features:
        assert np.array_equal(wide(one, name), wide(other, name)), name
    for name in PATHS.fit_features:
        assert np.array_equal(fit(one, name), fit(other, name)), name


# The item space


def test_item_space_of_full_rank_gives_back_the_products_of_the_scaled_rows():
    orders = [[2, 1, 0, 0], [0, 0, 2, 1], [1, 0, 5, 0], [0, 0.2, 0, 0.6], [0, 0, 0, 0]]
    fits = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0]])
    taken, types = np.log1p(np.array(orders, dtype=float)), np.array([[1, 1, 0, 0], [0, 0, 1, 1]])

    def scaled(rows: np.ndarray) -> np.ndarray:
        sums = np.sqrt(np.outer(rows.sum(axis=1), rows.sum(axis=0)))
        return np.divide(rows, sums, out=np.zeros(rows.shape), where=sums > 0)

    want = sum(w**2 * scaled(m).T @ scaled(m) for w, m in ((1, taken), (0.5, types), (0.5, fits)))
    space = item_space(FITTING, evidence_of(orders, OWNS), TYPES, rank=4, attribute_weight=0.5, seed=0)
    assert space @ space.T == pytest.approx(want, abs=1e-6)


# Nothing breaks


DEGENERATE = {
    "no orders": (NOTHING, FITTING, OWNS),
    "nobody owns anything": (ORDERS, FITTING, owning([], [], [], [], [], n_segments=3)),
    "nothing fits": (ORDERS, fitting_of([[], [], []], [0, 0, 1], 4), OWNS),
    "all of it is unfitting": ([[0, 0, 0, 3]] * 5, FITTING, OWNS),
    "a segment without owners": (ORDERS, FITTING, owning([0], [1], [1], [0, 1], [1], n_segments=3)),
    "a segment without products": (ORDERS, fitting_of([[0, 1], [], [1, 2]], [0, 0, 1], 4), OWNS),
    "views only": ((np.array(ORDERS) / 5).tolist(), FITTING, OWNS),
    "one of a million orders": ([[1e6, 0, 0, 0], *ORDERS[1:]], FITTING, OWNS),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("rank", [0, 3, 64])
def test_degenerate_stores_give_finite_features(case, rank):
    orders, fitting, owns = DEGENERATE[case]
    space = item_space(fitting, evidence_of(orders, owns), TYPES, rank=rank, attribute_weight=0.5, seed=0)
    got = features_of(orders, fitting=fitting, owns=owns, space=space)
    assert all(np.isfinite(value).all() for value in got.fit.values())
    assert np.isfinite(got.product_PK).all()
    assert all(np.isfinite(matrix).all() for matrix in got.wide.values())
