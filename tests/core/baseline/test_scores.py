"""Popularity and intent against values worked out by hand, one side and the other of every threshold."""

import math

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import ConfigError, LeakageError
from gnn_core.scoring.eligibility import eligible_products
from gnn_core.scoring.sql_baseline import compute_sql_scores
from gnn_core.scoring.sql_run import eligibility_parameters
from gnn_core.stores.sql_files import query_file
from tests.core.baseline.stores import CUTOFF, load_week, rows_of, with_settings
from tests.core.builders import make_tables
from tests.core.staging.raw_store import SETTINGS, WEEK

MUSTANG, BRONCO, CIVIC = "2018|ford|mustang", "2018|ford|bronco", "2018|honda|civic"
FITS = {p: [MUSTANG, BRONCO, CIVIC] for p in ("A", "B", "C", "D")}


def orders(prefix, product, n, day="2026-01-05"):
    """`n` orders of a product by users prefix0 … prefix(n-1)."""
    return [(f"{prefix}{i}", product, "order", day, f"{prefix}{product}{i}") for i in range(n)]


def owners(prefix, car, n=30):
    return {f"{prefix}{i}": [car] for i in range(n)}


def score_of(warehouse, events, *, version="v5.18", settings=SETTINGS, owns=None, fits=FITS, products=None):
    """(segment, product) → (tier, score) of a store of Mustang (m), Bronco (b) and Civic (c) owners."""
    owns = {**owners("m", MUSTANG), **owners("b", BRONCO), **owners("c", CIVIC), **(owns or {})}
    load_week(warehouse, make_tables(owns=owns, fits=fits, events=events, products=products))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, version, settings)
    rows = rows_of(warehouse, scores.segment_scores, "segment_id", "product_id", "tier", "score")
    return {(segment, product): (tier, pytest.approx(score)) for segment, product, tier, score in rows}


@pytest.mark.parametrize(
    ("n_a", "n_b", "want"),
    [
        pytest.param(2, 3, ("segment", math.log(3) * 10), id="5 orders in the segment, 2 of the product"),
        pytest.param(2, 2, ("global", math.log(3) * 2), id="4 orders in the segment are too few"),
        pytest.param(1, 4, ("global", math.log(2) * 2), id="1 order of the product is too few"),
    ],
)
def test_the_segment_tier_needs_5_orders_and_2_of_the_product(warehouse, n_a, n_b, want):
    scores = score_of(warehouse, orders("m", "A", n_a) + orders("m", "B", n_b))
    assert scores["ford|mustang", "A"] == want


@pytest.mark.parametrize(
    ("n_a", "n_b", "want"),
    [
        pytest.param(2, 18, ("make", math.log(3) * 8), id="20 orders in the make, 2 of the product"),
        pytest.param(2, 17, ("global", math.log(3) * 2), id="19 orders in the make are too few"),
        pytest.param(1, 19, ("global", math.log(2) * 2), id="1 order of the product is too few"),
    ],
)
def test_the_make_tier_needs_20_orders_and_2_of_the_product(warehouse, n_a, n_b, want):
    """Bronco owners order; nobody with a Mustang does, which is of the same make."""
    scores = score_of(warehouse, orders("b", "A", n_a) + orders("b", "B", n_b))
    assert scores["ford|mustang", "A"] == want
    assert scores["honda|civic", "A"] == ("global", math.log(1 + n_a) * 2)
    assert scores["honda|civic", "C"] == ("global", 0.0)


def test_the_tier_is_chosen_per_product(warehouse):
    events = orders("m", "A", 4) + orders("m", "B", 1) + orders("b", "B", 16) + orders("c", "C", 9)
    scores = score_of(warehouse, events)
    assert [scores["ford|mustang", p] for p in "ABCD"] == [
        ("segment", math.log(5) * 10),
        ("make", math.log(18) * 8),
        ("global", math.log(10) * 2),
        ("global", 0.0),
    ]


