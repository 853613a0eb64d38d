"""What users with a past did next: candidates of a window, and the weights that they give the terms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gnn_core.config.history import DENSE, TERMS
from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.model import intent
from gnn_core.model.history import history_queries, history_terms
from gnn_core.model.intent import IntentWeights, Window, window_choices
from gnn_core.model.item_graph import ItemGraph
from gnn_core.model.logit import Choices
from gnn_core.model.spectral import SpectralFactors
from gnn_core.snapshot import ORDER, VIEW
from tests.core.model.tiny import HISTORY, KINDS, PATHS, events_of

START = np.datetime64("1970-03-01")
K = len(PRODUCT_FEATURES)


def window_of(
    past: list[tuple], taken_CP: np.ndarray, *, owns: list[list[int]], fits: list[list[int]], **changes: Any
) -> Window:
    """A window of choosers with a past; lifts, product features and item factors are random unless given."""
    shape, rng = taken_CP.shape, np.random.default_rng(1)
    n_S, n_P = len(fits), shape[1]
    fits_SP, owns_CS = np.zeros((n_S, n_P), dtype=bool), np.zeros((shape[0], n_S), dtype=bool)
    for matrix, rows in ((fits_SP, fits), (owns_CS, owns)):
        for row, columns in enumerate(rows):
            matrix[row, columns] = True
    near = sparse.csr_matrix(np.diag(np.full(n_P - 1, 0.2), 1))
    left, right, told, asked, alike = (rng.normal(size=(n_P, 2)).astype(np.float32) for _ in range(5))
    parts = {
        "excluded_CP": sparse.csr_matrix(shape),
        "items": ItemGraph(near, near, left, right),
        "spectral": SpectralFactors(told, asked),
        "fitment_PA": alike,
        "lift_SP": rng.normal(size=(n_S, n_P)).astype(np.float32),
        "product_PK": rng.normal(size=(n_P, K)).astype(np.float32),
    }
    return Window(
        queries_C=history_queries(events_of(*past), KINDS, shape, START, 30.0),
        owns_CS=sparse.csr_matrix(owns_CS),
        taken_CP=sparse.csr_matrix(taken_CP),
        fits_SP=sparse.csr_matrix(fits_SP),
        **(parts | changes),
    )


def chosen(window: Window, settings=HISTORY, *, sparse_terms: bool = True) -> Choices:
    everyone = np.arange(window.taken_CP.shape[0])
    return window_choices(window, everyone, np.random.default_rng(0), settings, sparse_terms)


SMALL = window_of(
    [(0, 0, ORDER, 10), (1, 2, VIEW, 20), (1, 0, VIEW, 58)],
    np.array([[0, 1, 0, 0, 1.0], [0, 0.2, 8.8, 0, 0]]),
    owns=[[0], [0, 1]],
    fits=[[0, 1, 2], [2, 3]],
)


def shown(got: Choices, window: Window) -> list[int]:
    """Products of the rows, told by their features."""
    return [int(np.abs(window.product_PK - x[:K]).sum(axis=1).argmin()) for x in got.x_RK]


def test_rows_match_hand_values():
    """Chooser 0 took 1, and 4, which does not fit. Chooser 1 took 1 and 2, nine orders' worth."""
    got = chosen(SMALL)
    assert got.first_C.tolist() == [0, 3]
    assert got.weight_R == pytest.approx([1, 0, 0, 0.2 / 3, 8.8 / 3, 0, 0])
    assert not got.log_scale_R.any()
    order = shown(got, SMALL)
    assert [order[0], set(order[1:3]), order[3:5], set(order[5:])] == [1, {0, 2}, [1, 2], {0, 3}]
    terms = history_terms(SMALL.queries_C, SMALL.items)
    profile = SMALL.queries_C.recent_RP @ SMALL.items.left_PI
    smooth = SMALL.queries_C.recent_RP @ SMALL.spectral.in_PF
    for row, product in enumerate(order):
        c = int(row >= 3)
        lift = SMALL.lift_SP[: c + 1, product].mean()
        items = profile[c] @ SMALL.items.right_PI[product]
        spectral = smooth[c] @ SMALL.spectral.out_PF[product]
        alike = (SMALL.queries_C.recent_RP @ SMALL.fitment_PA)[c] @ SMALL.fitment_PA[product]
        want = [*SMALL.product_PK[product], lift, items, spectral, alike, *(term[c, product] for term in terms)]
        assert got.x_RK[row] == pytest.approx(np.array(want), abs=1e-5), row


def test_without_sparse_terms_there_are_the_dense_columns_alone():
    dense = chosen(SMALL, sparse_terms=False)
    assert dense.x_RK.shape[1] == len(DENSE)
    assert dense.x_RK == pytest.approx(chosen(SMALL).x_RK[:, : len(DENSE)])


