"""Lists against a slow oracle on random stores, and each rule on a store of its own."""

import numpy as np
import pandas as pd
import pytest

from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.scoring.rank import top_k_with_rules
from gnn_core.scoring.sql_baseline import NOT_OFFERED, SqlRecommender, compute_sql_scores
from gnn_core.scoring.sql_run import SqlRun
from gnn_core.snapshot import build_snapshot
from tests.core.baseline.oracle import Oracle
from tests.core.baseline.stores import CUTOFF, heavy_buyers, load_week, random_store, rows_of, with_settings
from tests.core.builders import AS_OF, make_tables
from tests.core.staging.raw_store import SETTINGS, WEEK

CAR, OTHER = "2018|ford|mustang", "2018|honda|civic"
SMALL = with_settings(
    baseline={
        "segment_min_orders": 5,
        "make_min_orders": 12,
        "universal_top_n": 4,
    }
)
CASES = [
    pytest.param(1, "v5.18", SMALL, id="v5.18"),
    pytest.param(2, "v5.18", with_settings(SMALL, eligibility={"require_email_consent": True}), id="consent"),
    pytest.param(3, "v5.18", with_settings(SMALL, scoring={"purchase_exclusion_days": 30}), id="short exclusion"),
    pytest.param(4, "v5.17", SMALL, id="v5.17"),
    pytest.param(5, "v5.17", with_settings(SMALL, scoring={"universal_candidates": 3}), id="three universals"),
    pytest.param(6, "v5.17", with_settings(SMALL, scoring={"universal_candidates": 9}), id="more than are scored"),
    pytest.param(7, "v5.18", with_settings(SMALL, scoring={"universal_candidates": 3}), id="v5.18 has no universals"),
    pytest.param(
        8, "v5.18", with_settings(SMALL, scoring={"max_per_part_type": 1, "min_slots": 2}), id="one of a type"
    ),
]


def lists_of(warehouse, scores):
    """user → [(product, score)] by slot."""
    lists: dict[str, list] = {}
    rows = rows_of(warehouse, scores.lists, "user_id", "slot", "product_id", "score")
    for user, slot, product, score in sorted(rows):
        lists.setdefault(user, []).append((product, pytest.approx(score)))
        assert slot == len(lists[user]), "slots are 1, 2, 3 … without a gap"
    return lists


@pytest.mark.parametrize(("seed", "version", "settings"), CASES)
def test_lists_are_those_of_the_oracle(warehouse, seed, version, settings):
    tables = random_store(seed)
    load_week(warehouse, tables)
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, version, settings)
    oracle = Oracle(tables, CUTOFF, version, settings)
    want = {user: oracle.list_of(user) for user in tables["users"]["user_id"]}
    assert lists_of(warehouse, scores) == {user: rows for user, rows in want.items() if rows}

    sizes = [len(rows) for rows in want.values()]
    slots, consent = settings.scoring.slots, settings.eligibility.require_email_consent
    served = [u for u in want if not consent or oracle.consent[u]]
    assert scores.coverage == {
        "users": len(want),
        "users_with_all_slots": sum(n == slots for n in sizes),
        "users_with_fewer_slots": sum(0 < n < slots for n in sizes),
        "dropped_without_consent": len(want) - len(served),
        "dropped_vehicle_with_too_few_products": sum(not oracle.vehicles(u) for u in served),
        "dropped_too_few_slots": sum(bool(oracle.vehicles(u)) and not want[u] for u in served),
    }
    assert sum(scores.coverage.values()) == 2 * len(want), "everyone is served or counted with the reason"


@pytest.mark.parametrize("version", ["v5.17", "v5.18"])
@pytest.mark.parametrize("seed", range(1, 4))
def test_lists_of_heavy_buyers_are_those_of_the_oracle(warehouse, seed, version):
    """Whose purchases and intent reach far below the top of what fits their cars."""
    tables = heavy_buyers(seed)
    settings = with_settings(SMALL, scoring={"universal_candidates": seed % 3})
    load_week(warehouse, tables)
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, version, settings)
    oracle = Oracle(tables, CUTOFF, version, settings)
    want = {user: oracle.list_of(user) for user in tables["users"]["user_id"]}
    assert lists_of(warehouse, scores) == {user: rows for user, rows in want.items() if rows}


