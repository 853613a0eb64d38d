"""Weights that hidden pairs rank by: planted camps, where the likelihood's weights would hide what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gnn_core.config.history import DENSE, TERMS
from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.model import by_rank
from gnn_core.model.by_rank import GROUPS, weighed_by_rank
from gnn_core.model.history import history_queries
from gnn_core.model.intent import IntentWeights, Window
from gnn_core.model.item_graph import ItemGraph
from gnn_core.model.spectral import SpectralFactors
from gnn_core.snapshot import ORDER
from tests.core.model.tiny import HISTORY, KINDS, events_of

CAMPS, SIZE = 3, 60
N_P = CAMPS * SIZE
CAMP_P = np.repeat(np.arange(CAMPS), SIZE)
POPULARITY = np.where(CAMP_P == 0, 5.0, 0.0) + np.linspace(1, 0, N_P)
NONE = np.zeros((N_P, 0), np.float32)


def camps(n_choosers: int = 240, *, loyal: bool = True, seed: int = 0) -> Window:
    """Choosers of three camps, each known by one product; they take one of the five best of their camp, or of all."""
    rng = np.random.default_rng(seed)
    past, taken = [], np.zeros((n_choosers, N_P))
    for c in range(n_choosers):
        camp = c % CAMPS
        past.append((c, camp * SIZE + 10 + int(rng.integers(50)), ORDER, 1))
        taken[c, (camp if loyal else 0) * SIZE + int(rng.integers(5))] = 1.0
    shape = taken.shape
    features = np.zeros((N_P, len(PRODUCT_FEATURES)), np.float32)
    features[:, 0] = POPULARITY
    of_camp = np.eye(CAMPS, dtype=np.float32)[CAMP_P]
    return Window(
        queries_C=history_queries(events_of(*past), KINDS, shape, np.datetime64("1970-01-09"), 30.0),
        owns_CS=sparse.csr_matrix(np.ones((n_choosers, 1), dtype=bool)),
        taken_CP=sparse.csr_matrix(taken),
        excluded_CP=sparse.csr_matrix(shape),
        items=ItemGraph(sparse.csr_matrix((N_P, N_P)), sparse.csr_matrix((N_P, N_P)), NONE, NONE),
        spectral=SpectralFactors(of_camp, of_camp),
        fitment_PA=NONE,
        lift_SP=np.zeros((1, N_P), np.float32),
        product_PK=features,
        fits_SP=sparse.csr_matrix(np.ones((1, N_P), dtype=bool)),
    )


def weights(**given: float) -> IntentWeights:
    return IntentWeights(dict.fromkeys(DENSE, 0.0) | given)


def recall(window: Window, of: IntentWeights, length: int = HISTORY.rank_length) -> float:
    asked = by_rank._Asked(window, np.arange(window.taken_CP.shape[0]), of, replace(HISTORY, rank_length=length))
    return float(asked.worth(np.ones(len(GROUPS)), "recall").mean())


def by_rank_of(window: Window, *starts: IntentWeights, **settings: float) -> IntentWeights:
    """The end that ranks highest."""
    named = {f"start {n}": start for n, start in enumerate(starts)}
    return next(iter(weighed_by_rank([window], named, replace(HISTORY, **settings), seed=0).values()))


def test_where_closeness_is_drowned_by_popularity_it_is_raised_above_it():
    likely = weights(orders=1.0, spectral=1.0)  # one camp is five ahead of the others
    window = camps()
    assert recall(window, likely) == pytest.approx(1 / 3)
    got = by_rank_of(window, likely)
    assert got.by_name["orders"] > 0  # within a camp popularity decides
    assert got.by_name["spectral"] > 5 * got.by_name["orders"]
    assert recall(camps(seed=9), got) == 1.0


def test_where_nothing_ranks_higher_the_fit_stays():
    likely = weights(orders=1.0, spectral=0.1)
    assert by_rank_of(camps(loyal=False), likely).by_name == likely.by_name


def test_a_part_that_only_harms_loses_its_say():
    harmful = weights(orders=1.0, spectral=50.0)
    got = by_rank_of(camps(loyal=False), harmful)
    assert recall(camps(loyal=False, seed=9), got) == 1.0
    assert got.by_name["spectral"] < 6 * got.by_name["orders"]


def test_a_handful_of_choosers_changes_nothing():
    likely = weights(orders=1.0, spectral=1.0)
    assert by_rank_of(camps(HISTORY.rank_choosers - 1), likely) is likely
    assert by_rank_of(camps(HISTORY.rank_choosers), likely) is not likely


def test_choosers_of_all_windows_count_together():
    likely, half = weights(orders=1.0, spectral=1.0), camps(HISTORY.rank_choosers // 2)
    assert by_rank_of(half, likely) is likely
    both = [half, camps(HISTORY.rank_choosers // 2, seed=1)]
    got = weighed_by_rank(both, {"only": likely}, HISTORY, seed=0)["only_recall"]
    assert got.by_name["spectral"] > 5 * got.by_name["orders"]


def test_choosers_who_took_no_candidate_are_nobody():
    window, likely = camps(), weights(orders=1.0, spectral=1.0)
    nothing = replace(window, fits_SP=sparse.csr_matrix((1, N_P), dtype=bool))
    assert by_rank_of(nothing, likely) is likely


def test_another_start_is_taken_where_it_ranks_higher():
    """A part that the first start gave no weight can't be found by multiples of it."""
    poor, rich = weights(orders=1.0), weights(orders=1.0, spectral=1.0)
    assert by_rank_of(camps(), poor, rich).by_name["spectral"] > 0
    assert by_rank_of(camps(loyal=False), poor, rich).by_name == poor.by_name


