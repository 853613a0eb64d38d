"""The full pass on a store small enough to write its table by hand."""

import datetime as dt
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import ConfigError, ContractError, DataError
from gnn_core.experiment.assignment import arms_of, in_share
from gnn_core.experiment.rollout import Move
from gnn_core.experiment.serving_arms import governing_share, governs, is_running, serving_arms
from gnn_core.publishing.schema import RECOMMENDATIONS
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.scoring.recommend import NO_CONSENT, NO_VEHICLE, THIN_VEHICLES, TOO_FEW, recommend
from gnn_core.scoring.rows import first_fitting_vehicle
from tests.contract.recommender_registry import tiny_settings
from tests.core.builders import make_snapshot

C69, C70, NOVA, F150 = "1969|chevrolet|camaro", "1970|chevrolet|camaro", "1969|chevrolet|nova", "1999|ford|f-150"
WHEN = dt.datetime(2026, 6, 1, 6, 0, tzinfo=dt.UTC)
STORE = {
    "owns": {
        "ann": [C69],
        "bob": [C69],
        "cid": [C69],  # bought A, a variant of which is A-R
        "dee": [C70, C69],
        "eve": [F150],  # too thin a vehicle
        "fay": [NOVA],  # four products, all of one part type: two after the rules
        "gus": [],
        "hal": [C69],  # gave no consent
    },
    "fits": {
        "A": [C69, C70],
        "A-R": [C69],
        "B": [C69],
        "C": [C69],
        "D": [C70],
        "E": [C69, F150],
        "N1": [NOVA],
        "N2": [NOVA],
        "N3": [NOVA],
        "N4": [NOVA],
        "U": [],
    },
    "products": {
        "A-R": {"base_product_id": "A", "price": 120.0},
        "D": {"part_type": "Hood"},
        "E": {"part_type": "Hood"},
        "C": {"part_type": "Wheel"},
        "U": {"part_type": "Oil"},
    },
    "events": [("cid", "A", "order", "2026-05-01"), ("bob", "N1", "view", "2026-05-01")],
    "no_consent": ["hal"],
}
ORDER = ["A", "A-R", "B", "C", "D", "E", "N1", "N2", "N3", "N4", "U"]
#        A  A-R  B  C  D  E  N1 N2 N3 N4 U
GNN = [9, 10, 8, 7, 1, 2, 5, 6, 7, 8, 11]
SQL = [1, 0, 2, 3, 4, 5, 4, 3, 2, 1, 11]


class Fixed:
    """The same scores for every row."""

    def __init__(self, name, scores):
        self.name, self.scores, self.blocks, self.prepared = name, np.array(scores, dtype=np.float32), 0, 0

    def fit(self, train):
        raise AssertionError("recommend must not fit")

    def prepare(self, audience):
        self.prepared += 1

    def score_block(self, start, stop):
        self.blocks += 1
        return np.tile(self.scores, (stop - start, 1))


def _settings(**sections):
    base = tiny_settings()
    changed = {"scoring": {"block_rows": 2}, "eligibility": {"min_products_per_vehicle": 3}} | sections
    return replace(base, **{name: replace(getattr(base, name), **values) for name, values in changed.items()})


def _recommend(policy=None, *, sql=None, gnn=None, settings=None, source="hybrid", users=range(8), store=STORE):
    train = make_snapshot(**store)
    assert train.product_ids.tolist() == ORDER
    return recommend(
        policy or Fixed("gnn", GNN),
        sql=sql,
        gnn=gnn,
        train=train,
        users=np.array(users),
        eligible_P=np.ones(len(ORDER), dtype=bool),
        settings=settings or _settings(),
        source=source,
        run_id="run-1",
        scored_at=WHEN,
    )


def _lists(result):
    lists: dict[str, list[str]] = {}
    for row in result.table.to_pylist():
        lists.setdefault(row["user_id"], []).append(row["product_id"])
        assert row["slot"] == len(lists[row["user_id"]])
    return lists


def test_lists_by_hand():
    result = _recommend()
    assert _lists(result) == {
        # A-R is the better variant of A; A-R and B fill the carburetors.
        "ann": ["A-R", "B", "C", "E"],
        "bob": ["A-R", "B", "C", "E"],
        "cid": ["B", "C", "E"],  # bought A, so no A-R either
        "dee": ["A-R", "B", "C", "E"],  # the 1970 Camaro has two products only and adds nothing, so no D
        "hal": ["A-R", "B", "C", "E"],
    }
    assert result.users_by_source == {"hybrid": 5}
    assert result.without == {NO_CONSENT: 0, NO_VEHICLE: 1, THIN_VEHICLES: 1, TOO_FEW: 1}
    assert result.n_served + sum(result.without.values()) == result.n_users == 8