@pytest.mark.parametrize("version", ["v5.17", "v5.18"])
def test_candidates_follow_purchases_and_intent_not_the_catalogue(warehouse, monkeypatch, version):
    """Else a store of one vehicle has users × products of them."""
    monkeypatch.setattr(SqlRun, "drop", lambda self, *names: None)
    fits = {f"P{i:03}": [CAR] for i in range(300)}
    products = {p: {"part_type": f"type {i % 100}"} for i, p in enumerate(fits)}
    events = [(f"buyer{i}", f"P{i + j:03}", "order", "2026-04-01") for i in range(20) for j in range(3)]
    events += [(f"viewer{i}", f"P{200 + i}", "view", "2026-04-01") for i in range(20)]
    owns = {f"{kind}{i}": [CAR] for kind in ("buyer", "viewer", "cold") for i in range(20)}
    load_week(warehouse, make_tables(owns=owns, fits=fits, products=products, events=events))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, version, SETTINGS)
    candidates = warehouse.read(WEEK.scores("candidates", CUTOFF, version)).to_pandas()
    kind = candidates["list_key"].str.extract(r"^user:(buyer|viewer)|^set:").fillna("cold")[0]
    bought, viewed = 3, 1 if version == "v5.17" else 0
    assert candidates.groupby([kind, "list_key"]).size().groupby(level=0).max().to_dict() == {
        "buyer": 4 + bought,
        "cold": 4,
        **({"viewer": 4 + viewed} if viewed else {}),
    }
    assert len(lists_of(warehouse, scores)) == 60


def test_random_stores_reach_every_case():
    """Else the comparison above would prove less than it says."""
    sizes, warm, several = set(), 0, 0
    for seed in range(1, 9):
        tables = random_store(seed)
        oracle = Oracle(tables, CUTOFF, "v5.18", SMALL)
        sizes |= {len(oracle.list_of(u)) for u in tables["users"]["user_id"]}
        warm += len({e.user_id for e in oracle.past})
        several += sum(len(cars) > 1 for cars in oracle.owns.values())
        tiers = {
            round(oracle.popularity(oracle.segment[v], p) / np.log1p(oracle.anywhere[p]))
            for v in oracle.fits
            for p in oracle.fits[v]
            if oracle.anywhere[p]
        }
        assert len(tiers) > 2
    assert sizes == {0, 3, 4}
    assert warm > 50
    assert several > 50


@pytest.mark.parametrize(("seed", "version", "settings"), [CASES[0], CASES[3], CASES[4], CASES[7]])
def test_the_recommender_scores_and_ranks_as_the_warehouse_does(warehouse, seed, version, settings):
    """Same scores as the oracle for every user and product; same lists through the shared ranking code."""
    tables = random_store(seed)
    load_week(warehouse, tables)
    train = build_snapshot(tables, AS_OF).before(CUTOFF)
    users = np.arange(len(train.user_ids))
    audience, row_U = build_audience(train, users)
    recommender = SqlRecommender(warehouse, WEEK, version, settings)
    assert recommender.name == f"sql_{version}"
    recommender.fit(train)
    recommender.prepare(audience)
    scores_AP = np.concatenate(
        [recommender.score_block(s, min(s + 7, len(audience))) for s in range(0, len(audience), 7)]
    )
    assert scores_AP.dtype == np.float32

    oracle = Oracle(tables, CUTOFF, version, settings)
    want = [[oracle.score(u, p) for p in train.product_ids] for u in train.user_ids]
    want_UP = np.array([[NOT_OFFERED if s is None else s for s in row] for row in want])
    np.testing.assert_allclose(scores_AP[row_U], want_UP, rtol=1e-6)

    candidates = Candidates(
        train,
        audience,
        eligible_mask(train.products, settings.eligibility),
        settings.scoring,
        min_products_per_vehicle=settings.eligibility.min_products_per_vehicle,
    )
    rules = settings.scoring
    listed_AK, _ = top_k_with_rules(
        scores_AP,
        candidates.mask(0, len(audience)),
        candidates.purchased(0, len(audience)),
        train.part_type_P,
        train.base_P,
        rules.max_per_part_type,
        rules.slots,
    )
    in_sql = lists_of(warehouse, compute_sql_scores(warehouse, WEEK, CUTOFF, version, settings))
    for user, row in enumerate(row_U):
        products = [train.product_ids[p] for p in listed_AK[row] if p >= 0]
        products = products if len(products) >= rules.min_slots else []
        assert products == [p for p, _ in in_sql.get(train.user_ids[user], [])]