def test_own_events_are_weighed_where_they_may_be_taken_again():
    window = camps()
    again = np.zeros((240, N_P))
    again[np.arange(240), window.queries_C.all_RP.indices] = 1.0
    window = replace(window, taken_CP=sparse.csr_matrix(again))
    likely = IntentWeights(dict.fromkeys((*DENSE, *TERMS), 0.0) | {"orders": 1.0, "ordered": 0.5})
    assert recall(window, likely) < 0.5
    got = by_rank_of(window, likely)
    assert recall(window, got) == 1.0
    assert got.by_name["ordered"] > got.by_name["orders"]


def test_choosers_are_drawn_where_there_are_more_than_memory_holds():
    drawn = by_rank._choosers(camps(), 50 * N_P, seed=1)
    assert len(drawn) == len(set(drawn)) == 50
    assert drawn.tolist() == sorted(drawn.tolist())


def test_a_place_is_worth_by_dcg_what_stands_above_it_however_much_that_is():
    window, one = camps(3, loyal=False), weights(orders=1.0)
    asked = by_rank._Asked(window, np.arange(3), one, replace(HISTORY, rank_length=1))
    score_CP = asked._summed(np.ones(len(GROUPS)), slice(0, 3))
    above = [int((row > row[p]).sum()) for row, p in zip(score_CP, window.taken_CP.indices, strict=True)]
    assert max(above) > 2
    ones = np.ones(len(GROUPS))
    assert asked.worth(ones, "dcg") == pytest.approx(1 / np.log2(2.0 + np.array(above)))
    assert asked.worth(ones, "recall") == pytest.approx((np.array(above) < 1).astype(float))


@pytest.mark.parametrize(("cells", "sorted_from"), [(1, 20), (3 * N_P, 20), (10**9, 20), (3 * N_P, 0)])
def test_places_do_not_depend_on_how_they_are_counted(monkeypatch, cells, sorted_from):
    """In blocks of any size, pair by pair or by sorting."""
    window = camps()
    window = replace(window, product_PK=np.round(window.product_PK, 1))  # ties
    asked = by_rank._Asked(window, np.arange(len(window.queries_C)), weights(orders=1.0, spectral=0.3), HISTORY)
    multiple_G, g = np.linspace(0.5, 2.0, len(GROUPS)), list(GROUPS).index("spectral")
    shipped = [(asked.worth(multiple_G, m), asked.worths(multiple_G, g, m)) for m in ("recall", "dcg")]
    monkeypatch.setattr(by_rank, "_BLOCK_CELLS", cells)
    monkeypatch.setattr(by_rank, "_SORTED_FROM", sorted_from)
    again = [(asked.worth(multiple_G, m), asked.worths(multiple_G, g, m)) for m in ("recall", "dcg")]
    for one, other in zip(shipped, again, strict=True):
        assert one[0].tolist() == other[0].tolist()
        assert one[1].tolist() == other[1].tolist()
    assert shipped[1][1].std(axis=0).max() > 0  # the multiples do rank differently


def test_products_that_are_no_candidates_take_no_place():
    window = camps(3, loyal=False)
    best = np.zeros((3, N_P))
    best[:, :5] = window.taken_CP.toarray()[:, :5] == 0  # the other four of the popular
    one = weights(orders=1.0)
    assert recall(window, one, 1) < 1
    assert recall(replace(window, excluded_CP=sparse.csr_matrix(best)), one, 1) == 1.0
    fits = np.ones((1, N_P), dtype=bool)
    fits[0, window.taken_CP.indices[0]] = False
    assert len(by_rank._Asked(replace(window, fits_SP=sparse.csr_matrix(fits)), np.arange(3), one, HISTORY)._row_N) < 3