def test_an_owner_of_two_counts_in_both_segments_but_once_in_a_make_and_once_globally(warehouse):
    both = {f"x{i}": [MUSTANG, BRONCO] for i in range(4)}
    scores = score_of(warehouse, orders("x", "A", 4) + orders("b", "B", 15), owns=both)
    assert scores["ford|bronco", "A"] == ("segment", math.log(5) * 10)
    assert scores["ford|mustang", "A"] == ("global", math.log(5) * 2), "4 of the segment, 19 of the make, 4 in all"
    scores = score_of(warehouse, orders("x", "A", 4) + orders("m", "B", 1), owns=both)
    assert scores["ford|mustang", "A"] == ("segment", math.log(5) * 10), "their orders fill the segment too"


def test_orders_are_counted_by_user_number_and_product(warehouse):
    """Two rows of one order are one; without a number, two orders of one day are one."""
    events = [
        ("m0", "A", "order", "2026-01-05 10:00", "o1"),
        ("m0", "A", "order", "2026-01-06 10:00", "o1"),
        ("m1", "A", "order", "2026-01-05 10:00", "o1"),
        ("m2", "A", "order", "2026-01-05 10:00"),
        ("m2", "A", "order", "2026-01-05 18:00"),
        ("m2", "A", "order", "2026-01-06 10:00"),
        ("m3", "A", "view", "2026-01-05"),
        ("m3", "A", "cart", "2026-01-05"),
    ]
    scores = score_of(warehouse, events)
    assert scores["ford|mustang", "A"] == ("global", math.log(1 + 4) * 2)


def test_equal_values_of_different_tiers_are_one_tie(warehouse):
    """10 ln 2 = 2 ln 32 = 6.931472, whatever the last bits of a logarithm are."""
    settings = with_settings(baseline={"segment_min_product_orders": 1})
    events = orders("m", "A", 1) + orders("m", "B", 4) + orders("c", "C", 31, "2026-01-06")
    scores = score_of(warehouse, events, settings=settings, owns={"c30": [CIVIC]})
    assert scores["ford|mustang", "A"][1].expected == scores["ford|mustang", "C"][1].expected == 6.931472


def test_weights_and_thresholds_are_settings(warehouse):
    settings = with_settings(baseline={"segment_min_orders": 1, "segment_min_product_orders": 1, "segment_weight": 3.0})
    scores = score_of(warehouse, orders("m", "A", 1), settings=settings)
    assert scores["ford|mustang", "A"] == ("segment", math.log(2) * 3)


def test_only_what_fits_in_some_year_and_is_eligible_is_scored(warehouse):
    fits = {"A": [MUSTANG], "B": ["1967|ford|mustang"], "C": [CIVIC], "D": [MUSTANG]}
    scores = score_of(warehouse, [], fits=fits, products={"D": {"price": 49.99}, "U": {}})
    assert set(scores) == {("ford|mustang", "A"), ("ford|mustang", "B"), ("honda|civic", "C")}


def test_v517_scores_the_most_popular_universals_in_every_segment(warehouse):
    settings = with_settings(baseline={"universal_top_n": 2})
    products = {"U1": {}, "U2": {}, "U3": {}, "U0": {"price": 1.0}}
    events = orders("m", "U2", 3) + orders("m", "U0", 9) + orders("c", "U3", 1)
    load_week(
        warehouse,
        make_tables(owns={**owners("m", MUSTANG), **owners("c", CIVIC)}, fits=FITS, products=products, events=events),
    )
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.17", settings)
    rows = rows_of(warehouse, scores.segment_scores, "segment_id", "product_id", "universal_rank", "score")
    assert [row[:3] for row in rows if row[2]] == [
        ("ford|bronco", "U2", 1),
        ("ford|bronco", "U3", 2),
        ("ford|mustang", "U2", 1),
        ("ford|mustang", "U3", 2),
        ("honda|civic", "U2", 1),
        ("honda|civic", "U3", 2),
    ]
    by_pair = {row[:2]: row[3] for row in rows}
    assert by_pair["ford|mustang", "U2"] == pytest.approx(math.log(4) * 10), "12 orders, 3 of it: segment tier"
    assert by_pair["honda|civic", "U2"] == pytest.approx(math.log(4) * 2)