def test_every_column_of_a_row():
    table = _recommend(sql=Fixed("sql_v5.18", SQL), gnn=Fixed("g", GNN)).table
    assert table.schema == RECOMMENDATIONS
    rows = {(r["user_id"], r["slot"]): r for r in table.to_pylist()}
    assert rows["cid", 3] == {
        "run_id": "run-1",
        "user_id": "cid",
        "vehicle_id": C69,
        "slot": 3,
        "product_id": "E",
        "final_score": 2.0,
        "sql_score": 5.0,
        "gnn_score": 2.0,
        "source": "hybrid",
        "reason": "Fits your 1969 Chevrolet Camaro",
        "reason_path": "fits",
        "reason_event": None,
        "reason_product_id": None,
        "price": 100.0,
        "part_type": "Hood",
        "image_url": "https://cdn.example/E.jpg",
        "fitment_proof": "fitment",
        "arm": None,
        "engagement_tier": "hot",
        "pipeline_version": _settings().publish.pipeline_version,
        "scored_at": WHEN,
    }
    assert rows["bob", 1]["engagement_tier"] == "warm"
    assert rows["ann", 1]["engagement_tier"] == "cold"
    assert rows["ann", 1]["price"] == 120.0
    assert _recommend().table.column("sql_score").null_count == _recommend().table.num_rows


def test_universals_compete_when_the_setting_lets_them_and_say_so():
    rows = _recommend(settings=_settings(scoring={"universal_candidates": 1})).table.to_pylist()
    ann = [r for r in rows if r["user_id"] == "ann"]
    assert [r["product_id"] for r in ann] == ["U", "A-R", "B", "C"]
    assert [r["fitment_proof"] for r in ann] == ["universal", "fitment", "fitment", "fitment"]
    assert (ann[0]["vehicle_id"], ann[0]["reason"]) == (C69, "Universal part, made for any vehicle")
    # Fay's Nova now fills three slots; a thin vehicle is still not recommended for.
    fay = [(r["product_id"], r["vehicle_id"]) for r in rows if r["user_id"] == "fay"]
    assert fay == [("U", NOVA), ("N4", NOVA), ("N3", NOVA)]
    assert "eve" not in {r["user_id"] for r in rows}


def test_consent_is_required_only_when_the_setting_says_so():
    settings = _settings(eligibility={"min_products_per_vehicle": 3, "require_email_consent": True})
    result = _recommend(settings=settings)
    assert "hal" not in _lists(result)
    assert result.without[NO_CONSENT] == 1
    assert result.n_served + sum(result.without.values()) == 8


def test_the_vehicle_of_a_row_is_the_lowest_owned_one_that_fits():
    store = STORE | {"owns": {"dee": [C70, C69]}, "events": [], "no_consent": []}
    settings = _settings(eligibility={"min_products_per_vehicle": 2})
    rows = _recommend(Fixed("g", [9, 1, 1, 1, 8, 7, 0, 0, 0, 0, 0]), settings=settings, users=[0], store=store).table
    assert dict(zip(rows["product_id"].to_pylist(), rows["vehicle_id"].to_pylist(), strict=True)) == {
        "A": C69,
        "D": C70,
        "E": C69,
        "B": C69,
    }
    train = make_snapshot(**store)
    nothing = np.array([[-1, 10]])
    assert first_fitting_vehicle(train.owns_UV, train.fits_VP, nothing).tolist() == [[-1, -1]]


def test_the_share_decides_who_gets_the_promoted_policy():
    settings = _settings(serving={"hybrid_share": 0.5, "share_salt": "s"})
    result = _recommend(sql=Fixed("sql_v5.17", SQL), settings=settings)
    sources = dict(zip(result.table["user_id"].to_pylist(), result.table["source"].to_pylist(), strict=True))
    want = {
        user: "hybrid" if int(hashlib.sha256(f"s:{user}".encode()).hexdigest()[:15], 16) / 16**15 < 0.5 else "sql_v5.17"
        for user in ("ann", "bob", "cid", "dee", "hal")
    }
    assert sources == want
    assert set(want.values()) == {"hybrid", "sql_v5.17"}
    lists = _lists(result)
    for user in ("ann", "bob", "dee", "hal"):
        assert lists[user] == (["A-R", "B", "C", "E"] if want[user] == "hybrid" else ["E", "C", "B", "A"])
    sql_rows = [r for r in result.table.to_pylist() if r["source"] == "sql_v5.17"]
    assert all(r["final_score"] == r["sql_score"] for r in sql_rows)
    assert result.n_served + sum(result.without.values()) == 8