def test_excluded_products_are_no_candidates_not_even_when_taken():
    taken = np.array([[1.0, 1.0, 0], [1.0, 0, 0]])
    excluded = sparse.csr_matrix(np.array([[1.0, 0, 0], [1.0, 0, 0]]))
    kept = window_of(
        [(0, 0, ORDER, 1), (1, 0, ORDER, 1)], taken, owns=[[0], [0]], fits=[[0, 1, 2]], excluded_CP=excluded
    )
    got = chosen(kept)
    assert shown(got, kept) == [1, 2]  # the second chooser took nothing else and is none
    assert got.weight_R.tolist() == [1, 0]


def test_a_chooser_who_owns_nothing_or_took_nothing_fitting_is_left_out():
    nobody = window_of([(0, 0, VIEW, 1)], np.array([[1.0, 0], [0, 1.0]]), owns=[[], [0]], fits=[[0]])
    for sparse_terms, width in ((True, len(DENSE) + len(TERMS)), (False, len(DENSE))):
        got = chosen(nobody, sparse_terms=sparse_terms)
        assert got.x_RK.shape == (0, width)
        assert len(got.first_C) == 0


def test_candidates_are_drawn_by_whether_a_term_speaks_of_them():
    past = [(0, p, VIEW, 1) for p in range(10)]
    wide = window_of(past, np.eye(1, 60, 59), owns=[[0]], fits=[list(range(60))])
    got = chosen(wide, replace(HISTORY, near_candidates=3, other_candidates=5))
    products = np.array(shown(got, wide))
    assert products[0] == 59
    spoken = products[1:] <= 10  # what was viewed, and the next of it
    assert (spoken.sum(), (~spoken).sum()) == (3, 5)
    assert np.exp(got.log_scale_R[1:][spoken]) == pytest.approx(11 / 3)
    assert np.exp(got.log_scale_R[1:][~spoken]) == pytest.approx(48 / 5)
    assert len(set(products)) == 9


def fit_intent(*args, **options) -> IntentWeights:
    """The first answer: that of everything but the smooth part."""
    return intent.fit_intent(*args, **options)["joint"]


def test_without_windows_the_prior_stays():
    for sparse_terms, prior, names in ((True, HISTORY.prior, (*DENSE, *TERMS)), (False, HISTORY.prior_dense, DENSE)):
        got = fit_intent([], PATHS, HISTORY, sparse_terms=sparse_terms, seed=0)
        assert dict(got.by_name) == {name: prior.get(name, 0.0) for name in names}
    assert fit_intent([], PATHS, HISTORY, sparse_terms=True, seed=0).term_T == pytest.approx(
        [HISTORY.prior[name] for name in TERMS]
    )
    assert not fit_intent([], PATHS, HISTORY, sparse_terms=False, seed=0).term_T.any()


# Planted worlds: 40 products that fit all; the first product feature is log popularity.

N_P = 40
POPULARITY = np.linspace(3, 0, N_P)


def planted(seed: int, *, follow: float, step: int = 0, n_choosers: int = 150) -> Window:
    """Choosers who viewed three products and then take one of them with chance `follow`, else what is popular.

    With `step` 1 it is the neighbour of what they viewed: each product is near the next one.
    """
    rng = np.random.default_rng(seed)
    share = np.exp(POPULARITY) / np.exp(POPULARITY).sum()
    past, taken = [], np.zeros((n_choosers, N_P))
    for c in range(n_choosers):
        viewed = rng.choice(N_P, size=3, replace=False)
        past += [(c, int(p), VIEW, 50 + i) for i, p in enumerate(viewed)]
        follows = rng.random() < follow
        taken[c, (rng.choice(viewed) + step) % N_P if follows else rng.choice(N_P, p=share)] = 1
    features = np.zeros((N_P, K), np.float32)
    features[:, 0] = POPULARITY
    next_one, none = sparse.csr_matrix(0.2 * np.roll(np.eye(N_P), 1, axis=1)), np.zeros((N_P, 0), np.float32)
    return window_of(
        past,
        taken,
        owns=[[0]] * n_choosers,
        fits=[list(range(N_P))],
        items=ItemGraph(next_one, sparse.csr_matrix((N_P, N_P)), none, none),
        spectral=SpectralFactors(none, none),
        fitment_PA=none,
        lift_SP=np.zeros((1, N_P), np.float32),
        product_PK=features,
    )


def recall(weights: dict[str, float], window: Window, k: int = 5) -> float:
    """Share of choosers whose product is among the k best of their candidates."""
    of = chosen(window)
    score = of.x_RK @ np.array([weights[name] for name in (*DENSE, *TERMS)])
    ends = np.append(of.first_C, len(score))
    # What was taken is the first row of each chooser: ties count against it.
    return float(np.mean([(score[a + 1 : b] >= score[a]).sum() < k for a, b in pairwise(ends)]))


