"""What a row may be offered: fitment on year/make/model, thin vehicles, universals, purchases."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import DataError, ShapeError
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.candidates import Candidates
from tests.core.builders import make_snapshot
from tests.core.scoring.small import SETTINGS

C69, C70, CHEVELLE = "1969|chevrolet|camaro", "1970|chevrolet|camaro", "1969|chevrolet|chevelle"
STORE = {
    "owns": {"u0": [C69], "u1": [C70], "u2": [C69, CHEVELLE], "u3": [CHEVELLE]},
    "fits": {"A": [C69], "B": [C69, C70], "B-R": [C69], "C": [CHEVELLE], "U1": [], "U2": [], "U3": []},
    "products": {"B-R": {"base_product_id": "B"}},
    "events": [
        ("u0", "B", "order", "2026-05-01"),
        ("u1", "B", "view", "2026-05-01"),
        ("u2", "A", "order", "2025-06-01"),  # exactly 365 days before the cutoff: still inside
        ("u3", "C", "order", "2025-05-31"),  # a day more: outside
        ("u3", "U2", "order", "2026-05-01"),
        ("u3", "U3", "order", "2026-06-02"),  # after the cutoff
    ],
}
PRODUCTS = ["A", "B", "B-R", "C", "U1", "U2", "U3"]


def _candidates(minimum=1, eligible=None, settings=SETTINGS, **options):
    train = make_snapshot(**STORE)
    audience, row = build_audience(train, np.arange(4))
    assert row.tolist() == [0, 1, 2, 3]
    flags = np.array([p in (eligible or PRODUCTS) for p in PRODUCTS])
    return Candidates(train, audience, flags, settings, min_products_per_vehicle=minimum, **options)


def _names(flags_RP):
    return [[PRODUCTS[i] for i in np.flatnonzero(row)] for row in flags_RP]


def test_fitment_is_by_year_make_model():
    candidates = _candidates()
    assert _names(candidates.mask(0, 4)) == [["A", "B", "B-R"], ["B"], ["A", "B", "B-R", "C"], ["C"]]
    assert _names(candidates.mask(2, 3)) == [["A", "B", "B-R", "C"]]


def test_ineligible_products_are_no_candidates():
    assert _names(_candidates(eligible=["B", "C"]).mask(0, 4)) == [["B"], ["B"], ["B", "C"], ["C"]]


def test_a_vehicle_with_too_few_eligible_products_contributes_none():
    # Only the 1969 Camaro has two; the two-vehicle owner keeps that one.
    candidates = _candidates(minimum=2)
    assert _names(candidates.mask(0, 4)) == [["A", "B", "B-R"], [], ["A", "B", "B-R"], []]
    assert candidates.servable_AV.sum(axis=1).ravel().tolist() == [[1, 0, 1, 0]]


def test_universals_are_the_most_ordered_before_the_cutoff_ties_by_index():
    # U2 has an order; U3's lies after the cutoff, so U1 comes second by its index.
    settings = replace(SETTINGS, universal_candidates=2)
    candidates = _candidates(minimum=2, settings=settings)
    assert _names([np.isin(np.arange(7), candidates.universal)]) == [["U1", "U2"]]
    assert _names(candidates.mask(0, 4)) == [["A", "B", "B-R", "U1", "U2"], [], ["A", "B", "B-R", "U1", "U2"], []]


def test_purchases_of_the_window_exclude_every_variant():
    assert _names(_candidates().purchased(0, 4)) == [["B", "B-R"], [], ["A"], ["U2"]]


def test_no_exclusion_when_the_window_is_empty():
    candidates = _candidates(settings=replace(SETTINGS, purchase_exclusion_days=0))
    assert not candidates.purchased(0, 4).any()


def test_new_products_only_takes_away_every_earlier_order_of_that_product():
    masks = _candidates(new_products_only=True).mask(0, 4)
    assert _names(masks) == [["A", "B-R"], ["B"], ["B", "B-R", "C"], []]


def test_a_store_without_eligible_products_is_an_error():
    with pytest.raises(DataError, match="none of 7 products"):
        _candidates(eligible=["none"])


def test_eligible_flags_of_another_store_are_refused():
    train = make_snapshot(**STORE)
    audience, _ = build_audience(train, np.arange(4))
    with pytest.raises(ShapeError, match=r"\(3,\).*7 products"):
        Candidates(train, audience, np.ones(3, dtype=bool), SETTINGS, min_products_per_vehicle=1)