def test_intent_is_orders_else_carts_else_views_since_the_stream_started(warehouse):
    events = [
        *[("m0", "A", "order", f"2026-01-0{i}", f"o{i}") for i in (1, 2)],
        ("m0", "A", "cart", "2026-01-01"),
        *[("m0", "B", "cart", f"2026-01-0{i}") for i in (1, 2, 3)],
        ("m0", "B", "view", "2026-01-01"),
        ("m0", "C", "view", "2025-09-01"),
        ("m1", "C", "view", "2025-08-31 23:59"),
        ("m1", "D", "view", str(CUTOFF)),
    ]
    load_week(warehouse, make_tables(owns=owners("m", MUSTANG), fits=FITS, events=events))
    want = {("m0", "A"): math.log(3) * 20, ("m0", "B"): math.log(4) * 10, ("m0", "C"): math.log(2) * 2}
    v517 = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.17", SETTINGS)
    rows = rows_of(warehouse, v517.intent, "user_id", "product_id", "intent")
    assert {row[:2]: row[2] for row in rows} == pytest.approx(want)
    v518 = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS)
    assert warehouse.row_count(v518.intent) == 0


def test_eligibility_in_sql_agrees_with_python_rule_by_rule(warehouse):
    rng = np.random.default_rng(3)
    words = ["Oil Gasket", "Gaskets", "Keyed Hub", "key", "CLAMP kit", "Bolts", "Engine Bolt Kit", "wheel hub cap"]
    words += ["Capacitor", "Recap", "cap-set", "Wheel Cap Set", "Washer", "Decals", "UNKNOWN", "unknown", "Carburetor"]
    prices = [None, math.nan, math.inf, 0.0, 49.99, 50.0, 2999.99, 3000.0]
    images = [None, "http://x/a.jpg", "https://x/a.jpg", "HTTPS://x/a.jpg", ""]
    skus = ["EXT-", "GIFT-", "XEXT-", "SERVICE-", "PRE", ""]
    products = {
        f"{rng.choice(skus)}{i:04}": {
            "part_type": str(rng.choice(words)),
            "price": prices[rng.integers(len(prices)) if i % 3 else 6],
            "image_url": images[rng.integers(len(images)) if i % 2 else 2],
            "is_refurbished": bool(rng.random() < 0.1),
        }
        for i in range(600)
    }
    tables = make_tables(owns={"u": [MUSTANG]}, fits={}, products=products)
    load_week(warehouse, tables)
    for settings in (
        SETTINGS,
        with_settings(eligibility={"commodity_words": (), "commodity_exceptions": (), "service_prefixes": ()}),
        with_settings(eligibility={"commodity_words": ("hub",), "service_prefixes": ("pre",), "min_price_usd": 0.0}),
    ):
        rows = query_file(
            warehouse,
            "baseline/eligible_products",
            eligibility_parameters(settings),
            {"products": WEEK.table("products")},
        )
        judged = eligible_products(tables["products"], settings.eligibility)
        want = pd.Series(judged["reason"].to_numpy(), index=tables["products"]["product_id"]).to_dict()
        assert dict(zip(rows["product_id"].to_pylist(), rows["reason"].to_pylist(), strict=True)) == want
        assert rows["eligible"].to_pylist() == [reason is None for reason in rows["reason"].to_pylist()]
    assert len(set(want.values())) >= 6


def test_an_unknown_version_and_a_cutoff_after_the_week_are_refused(warehouse):
    with pytest.raises(ConfigError, match=r"'v5\.16' is unknown; there are v5\.17, v5\.18"):
        compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.16", SETTINGS)
    with pytest.raises(LeakageError, match="lies after 2026-06-01"):
        compute_sql_scores(warehouse, WEEK, np.datetime64("2026-06-02"), "v5.18", SETTINGS)


@pytest.mark.parametrize("weight", ["intent_order_weight", "intent_cart_weight", "intent_view_weight"])
def test_intent_that_would_lower_a_product_is_refused(weight):
    """Candidates are cut on the ground that intent only lifts."""
    with pytest.raises(ConfigError, match=rf"baseline\.{weight} is -1\.0; it must be at least 0"):
        with_settings(baseline={weight: -1.0})
    with_settings(baseline={weight: 0.0})