def test_a_share_of_zero_serves_sql_and_sql_as_policy_serves_itself():
    none = _settings(serving={"hybrid_share": 0.0, "share_salt": "s"})
    assert _recommend(sql=Fixed("sql_v5.18", SQL), settings=none).users_by_source == {"sql_v5.18": 5}
    sql = Fixed("sql_v5.18", SQL)
    assert _recommend(sql, sql=sql, settings=none, source="sql_v5.18").users_by_source == {"sql_v5.18": 5}
    half = _settings(serving={"hybrid_share": 0.5, "share_salt": "s"})
    whole = _recommend(sql, sql=sql, settings=half, source="sql_v5.18").table
    assert whole["user_id"].to_pylist() == sorted(whole["user_id"].to_pylist())  # one policy, not two halves
    with pytest.raises(ConfigError, match=r"hybrid_share says 0%.*no SQL recommender"):
        _recommend(settings=none)


def test_a_share_only_grows_and_the_salt_redraws_it():
    ids = np.array([f"user-{i}" for i in range(2_000)], dtype=object)
    tenth, half = in_share(ids, 0.1, "a"), in_share(ids, 0.5, "a")
    assert (half | ~tenth).all()
    assert 0.07 < tenth.mean() < 0.13
    assert 0.45 < half.mean() < 0.55
    assert (in_share(ids, 0.5, "b") != half).mean() > 0.4
    assert in_share(ids, 1.0, "a").all()
    assert not in_share(ids, 0.0, "a").any()


def test_a_hybrid_is_blended_from_components_that_are_scored_once():
    train = make_snapshot(**STORE)
    sql, gnn, settings = Fixed("sql_v5.18", SQL), Fixed("graph", GNN), _settings()

    def candidates_of(audience):
        return Candidates(train, audience, np.ones(11, bool), settings.scoring, min_products_per_vehicle=3)

    hybrid = Hybrid(sql, gnn, 0.75, "rank", candidates_of)
    result = _recommend(hybrid, sql=sql, gnn=gnn, settings=settings)
    # Candidates of a 1969 Camaro: A A-R B C E; ranks by SQL .25 0 .5 .75 1, by the graph .75 1 .5 .25 0.
    # Blended ¾ : ¼ — A .375, A-R .25, B .5, C .625, E .75.
    ann = [r for r in result.table.to_pylist() if r["user_id"] == "ann"]
    assert [(r["product_id"], r["final_score"], r["sql_score"], r["gnn_score"]) for r in ann] == [
        ("E", 0.75, 5.0, 2.0),
        ("C", 0.625, 3.0, 7.0),
        ("B", 0.5, 2.0, 8.0),
        ("A", 0.375, 1.0, 9.0),
    ]
    assert (sql.prepared, gnn.prepared) == (1, 1)
    assert sql.blocks == gnn.blocks == 3  # six rows, two a block


def test_blocks_and_repeated_users_change_nothing():
    want = _recommend().table
    for size in (1, 3, 100):
        assert _recommend(settings=_settings(scoring={"block_rows": size})).table.equals(want)
    assert _recommend(users=[7, 6, 5, 4, 3, 2, 1, 0, 0, 3]).table.equals(want)


def test_nobody_is_an_empty_table_of_the_schema():
    result = _recommend(users=np.zeros(0, dtype=np.int64))
    assert result.table.schema == RECOMMENDATIONS
    assert (result.table.num_rows, result.n_users, result.n_served) == (0, 0, 0)


def test_what_cannot_be_published_is_refused():
    with pytest.raises(ContractError, match="source 'graph'"):
        _recommend(source="graph")
    with pytest.raises(DataError, match=r"gnn: .* NaN or infinite"):
        _recommend(Fixed("gnn", [np.nan, *GNN[1:]]))
    with pytest.raises(ContractError, match="no time zone"):
        recommend(
            Fixed("gnn", GNN),
            sql=None,
            gnn=None,
            train=make_snapshot(**STORE),
            users=np.arange(8),
            eligible_P=np.ones(11, bool),
            settings=_settings(),
            source="hybrid",
            run_id="run-1",
            scored_at=WHEN.replace(tzinfo=None),
        )


def test_a_running_experiment_serves_its_arms_and_names_them_in_every_row():
    settings = _settings(experiment={"start": dt.date(2026, 6, 1), "salt": "x", "holdout_share": 0.3})
    result = _recommend(sql=Fixed("sql_v5.17", SQL), settings=settings)
    rows = {r["user_id"]: r for r in result.table.to_pylist()}
    arms = dict(zip(rows, arms_of(np.array(list(rows), dtype=object), settings.experiment)[0], strict=True))
    assert {user: row["arm"] for user, row in rows.items()} == arms
    for user, row in rows.items():
        assert row["source"] == ("hybrid" if arms[user] == "treatment" else "sql_v5.17")
    assert set(arms.values()) >= {"control", "treatment"}


