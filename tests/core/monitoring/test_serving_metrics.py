"""Serving metrics and the shadow comparison by hand."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from gnn_core.errors import ContractError, DataError
from gnn_core.monitoring.serving import gini, intra_list_distance, score_stability, serving_metrics
from gnn_core.monitoring.shadow import compare_lists


def _rows(*lists, tier="cold", source="hybrid"):
    """(user, products as letters) → rows; part type is the letter's upper case, price its position in the alphabet."""
    return pd.DataFrame(
        [
            {
                "user_id": user, "slot": slot, "product_id": p, "part_type": p.upper(), "source": source,
                "engagement_tier": tier, "price": float(ord(p) - 96),
            }
            for user, products in lists
            for slot, p in enumerate(products, 1)
        ]
    )  # fmt: skip


def test_metrics_by_hand():
    rows = _rows(("u1", "abc"), ("u2", "abd"))
    fallback = np.array([True] + [False] * 5)
    found = serving_metrics(rows, eligible_products=8, cold_users=4, base_users=5, fallback_N=fallback)
    assert (found.users, found.slots, found.products) == (2, 6, 4)
    assert found.catalogue_coverage == 0.5
    assert found.part_types_per_list == 3
    assert (found.cold_coverage, found.coverage) == (0.5, 0.4)
    assert found.fallback_share == pytest.approx(1 / 6)
    assert found.users_by_source == {"hybrid": 2}
    assert found.intra_list_distance is None
    # a and b stand in both lists: two of three.
    assert found.shared_products == pytest.approx(2 / 3)
    # Counts 0 0 0 0 1 1 2 2: Σ (2i − 9) x = 1·1 + 3·1 + 5·2 + 7·2 = 28; over 8 · 6.
    assert found.gini == pytest.approx(28 / 48)


def test_shared_products_are_those_of_two_users_at_random_whatever_the_catalogue():
    def shared(*lists, eligible=50):
        rows = _rows(*lists)
        found = serving_metrics(
            rows, eligible_products=eligible, cold_users=0, base_users=9, fallback_N=np.zeros(len(rows), bool)
        )
        return found.shared_products

    assert shared(("u1", "abcd"), ("u2", "abcd"), ("u3", "abcd")) == 1.0
    assert shared(("u1", "abc"), ("u2", "def")) == 0.0
    # Pairs share 2, 0 and 0 products; lists hold (4 + 4 + 4) / 3.
    three = ("u1", "abcd"), ("u2", "abef"), ("u3", "ghij")
    assert shared(*three) == pytest.approx(2 / 3 / 4)
    assert shared(*three, eligible=5_000) == shared(*three)
    assert shared(("u1", "abc")) is None


def test_gini_ends():
    assert gini(np.array([3.0, 3.0, 3.0])) == 0.0
    assert gini(np.array([0.0] * 99 + [1.0])) == pytest.approx(0.99)
    with pytest.raises(DataError):
        gini(np.zeros(3))


def test_distance_within_a_list_by_hand():
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    ids = np.array(["a", "b", "c"], dtype=object)
    # u1: a–b 1, a–c 0, b–c 1 → 2/3. u2: a–c 0, the unknown z is left out.
    rows = _rows(("u1", "abc"), ("u2", "acz"))
    assert intra_list_distance(rows, ids, vectors) == pytest.approx((2 / 3 + 0) / 2)
    assert intra_list_distance(_rows(("u1", "az")), ids, vectors) is None