@pytest.mark.parametrize("version", ["v5.17", "v5.18"])
def test_nothing_at_or_after_the_cutoff_moves_a_score_or_a_list(warehouse, version):
    tables = random_store(11)
    past = tables["events"][tables["events"]["event_ts"] < pd.Timestamp(CUTOFF, tz="UTC")]
    future = pd.concat([past.assign(event_ts=pd.Timestamp(CUTOFF, tz="UTC"), event_type="order", order_id="f")] * 3)
    seen = []
    for events in (past, pd.concat([past, future])):
        load_week(warehouse, {**tables, "events": events})
        scores = compute_sql_scores(warehouse, WEEK, CUTOFF, version, SMALL)
        seen.append(
            [
                rows_of(warehouse, scores.segment_scores, "segment_id", "product_id", "tier", "score"),
                rows_of(warehouse, scores.intent, "user_id", "product_id", "intent"),
                rows_of(warehouse, scores.lists, "user_id", "slot", "product_id", "vehicle_id", "score"),
                scores.coverage,
            ]
        )
    assert seen[0] == seen[1]
    assert len(future) > 50


def test_users_with_the_same_cars_and_no_history_are_ranked_once(warehouse, monkeypatch):
    monkeypatch.setattr(SqlRun, "drop", lambda self, *names: None)
    owns = {f"u{i}": [CAR, OTHER] for i in range(30)} | {"v": [CAR], "buyer": [CAR]}
    fits = {f"P{i}": [CAR, OTHER] for i in range(8)}
    products = {p: {"part_type": p} for p in fits}
    events = [("buyer", "P0", "order", "2026-04-01"), ("u1", "P0", "view", "2026-04-01")]
    load_week(warehouse, make_tables(owns=owns, fits=fits, products=products, events=events))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS)
    candidates = WEEK.scores("candidates", CUTOFF, "v5.18")
    assert {key for (key,) in rows_of(warehouse, candidates, "list_key")} == {
        f"set:{CAR}\n{OTHER}",
        f"set:{CAR}",
        "user:buyer",
    }
    assert warehouse.row_count(candidates) == 4 * (2 + 1) + 4, "five for the buyer, less their own purchase"
    assert len(lists_of(warehouse, scores)) == 32
    assert {p for p, _ in lists_of(warehouse, scores)["buyer"]} == {"P1", "P2", "P3", "P4"}


