"""Which choices teach the weights, what describes them, and that nothing describes itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gnn_core.config import Settings
from gnn_core.config.history import DENSE, TERMS
from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.errors import LeakageError
from gnn_core.graph.hetero import build_structure
from gnn_core.model.intent import IntentWeights, window_choices
from gnn_core.model.preference import PathWeights
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.snapshot import Snapshot, micros
from gnn_core.training import constants
from gnn_core.training.constants import ConstantMaker, Weights
from gnn_core.training.examples import fold_of_users
from gnn_core.training.plan import build_plan
from gnn_core.training.stored_constants import to_tensors
from tests.core.builders import AS_OF, make_snapshot
from tests.core.model.tiny import HISTORY, PATHS
from tests.core.model.worlds import fitting_apart, small_settings, two_platforms
from tests.core.training.watched import fitting_of, learn, same

DAYS = np.timedelta64(1, "D")
FULL_RANK = {"vehicle_factors": 14, "item_factors": 26, "fitment_factors": 14, "spectral_factors": 4}
CAR, RAM = "2018|ford|mustang", "2020|ram|1500"
# Windows of 30 days before 1 June start on 2 May, 2 April and 3 March.
STORE: dict[str, Any] = {
    "owns": {"ann": [CAR], "bob": [CAR, RAM], "cat": [RAM], "dan": [CAR], "eve": [CAR], "new": [CAR]},
    "fits": {"P0": [CAR], "P1": [CAR], "P2": [CAR, RAM], "P3": [RAM]},
    "events": [
        ("ann", "P0", "order", "2026-03-20", "o1"),
        ("ann", "P1", "view", "2026-05-10"),
        ("bob", "P2", "view", "2026-04-20"),
        ("bob", "P3", "order", "2026-05-02", "o2"),  # the first moment of the last window
        ("cat", "P3", "order", "2026-04-10", "o3"),
        ("dan", "P1", "cart", "2026-05-20"),  # dan's first event
        ("eve", "P0", "order", "2026-04-25", "o4"),
        ("eve", "P0", "order", "2026-05-25", "o5"),  # the same again
        ("eve", "P2", "order", "2026-05-25", "o5"),
    ],
}


def settings_of(*, new_products_only: bool = False, **model: Any) -> Settings:
    base = small_settings(model or None)
    return dataclasses.replace(
        base, evaluation=dataclasses.replace(base.evaluation, new_products_only=new_products_only)
    )


def store(*more: tuple, without: tuple[str, ...] = ()) -> Snapshot:
    events = [e for e in (*STORE["events"], *more) if e[0] not in without]
    return make_snapshot(**(STORE | {"events": events}))


# Windows


def test_windows_are_the_last_ones_before_the_training_moment_while_any_past_is_left():
    got = learn(store()).windows
    assert len(got) == 2  # nothing happened before 3 March
    assert len(learn(store(("ann", "P0", "view", "2026-03-02"))).windows) == 3
    assert len(learn(store(("ann", "P0", "view", "2020-03-02"))).windows) == 3  # three at most


def test_choosers_of_a_window_have_a_past_and_took_something():
    latest, earlier = learn(store()).windows
    # May: ann, bob and eve. dan has no past, cat took nothing. Orders count 1, a view 1/5.
    assert latest.taken_CP.toarray() == pytest.approx(np.array([[0, 0.2, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]))
    assert latest.owns_CS.toarray().tolist() == [[True, False], [True, True], [True, False]]
    assert latest.queries_C.all_RP.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    # April: everybody who did something did it for the first time.
    assert earlier.taken_CP.shape == (0, 4)


def test_users_without_a_past_teach_the_paths_from_windows_without_their_own_events():
    settings, train = settings_of(), store()
    got = learn(train, settings)
    cold = [hidden.by_user_UP for _, hidden in got.described[settings.training.folds :]]
    users = [[str(train.user_ids[u]) for u in np.flatnonzero(np.diff(m.indptr))] for m in cold]
    assert users == [["dan"], ["bob", "cat", "eve"]]
    without_dan = learn(store(without=("dan",)), settings)
    k = settings.training.folds
    assert same(got.described[k][0], without_dan.described[k][0])


def test_choices_after_the_training_moment_teach_like_those_of_a_window_and_are_counted_nowhere():
    """May as a window that the fit may learn from, and not count: as if April were all that is known."""
    settings, k = settings_of(), settings_of().training.folds
    whole, may = store(), np.datetime64("2026-05-02", "us")
    past, later = whole.before(may), whole.events.between(may, None)
    untaught, taught, june = learn(past, settings), learn(past, settings, later), learn(whole, settings)
    for number in range(k):
        assert same(untaught.described[number], taught.described[number]), number  # folds know nothing of May
    features, chose = taught.described[k]
    users = [str(whole.user_ids[u]) for u in np.flatnonzero(np.diff(chose.by_user_UP.indptr))]
    assert users == ["dan"]  # the only one without a past
    assert same(features, june.described[k][0])  # what describes May is what describes it in June
    assert len(taught.windows) == len(june.windows) == 2
    for part in ("queries_C", "taken_CP", "items", "product_PK"):
        assert same(getattr(taught.windows[0], part), getattr(june.windows[0], part)), part
    assert learn(past, settings, later.take(np.zeros(0, np.int64))).paths == untaught.paths


def test_choices_that_are_evidence_already_are_refused():
    whole = store()
    with pytest.raises(LeakageError, match=r"choices before 2026-05-02.* are among what describes them"):
        learn(whole.before(np.datetime64("2026-05-02", "us")), later=whole.events.between(None, None))


def test_a_window_sees_nothing_at_or_after_its_start():
    """Loud events from the first moment of May on: only what was taken in May changes, and the weights."""
    planted = [
        (u, "P3", k, d, "x" if k == "order" else None)
        for u in ("ann", "bob", "cat")
        for k in ("view", "order")
        for d in ("2026-05-02", "2026-05-31")
    ]
    quiet, loud = learn(store()), learn(store(*planted))
    k = settings_of().training.folds
    for number in (0, 1):
        assert same(quiet.described[k + number][0], loud.described[k + number][0]), number  # features of both windows
        one, other = quiet.windows[number], loud.windows[number]
        assert same(one.items, other.items), number
        assert same(one.product_PK, other.product_PK), number
    # cat now takes part in May, between bob and eve.
    assert loud.windows[0].taken_CP.shape == (4, 4)
    assert same(quiet.windows[0].queries_C, loud.windows[0].queries_C.rows(np.array([0, 1, 3])))
    before = learn(store(("ann", "P3", "view", pd.Timestamp("2026-05-01T23:59:59.999999"))))
    assert not same(quiet.windows[0].items, before.windows[0].items)  # one microsecond earlier is the past


def test_products_bought_before_are_no_candidates_where_only_new_ones_count():
    new_only = learn(store(), settings_of(new_products_only=True)).windows[0]
    # ann and eve ordered P0; bob viewed P2 only, which does not count.
    assert new_only.excluded_CP.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    rows = window_choices(new_only, np.arange(3), np.random.default_rng(0), HISTORY, sparse_terms=False)
    assert rows.first_C.tolist() == [0, 2, 6]
    assert len(rows.weight_R) == 8  # 2 of 3, 4 of 4, 2 of 3
    assert not learn(store()).windows[0].excluded_CP.nnz


def test_only_positive_events_count_as_taken():
    base = settings_of()
    orders = dataclasses.replace(base, evaluation=dataclasses.replace(base.evaluation, positive_events=["order"]))
    assert learn(store(), orders).windows[0].taken_CP.toarray().tolist() == [[0, 0, 0, 1], [1, 0, 1, 0]]


def test_the_lift_of_a_window_is_weighed_by_the_folds_and_described_as_of_its_start():
    """Weights from the window's own choosers would judge themselves."""
    settings, train = settings_of(), store()
    got = learn(train, settings)
    for number, window in enumerate(got.windows):
        features, _ = got.described[settings.training.folds + number]
        assert window.lift_SP == pytest.approx(got.paths[0].lift(features, fitting_of(train)), abs=1e-6)
        assert np.abs(window.lift_SP).max() > 0.1
    assert got.weights is not None
    assert got.weights.paths is got.paths[1]  # what is served has learned from the windows too