def prior_weights() -> dict[str, float]:
    return dict(fit_intent([], PATHS, HISTORY, sparse_terms=True, seed=0).by_name)


def boost(weights: dict[str, float]) -> float:
    """What one view a week ago adds."""
    return np.log(2) * weights["viewed"] + np.log1p(np.exp(-7 / 30)) * weights["recently"]


def test_where_views_predict_orders_what_was_viewed_ranks_first():
    got = dict(
        fit_intent([planted(seed, follow=0.9) for seed in range(3)], PATHS, HISTORY, sparse_terms=True, seed=0).by_name
    )
    assert boost(got) > 2 * boost(prior_weights())
    assert recall(got, planted(9, follow=1.0)) > 0.95


def test_where_neighbours_of_views_are_ordered_they_rank_before_the_views():
    got = dict(
        fit_intent(
            [planted(seed, follow=0.9, step=1) for seed in range(3)], PATHS, HISTORY, sparse_terms=True, seed=0
        ).by_name
    )
    unseen = planted(9, follow=1.0, step=1)
    assert recall(got, unseen, k=3) > 0.95
    assert boost(got) < boost(prior_weights()) / 2  # what was viewed itself is never taken


@pytest.mark.slow
def test_where_only_popularity_counts_views_are_ignored_and_nothing_gets_worse():
    windows = [planted(seed, follow=0.0) for seed in range(3)]
    got = dict(fit_intent(windows, PATHS, HISTORY, sparse_terms=True, seed=0).by_name)
    unseen = planted(9, follow=0.0, n_choosers=300)
    assert got["orders"] == pytest.approx(1.0, abs=0.15)  # the true exponent
    assert boost(got) < boost(prior_weights()) / 3
    best = prior_weights() | dict.fromkeys(TERMS, 0.0)
    assert recall(got, unseen) > recall(prior_weights(), unseen) + 0.05
    assert recall(got, unseen) == pytest.approx(recall(best, unseen), abs=0.01)