def test_variants_of_unlike_part_types_take_no_place_from_a_set_of_cars(warehouse):
    """On the Mustang alone M1 is the best of its base and one of two carburetors; with the Civic, M2 is, a wheel."""
    fits = {"M1": [CAR], "M2": [OTHER], "X1": [CAR], "X2": [CAR], "F1": [CAR, OTHER], "F2": [CAR, OTHER], "F3": [OTHER]}
    products = {p: {"part_type": p if p[0] == "F" else "Carburetor"} for p in fits}
    products |= {"M1": {"base_product_id": "M"}, "M2": {"base_product_id": "M", "part_type": "Wheel"}}
    buyers = {f"z{i}": ["2018|tesla|s"] for i in range(8)}
    n_orders = {"M2": 8, "M1": 6, "X1": 5, "X2": 4, "F1": 3, "F2": 2}
    events = [(f"z{i}", p, "order", "2026-01-01", f"{p}{i}") for p, n in n_orders.items() for i in range(n)]
    owns = {"both": [CAR, OTHER], "one": [CAR], **buyers}
    load_week(warehouse, make_tables(owns=owns, fits=fits, products=products, events=events))
    lists = lists_of(warehouse, compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS))
    assert [p for p, _ in lists["both"]] == ["M2", "X1", "X2", "F1"]
    assert [p for p, _ in lists["one"]] == ["M1", "X1", "F1", "F2"]


def test_purchases_are_excluded_for_365_days_to_the_microsecond_with_their_variants(warehouse):
    fits = {p: [CAR] for p in ("A1", "A1B", "C", "D", "E", "F")}
    products = {p: {"part_type": p, "base_product_id": "A1" if p == "A1B" else p} for p in fits}
    events = [
        ("in", "A1", "order", "2025-05-02 00:00:00"),
        ("out", "A1", "order", "2025-05-01 23:59:59.999999"),
        ("viewer", "A1", "view", "2026-04-01"),
    ]
    owns = {"in": [CAR], "out": [CAR], "viewer": [CAR]}
    load_week(warehouse, make_tables(owns=owns, fits=fits, products=products, events=events))
    lists = lists_of(warehouse, compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS))
    assert [p for p, _ in lists["in"]] == ["C", "D", "E", "F"]
    assert [p for p, _ in lists["out"]] == ["A1", "C", "D", "E"]
    assert [p for p, _ in lists["viewer"]] == ["A1", "C", "D", "E"]


def test_fitment_is_by_year_and_the_vehicle_named_is_the_one_it_fits(warehouse):
    """The same model of another year lends its popularity, not its parts."""
    old = "1967|ford|mustang"
    fits = {"A": [CAR], "B": [CAR], "C": [CAR], "D": [CAR], **{f"O{i}": [old] for i in range(4)}}
    products = {p: {"part_type": p} for p in fits}
    load_week(warehouse, make_tables(owns={"new": [CAR], "old": [old]}, fits=fits, products=products))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS)
    rows = rows_of(warehouse, scores.lists, "user_id", "product_id", "vehicle_id")
    assert rows == sorted([("new", p, CAR) for p in "ABCD"] + [("old", f"O{i}", old) for i in range(4)])


def test_a_vehicle_with_too_few_eligible_products_gets_nothing_and_lends_nothing(warehouse):
    fits = {p: [CAR] for p in "ABCD"} | {p: [OTHER] for p in "EFG"} | {"H": [OTHER]}
    products = {p: {"part_type": p} for p in fits} | {"H": {"price": 10.0}}
    owns = {"few": [OTHER], "both": [CAR, OTHER]}
    events = [(u, p, "order", "2024-01-01", f"{u}{p}") for p in "EFG" for u in owns]
    load_week(warehouse, make_tables(owns=owns, fits=fits, products=products, events=events))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.18", SETTINGS)
    assert [p for p, _ in lists_of(warehouse, scores)["both"]] == ["A", "B", "C", "D"]
    assert "few" not in lists_of(warehouse, scores)
    assert scores.coverage["dropped_vehicle_with_too_few_products"] == 1


def test_only_the_three_tables_stay(warehouse):
    load_week(warehouse, random_store(12))
    scores = compute_sql_scores(warehouse, WEEK, CUTOFF, "v5.17", SMALL)
    assert warehouse.list_tables("work", "sql_") == [
        "sql_intent_20260601_20260502_v517",
        "sql_lists_20260601_20260502_v517",
        "sql_segment_scores_20260601_20260502_v517",
    ]
    assert str(scores.lists) == "work.sql_lists_20260601_20260502_v517"