# Hidden pairs

# Nobody has a past of a whole window: all happened on one day.
TIMELESS = [
    *((u, p, "order", "2026-05-20", f"{u}{p}") for u in ("ann", "bob") for p in ("P0", "P1", "P2")),
    ("cat", "P3", "order", "2026-05-20", "c3"),
    ("dan", "P1", "view", "2026-05-20"),
    ("dan", "P1", "order", "2026-05-20", "d1"),
    ("dan", "P2", "order", "2026-05-20", "d2"),
]


def test_without_an_earlier_window_hidden_pairs_teach():
    """ann and bob hide one of three pairs, dan one of two, with both its events; cat has one pair, and keeps it."""
    train = make_snapshot(**(STORE | {"events": TIMELESS}))
    (window,) = learn(train).windows
    assert (window.taken_CP > 0).sum(axis=1).ravel().tolist() == [[1, 1, 1]]
    left = [set(row.indices) for row in window.queries_C.all_RP]
    hidden = [set(row.indices) for row in window.taken_CP]
    assert [a | b for a, b in zip(left, hidden, strict=True)] == [{0, 1, 2}, {0, 1, 2}, {1, 2}]
    assert not any(a & b for a, b in zip(left, hidden, strict=True))
    assert [set(row.indices) for row in window.excluded_CP] == left  # what is known is no candidate