def test_distance_of_many_users_needs_no_row_a_slot():
    rng = np.random.default_rng(6)
    n, width, ids = 40_000, 64, np.array([f"p{i}" for i in range(50)], dtype=object)
    vectors = rng.normal(size=(50, width))
    place = np.argsort(rng.random((n, 50)), axis=1)[:, :4]
    rows = pd.DataFrame({"user_id": np.repeat(np.arange(n), 4), "product_id": ids[place.ravel()]})
    tracemalloc.start()
    found = intra_list_distance(rows, ids, vectors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = np.einsum("ukd,uld->ukl", unit[place], unit[place])
    assert found == pytest.approx(1 - (alike.sum(axis=(1, 2)) - 4).mean() / 12, abs=1e-12)
    assert peak < n * 4 * width * 8 / 2


def test_no_cold_user_is_no_coverage_and_no_row_is_an_error():
    rows = _rows(("u1", "abc"), tier="hot")

    def measured(rows=rows, n=3, eligible=3):
        return serving_metrics(
            rows, eligible_products=eligible, cold_users=0, base_users=1, fallback_N=np.zeros(n, bool)
        )

    assert (measured().cold_coverage, measured().coverage) == (None, 1.0)
    with pytest.raises(DataError, match="empty"):
        measured(rows.iloc[:0], 0)
    with pytest.raises(DataError, match="3 products are recommended and 2"):
        measured(eligible=2)
    with pytest.raises(ContractError, match="source"):
        measured(rows.drop(columns="source"))


def test_scores_are_compared_within_a_policy_and_beside_chance():
    rng = np.random.default_rng(3)
    before = pd.DataFrame({"source": ["hybrid"] * 4_000, "final_score": rng.normal(size=4_000)})
    same = pd.DataFrame({"source": ["hybrid"] * 4_000, "final_score": rng.normal(size=4_000)})
    other = pd.DataFrame({"source": ["sql_v5.18"] * 100, "final_score": rng.normal(50, 1, size=100)})
    found = score_stability(before, pd.concat([same, other]), bins=10, confidence=0.999)
    assert set(found) == {"hybrid"}
    assert found["hybrid"]["psi"] < found["hybrid"]["by_chance"] < 0.02
    moved = score_stability(before, same.assign(final_score=same["final_score"] + 1), bins=10, confidence=0.999)
    assert moved["hybrid"]["psi"] > 0.25


def test_users_who_share_a_score_are_one_draw():
    alike = pd.DataFrame({"source": ["hybrid"] * 1_000, "final_score": [1.0, 2.0] * 500})
    assert score_stability(alike, alike, bins=10, confidence=0.999)["hybrid"]["by_chance"] > 10


def test_the_same_table_differs_in_nothing():
    rows = _rows(("u1", "abcd"), ("u2", "bcd"))
    found = compare_lists(rows, rows)
    assert (found.overlap, found.same_list, found.same_first, found.rank_correlation) == (1.0, 1.0, 1.0, 1.0)
    assert (found.users_gained, found.users_lost, found.part_type_shift) == (0, 0, 0.0)


def test_a_comparison_by_hand():
    served = _rows(("u1", "abcd"), ("u2", "abc"), ("gone", "abc"))
    shadow = _rows(("u1", "dcba"), ("u2", "xyz"), ("new", "abc"), ("new2", "abc"))
    found = compare_lists(served, shadow)
    assert (found.users_both, found.users_lost, found.users_gained) == (2, 1, 2)
    assert found.overlap == 0.5
    assert found.same_list == 0.0
    assert found.rank_correlation == -1.0
    assert found.price_served == pytest.approx((1 + 2 + 3 + 4 + 1 + 2 + 3) / 7)
    assert found.overlap_by_tier == {"cold": 0.5}
    # Of 7 rows each: a, b, c 2/7 → 1/7; x, y, z 0 → 1/7.
    assert found.part_type_shift == pytest.approx(3 / 7)
    assert (found.same_first, found.products_served, found.products_shadow) == (0.0, 4, 7)
    assert len(found.largest_shifts) == 5
    assert ("A", pytest.approx(2 / 7), pytest.approx(1 / 7)) in found.largest_shifts
    assert "D" not in [name for name, _, _ in found.largest_shifts]  # the only one that did not move


def test_rank_correlation_is_the_mean_of_kendalls_tau_of_users():
    rng = np.random.default_rng(5)
    letters = np.array(list("abcdefg"))
    lists = [[(f"u{u}", "".join(rng.permutation(letters)[:n])) for u, n in enumerate(rng.integers(3, 5, size=60))]
             for _ in range(2)]  # fmt: skip
    taus = []
    for (_, served), (_, shadow) in zip(*lists, strict=True):
        common = [p for p in served if p in shadow]
        if len(common) > 1:
            taus.append(kendalltau([served.index(p) for p in common], [shadow.index(p) for p in common]).statistic)
    found = compare_lists(_rows(*lists[0]), _rows(*lists[1]).sample(frac=1, random_state=1))
    assert found.rank_correlation == pytest.approx(np.mean(taus))
    assert compare_lists(_rows(("u", "ab")), _rows(("u", "bc"))).rank_correlation is None
    assert compare_lists(_rows(("u", "ab")), _rows(("u", "cd"))).rank_correlation is None


def test_tables_that_cannot_be_compared_are_refused():
    rows = _rows(("u1", "abc"))
    with pytest.raises(DataError, match="no user in common"):
        compare_lists(rows, _rows(("u2", "abc")))
    with pytest.raises(ContractError, match="shadow table: a product stands twice"):
        compare_lists(rows, _rows(("u1", "aab")))
    with pytest.raises(ContractError, match="served table"):
        compare_lists(rows.drop(columns="price"), rows)