@pytest.mark.parametrize(
    ("as_of", "runs"), [("2026-05-31", False), ("2026-06-01", True), ("2026-06-14", True), ("2026-06-15", False)]
)
def test_an_experiment_runs_from_its_start_to_its_planned_end(as_of, runs):
    settings = _settings(experiment={"start": dt.date(2026, 6, 1)}, serving={"hybrid_share": 1.0, "share_salt": "s"})
    ids = np.array([f"u{i}" for i in range(100)], dtype=object)
    found = serving_arms(ids, dt.date.fromisoformat(as_of), settings, None)
    assert is_running(settings.experiment, dt.date.fromisoformat(as_of)) is runs
    assert found.promoted_U.all() is np.bool_(not runs)


def test_a_rollout_ends_the_experiment_that_it_followed():
    settings = _settings(experiment={"start": dt.date(2026, 6, 1)})
    ids = np.array([f"u{i}" for i in range(200)], dtype=object)
    assert serving_arms(ids, dt.date(2026, 6, 8), settings, 0.0).promoted_U.sum() == 0
    started = Move(1, dt.datetime(2026, 6, 9, tzinfo=dt.UTC), "start", 0.0, 0.1, "Ada", "passed")
    assert governs([started], settings.experiment, dt.date(2026, 6, 8))
    assert not governs([], settings.experiment, dt.date(2026, 6, 8))


@pytest.mark.parametrize(
    ("as_of", "served", "why"),
    [
        ("2026-05-25", 1.0, "the rollout ledger says 100%"),
        ("2026-06-01", 0.5, "experiment online-1 runs"),
        ("2026-06-08", 0.5, "experiment online-1 runs"),
        ("2026-06-15", 1.0, "the rollout ledger says 100%"),
    ],
)
def test_a_finished_rollout_serves_until_a_later_experiment_starts_and_again_after_its_end(as_of, served, why):
    settings = _settings(experiment={"start": dt.date(2026, 6, 1), "name": "online-1"}, serving={"hybrid_share": 0.0})
    done = [Move(1, dt.datetime(2026, 3, 2, tzinfo=dt.UTC), "start", 0.0, 0.1, "Ada", "passed"),
            Move(2, dt.datetime(2026, 3, 9, tzinfo=dt.UTC), "step", 0.1, 1.0, "platform", "green")]  # fmt: skip
    day = dt.date.fromisoformat(as_of)
    ids = np.array([f"u{i}" for i in range(2_000)], dtype=object)
    found = serving_arms(ids, day, settings, governing_share(done, settings.experiment, day))
    assert (found.promoted_U & (found.arm_U != "holdout")).mean() == pytest.approx(served, abs=0.05)
    assert found.why == why
    again = Move(3, dt.datetime(2026, 6, 10, tzinfo=dt.UTC), "start", 1.0, 0.1, "Ada", "passed again")
    assert governing_share([*done, again], settings.experiment, dt.date(2026, 6, 8)) == 0.1


def test_the_rollout_serves_its_share_and_never_the_holdout():
    settings = _settings(experiment={"holdout_share": 0.2}, serving={"hybrid_share": 1.0, "share_salt": "s"})
    ids = np.array([f"u{i}" for i in range(2_000)], dtype=object)
    before = np.zeros(2_000, dtype=bool)
    for share in (0.0, 0.1, 0.5, 1.0):
        found = serving_arms(ids, dt.date(2026, 6, 1), settings, share)
        held = found.arm_U == "holdout"
        assert not (found.promoted_U & held).any()
        assert found.promoted_U[before].all()
        before = found.promoted_U
    assert before.mean() == pytest.approx(0.8, abs=0.03)


def test_diversity_is_for_the_policy_with_vectors_and_scores_still_fall():
    # A-R, B and C are alike and E is like nothing, so E takes the third slot; SQL's own lists stay what they were.
    vectors = np.zeros((len(ORDER), 2))
    vectors[[ORDER.index(p) for p in ("A-R", "B", "C")], 0] = 1.0
    gnn, sql = Fixed("gnn", GNN), Fixed("sql_v5.18", SQL)
    gnn.likeness_vectors = lambda: vectors
    found = {}
    for strength in (0.0, 0.9):
        settings = _settings(scoring={"block_rows": 2, "slots": 3, "diversity": strength, "diversity_pool": 10})
        found[strength] = _lists(_recommend(gnn, settings=settings, users=[0]))["ann"]
        assert _lists(_recommend(sql, settings=settings, source="sql_v5.18", users=[0]))["ann"] == ["E", "C", "B"]
    assert found == {0.0: ["A-R", "B", "C"], 0.9: ["A-R", "B", "E"]}