def test_a_tie_counts_as_half_a_place():
    window, flat = camps(3), weights(breadth=1.0)  # the same for all products
    window = replace(window, product_PK=np.ones_like(window.product_PK))
    assert recall(window, flat, N_P // 2 - 1) == 0.0
    assert recall(window, flat, N_P // 2) == 1.0


def test_sparse_terms_are_weighed_together_and_own_events_that_are_no_candidates_keep_their_weight():
    next_one = sparse.csr_matrix(np.eye(N_P, k=-10) * 0.5)
    window = camps()
    taken = np.zeros((240, N_P))
    for c, row in enumerate(window.queries_C.all_RP):
        taken[c, row.indices[0] - 10] = 1.0  # the neighbour of what is known
    window = replace(window, taken_CP=sparse.csr_matrix(taken), items=replace(window.items, near_PP=next_one))
    likely = IntentWeights(dict.fromkeys((*DENSE, *TERMS), 0.0) | {"orders": 1.0, "near": 0.2, "ordered": 2.0})
    assert recall(window, likely) < 0.6
    got = by_rank_of(window, likely)
    assert recall(window, got) == 1.0
    assert got.by_name["ordered"] == 2.0
    assert got.by_name["near"] / got.by_name["orders"] > 0.4 if got.by_name["orders"] else got.by_name["near"] > 0


def test_every_start_has_its_end_the_highest_ranking_first():
    poor, rich = weights(orders=1.0), weights(orders=1.0, spectral=1.0)
    got = weighed_by_rank([camps()], {"poor": poor, "rich": rich}, HISTORY, seed=0)
    assert list(got) == ["rich_recall", "poor_recall", "rich_dcg", "poor_dcg"]
    assert recall(camps(seed=9), got["rich_recall"]) > recall(camps(seed=9), got["poor_recall"])
    flat = weighed_by_rank([camps(loyal=False)], {"poor": poor, "rich": rich}, HISTORY, seed=0)
    assert list(flat)[0::2] == ["poor_recall", "poor_dcg"]
    one = weighed_by_rank([camps()], {"rich": rich}, HISTORY, seed=0, measures=["dcg"])
    assert one == {"rich_dcg": got["rich_dcg"]}


def test_what_products_fit_is_weighed_as_a_part_of_its_own():
    window, by_fitment = camps(), weights(orders=1.0, fitment=1.0)
    window = replace(window, fitment_PA=window.spectral.in_PF, spectral=SpectralFactors(NONE, NONE))
    assert recall(window, by_fitment) == pytest.approx(1 / 3)
    got = by_rank_of(window, by_fitment)
    assert got.by_name["fitment"] > 5 * got.by_name["orders"]
    assert recall(window, got) == 1.0


def by_dcg(window: Window, start: IntentWeights, **settings: object) -> Mapping[str, float]:
    """Where the search ends by a measure that every place counts for, so that small steps help."""
    (end,) = weighed_by_rank([window], {"only": start}, replace(HISTORY, **settings), seed=0, measures=["dcg"]).values()
    return end.by_name


def with_lift(window: Window, told: bool) -> Window:
    """The window with a faint lift that is higher for what is taken; of two vehicles, which it tells apart or not."""
    lift = np.isin(np.arange(N_P) % SIZE, np.arange(5)) * np.float32(0.01)
    other = np.roll(lift, SIZE // 2) if told else lift
    owns = np.eye(2, dtype=bool)[np.zeros(window.taken_CP.shape[0], dtype=int)]
    owns[-1] = [False, True]
    return replace(
        window,
        owns_CS=sparse.csr_matrix(owns),
        fits_SP=sparse.csr_matrix(np.ones((2, N_P), dtype=bool)),
        lift_SP=np.stack([lift, other]).astype(np.float32),
        product_PK=np.zeros_like(window.product_PK) + np.linspace(0, 1, N_P, dtype=np.float32)[:, None],
    )


def test_a_lift_that_tells_no_vehicles_apart_is_not_weighed():
    """Raised until it counts, it would put a product that is a little off on every list."""
    start = weights(orders=1.0, spectral=0.1, lift=1.0)
    assert by_dcg(with_lift(camps(), told=True), start, rank_multiples=(10.0,))["lift"] > 5
    assert by_dcg(with_lift(camps(), told=False), start, rank_multiples=(10.0,))["lift"] == 1.0


def test_all_rounds_together_reach_no_further_than_they_may():
    window, start = camps(), weights(orders=1.0, spectral=0.001)
    window = replace(window, product_PK=window.product_PK - 5 * (window.product_PK > 2))  # closeness helps step by step
    far, near = (by_dcg(window, start, rank_reach=reach, rank_multiples=(10.0,)) for reach in (1000.0, 100.0))
    assert (far["spectral"], near["spectral"]) == (pytest.approx(1.0), pytest.approx(0.1))


def test_a_part_that_is_silent_in_one_window_is_weighed_by_the_others():
    likely = weights(orders=1.0, spectral=1.0)
    silent = replace(camps(loyal=False, seed=1), spectral=SpectralFactors(*np.zeros((2, N_P, CAMPS), np.float32)))
    raised = replace(HISTORY, rank_multiples=(10.0,))
    got = weighed_by_rank([camps(), silent], {"only": likely}, raised, seed=0)["only_recall"]
    assert recall(camps(seed=9), got) == 1.0