def test_too_many_choosers_are_drawn_evenly_from_the_windows(monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr(
        intent,
        "fit_logit",
        lambda parts, names, prior, penalties: seen.extend(len(p.first_C) for p in parts) or dict.fromkeys(names, 0.0),
    )
    windows = [planted(0, follow=1.0, n_choosers=200), planted(1, follow=1.0, n_choosers=100)]
    fit_intent(windows, PATHS, replace(HISTORY, choosers=60), sparse_terms=True, seed=0)
    assert (sum(seen[:4]), sum(seen[4:8])) == (40, 20)


@pytest.mark.parametrize(("sparse_terms", "answers"), [(True, ["joint"]), (False, ["joint"])])
def test_the_smooth_part_has_an_answer_of_its_own_where_windows_have_one(sparse_terms, answers):
    windows = [planted(seed, follow=0.9, step=1) for seed in range(2)]
    got = intent.fit_intent(windows, PATHS, HISTORY, sparse_terms=sparse_terms, seed=0)
    assert list(got) == answers
    assert {w.by_name["spectral"] for w in got.values()} == {0.0}
    rows = np.arange(N_P)
    camp = np.eye(N_P, dtype=np.float32)
    smooth = [replace(w, spectral=SpectralFactors(camp, camp[(rows - 1) % N_P])) for w in windows]
    more = intent.fit_intent(smooth, PATHS, HISTORY, sparse_terms=sparse_terms, seed=0)
    assert list(more) == [*answers, "smooth"]
    assert {name: more[name] for name in answers} == got  # they know nothing of it
    assert more["smooth"].by_name["spectral"] > 1


def test_the_inner_product_alone_has_weights_that_the_terms_do_not_take_from_it():
    """What is nearest says the same as the inner product: fitted together, one of them goes without."""
    windows = [planted(seed, follow=0.9, step=1) for seed in range(2)]
    basis = np.eye(N_P, dtype=np.float32)
    items = [replace(w.items, left_PI=basis, right_PI=np.roll(basis, 1, axis=0)) for w in windows]
    nothing = SpectralFactors(*np.zeros((2, N_P, 1), np.float32))
    windows = [replace(w, items=i, spectral=nothing) for w, i in zip(windows, items, strict=True)]
    whole, alone = intent.fit_intent(windows, PATHS, HISTORY, sparse_terms=True, seed=0).values()
    dense = intent.fit_intent(windows, PATHS, HISTORY, sparse_terms=False, seed=0)["smooth"]
    assert {name: alone.by_name[name] for name in DENSE} == dict(dense.by_name)
    assert {name: alone.by_name[name] for name in TERMS} == {name: whole.by_name[name] for name in TERMS}
    assert alone.by_name["items"] > 3 * abs(whole.by_name["items"])


FAINT = (np.arange(N_P) % 7 == 0).astype(np.float32) * 1e-3
"""A lift that hardly differs by product."""


def lifted(lift_SP: np.ndarray, seed: int) -> Window:
    """Choosers who own one vehicle after the other and take one of the products of highest lift."""
    window, n_S = planted(seed, follow=0.0), len(lift_SP)
    rng = np.random.default_rng(seed)
    owned, taken = np.arange(150) % n_S, np.zeros((150, N_P))
    for c, s in enumerate(owned):
        taken[c, rng.choice(np.flatnonzero(lift_SP[s] == lift_SP[s].max()))] = 1
    return replace(
        window,
        owns_CS=sparse.csr_matrix(np.eye(n_S, dtype=bool)[owned]),
        fits_SP=sparse.csr_matrix(np.ones((n_S, N_P), dtype=bool)),
        taken_CP=sparse.csr_matrix(taken),
        lift_SP=lift_SP.astype(np.float32),
    )


@pytest.mark.parametrize("sparse_terms", [True, False])
def test_a_lift_that_tells_no_vehicles_apart_stays_at_its_prior(sparse_terms):
    """However well it tells products apart: a weight that makes it count would be in the thousands."""
    prior = (HISTORY.prior if sparse_terms else HISTORY.prior_dense)["lift"]
    loose = replace(PATHS, logit_penalties=(1e-9, 1e-8))
    for lift_SP in (FAINT[None], np.stack([FAINT, FAINT])):
        windows = [lifted(lift_SP, seed) for seed in range(2)]
        assert not any(window.lift_tells for window in windows)
        got = fit_intent(windows, loose, HISTORY, sparse_terms=sparse_terms, seed=0)
        assert got.by_name["lift"] == prior
    vehicles = np.stack([FAINT, FAINT[::-1]])
    told = [lifted(vehicles, 0), lifted(FAINT[None], 1)]  # one window that tells them apart is enough
    assert fit_intent(told, loose, HISTORY, sparse_terms=sparse_terms, seed=0).by_name["lift"] > 1000


def test_vehicles_that_no_chooser_owns_tell_nothing():
    window = lifted(np.stack([FAINT, FAINT]), 0)
    wide = replace(
        window,
        owns_CS=sparse.hstack([window.owns_CS, sparse.csr_matrix((150, 1), dtype=bool)], format="csr"),
        lift_SP=np.concatenate([window.lift_SP, window.lift_SP[:1] + 1]),
    )
    assert not wide.lift_tells
    nobody = replace(window, owns_CS=sparse.csr_matrix((150, 2), dtype=bool))
    assert not nobody.lift_tells


def test_a_seed_decides():
    windows = [planted(0, follow=0.5), planted(1, follow=0.5)]
    one, same = (dict(fit_intent(windows, PATHS, HISTORY, sparse_terms=True, seed=3).by_name) for _ in range(2))
    assert one == same


def test_fitment_gets_a_weight_where_choosers_are_enough_to_rank_by():
    """Each chooser takes what fits as their last product does."""
    windows = [planted(seed, follow=0.9, step=1) for seed in range(2)]
    rows = np.arange(N_P)
    turned = np.exp(2j * np.pi * rows / N_P)  # the next products are the nearest on a circle
    circle = np.stack([turned.real, turned.imag], axis=1).astype(np.float32)
    windows = [replace(w, fitment_PA=circle) for w in windows]
    (alone,) = intent.fit_intent(windows, PATHS, HISTORY, sparse_terms=False, seed=0).values()
    assert alone.by_name["fitment"] > 1
    few = replace(HISTORY, rank_choosers=10_000)
    got = intent.fit_intent(windows, PATHS, few, sparse_terms=True, seed=0)
    assert {w.by_name["fitment"] for w in got.values()} == {0.0}


def test_the_fit_with_the_smooth_part_is_drawn_to_the_weights_of_the_inner_product_alone():
    rows = np.eye(N_P, dtype=np.float32)
    windows = [replace(planted(0, follow=0.5), spectral=SpectralFactors(rows, rows))]
    stiff = replace(PATHS, logit_penalties=(1e9, 1e10))
    got = intent.fit_intent(windows, stiff, HISTORY, sparse_terms=True, seed=0)
    for name, prior in (("joint", HISTORY.prior), ("smooth", HISTORY.prior_dense)):
        for part in DENSE:
            assert got[name].by_name[part] == pytest.approx(prior.get(part, 0.0), abs=1e-3), (name, part)