def test_hidden_pairs_do_not_describe_themselves(monkeypatch):
    """Whatever it is that a user hides, the window that describes them is the same."""
    windows = []
    for product in ("P2", "P3"):
        events = [e for e in TIMELESS if e[:2] != ("ann", "P2")] + [("ann", product, "order", "2026-05-20", "annP2")]
        train = make_snapshot(**(STORE | {"events": events}))
        mask = (train.events.user_E == 0) & (train.events.product_E == int(product[1]))
        assert mask.sum() == 1
        monkeypatch.setattr(constants, "hidden_events", lambda *_, mask=mask: mask)
        windows += learn(train).windows
    one, other = windows
    assert [w.taken_CP.indices.tolist() for w in windows] == [[2], [3]]
    for part in ("items", "spectral", "product_PK", "queries_C"):
        assert same(getattr(one, part), getattr(other, part)), part


def test_where_a_window_teaches_no_pair_is_hidden():
    got = learn(store())
    assert [w.taken_CP.shape[0] for w in got.windows] == [3, 0]


def test_the_smooth_part_costs_nothing_where_it_counts_for_nothing():
    """A handful of choosers can't show that it ranks higher, so it goes; its weight alone decides on its dimensions."""
    assert learn(store(), settings_of(spectral_in_windows=False)).windows[0].spectral.in_PF.shape == (4, 0)
    asked = learn(store())
    assert asked.windows[0].spectral.in_PF.shape == (4, 6)
    hidden = make_snapshot(**(STORE | {"events": TIMELESS}))
    for train in (store(), hidden):
        got = learn(train)
        assert got.windows[0].spectral.out_PF.shape == (4, 6)
        assert got.weights is not None
        assert got.weights.intent.by_name["spectral"] == 0.0
    by_name = dict(got.weights.intent.by_name)
    for train, weight, dimensions in ((store(), 0.0, 0), (hidden, 1.0, 6)):
        weights = dataclasses.replace(got.weights, intent=IntentWeights(by_name | {"spectral": weight}))
        factors = ConstantMaker(train, settings_of(), build_structure(train)).make(train.events, weights).factors
        assert factors.in_PF.shape == factors.out_PF.shape == (4, dimensions)


def test_what_products_fit_costs_nothing_where_it_counts_for_nothing():
    asked = learn(store())
    assert asked.windows[0].fitment_PA.shape == (4, 2)  # two make/models
    assert asked.weights is not None
    by_name = dict(asked.weights.intent.by_name)
    assert by_name["fitment"] == 0.0  # of a handful of choosers
    maker = ConstantMaker(store(), settings_of(), build_structure(store()))
    for weight, dimensions in ((0.0, 0), (1.0, 2)):
        weights = dataclasses.replace(asked.weights, intent=IntentWeights(by_name | {"fitment": weight}))
        assert maker.make(store().events, weights).factors.fitment_PA.shape == (4, dimensions)


@pytest.mark.parametrize("before", [{"spectral": 0.0, "fitment": 2.0}, {"spectral": 3.0, "fitment": 0.0}])
@pytest.mark.parametrize("after", [{"spectral": 0.0, "fitment": 2.0}, {"spectral": 3.0, "fitment": 0.0}])
def test_weighed_otherwise_constants_are_what_they_would_have_been(before, after):
    weights, maker = learn(store()).weights, ConstantMaker(store(), settings_of(), build_structure(store()))
    assert weights is not None
    one, other = (
        dataclasses.replace(weights, intent=IntentWeights(dict(weights.intent.by_name) | changes))
        for changes in (before, after)
    )
    made = maker.make(store().events, one)
    assert same(maker.reweighed(made, store().events, other), maker.make(store().events, other))


# Folds


def test_what_hidden_users_do_does_not_move_the_features_that_describe_them():
    settings, train = settings_of(), two_platforms()
    fold_U = fold_of_users(train.user_ids, settings.training.folds, settings.training.seed)
    ev = train.events
    theirs = fold_U[ev.user_E] == 1
    other = dataclasses.replace(
        train, events=dataclasses.replace(ev, product_E=np.where(theirs, (ev.product_E + 7) % 24, ev.product_E))
    )
    one, two = learn(train, settings), learn(other, settings)
    assert same(one.described[1][0], two.described[1][0])
    assert not same(one.described[0][0], two.described[0][0])  # the other folds do see them
    assert not same(one.described[1][1], two.described[1][1])
    for k in range(settings.training.folds):
        hidden = np.flatnonzero(np.diff(one.described[k][1].by_user_UP.indptr))
        assert (fold_U[hidden] == k).all()
        assert len(hidden)


# Weights


def test_a_model_that_learns_all_by_gradient_needs_no_choices():
    off = {
        "popularity_bias": False,
        "vehicle_factors": 0,
        "item_factors": 0,
        "spectral_factors": 0,
        "fitment_factors": 0,
        "sparse_terms": False,
    }
    got = learn(store(), settings_of(**off))
    assert got.described == got.windows == []
    made = ConstantMaker(store(), settings_of(**off), build_structure(store())).make(store().events, got.weights)
    assert not made.factors.product_PK.any()
    assert made.items.near_PP.nnz == 0


def test_a_handful_of_users_leaves_the_weights_where_they_were():
    weights = learn(store()).weights
    for name, value in weights.paths.by_name.items():
        assert value == pytest.approx(PATHS.prior.get(name, 0.0), abs=0.05), name
    for name, value in weights.intent.by_name.items():
        assert value == pytest.approx(HISTORY.prior.get(name, 0.0), abs=0.05), name


def test_what_is_served_is_what_was_fitted():
    """The score of a user with a history is the fitted utility to the last term, where the factors have full rank."""
    past, settings = fitting_apart(two_platforms()), small_settings(FULL_RANK)
    # Every owner looks at something in the 30 days after: past.as_of is then the start of the latest window.
    ev = past.events
    again = dataclasses.replace(ev, ts_E=ev.ts_E + (micros(AS_OF + 29 * DAYS) - ev.ts_E.max()))
    again = again.take(again.ts_E >= micros(AS_OF))
    both = {name: np.concatenate([values, getattr(again, name)]) for name, values in vars(ev).items()}
    later = dataclasses.replace(past, events=type(ev)(**both), as_of=AS_OF + 30 * DAYS)
    got = learn(later, settings)
    window, (features, _) = got.windows[0], got.described[settings.training.folds]

    # Any weights will do, so they are made up; the recommender is built on the window's past with them.
    rng = np.random.default_rng(0)
    assert got.weights is not None
    paths, intent = (
        {name: float(rng.normal()) for name in part.by_name} for part in (got.weights.paths, got.weights.intent)
    )
    fresh = GraphRecommender(settings, max_steps=0)
    fresh.fit(past)
    checkpoint = fresh.to_checkpoint()
    checkpoint.meta.update(path_weights=paths, intent_weights=intent)
    weights = Weights(PathWeights(paths), IntentWeights(intent), got.weights.start)
    plan = build_plan(past, settings, torch.device("cpu"), weights=weights, folds=False)
    checkpoint.tensors.update(to_tensors(plan.constants))
    served = GraphRecommender.from_checkpoint(checkpoint, past, settings)

    assert plan.constants.factors.fitment_PA.shape[1] > 0
    window = dataclasses.replace(window, lift_SP=PathWeights(paths).lift(features, fitting_of(past)))
    user_C = np.unique(again.user_E)
    assert len(user_C) == window.taken_CP.shape[0] > 50
    audience, row = build_audience(past, user_C)
    served.prepare(audience)
    scores = served.score_block(0, len(audience))[row]
    weights = np.array([intent[name] for name in (*DENSE, *TERMS)])
    compared = 0
    for c in range(0, len(user_C), 7):
        rows = window_choices(window, np.array([c]), rng, HISTORY, sparse_terms=True)
        n_K = len(PRODUCT_FEATURES)
        product = [int(np.abs(features.product_PK[:, :n_K] - x[:n_K]).sum(axis=1).argmin()) for x in rows.x_RK]
        if len(set(product)) < len(product):
            continue  # two products of equal features cannot be told apart here
        assert rows.x_RK @ weights == pytest.approx(scores[c, product], abs=2e-3), c
        compared += 1
    assert compared > 5
