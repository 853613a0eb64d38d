"""Embedding drift against its limits: a turned space keeps them, each way of breaking names itself and its part, and a
part that the model weighs otherwise is told and breaks nothing."""

import dataclasses
import itertools

import numpy as np
import pytest

from gnn_core.errors import DataError
from gnn_core.experiment.guards import embedding_guard
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED
from gnn_core.monitoring.blocks import Space
from gnn_core.monitoring.embeddings import (
    COMPARED,
    FEW,
    NEITHER,
    REFERENCE_ONLY,
    SERVED_ONLY,
    EmbeddingDrift,
    allowed,
    embedding_drift,
)
from tests.core.experiment.experiment_world import ALL

LIMITS = ALL.monitoring
RNG = np.random.default_rng(7)
IDS = np.array([f"p{i:03d}" for i in range(400)], dtype=object)
OLD = RNG.normal(size=(400, 6)) + 3.0
TURN = np.linalg.qr(RNG.normal(size=(6, 6)))[0]


WEEK = 0.02
"""Share of new events between two weeks of a year of them."""


VEHICLES = (np.array(["v1"], dtype=object), np.ones((1, 6)))
ITEMS = {"items": (0, 6), "bias": (6, 6)}
"""One part is all there is."""


def _space(products, ids=IDS, vehicles=VEHICLES, blocks=None, shares=None):
    blocks = ITEMS | {"items": (0, products.shape[1])} if blocks is None else blocks
    return Space({"products": (ids, products), "vehicles": vehicles}, blocks, shares or {})


def _drift(new, ids=IDS, old=OLD, limits=LIMITS, new_evidence=WEEK, vehicles=VEHICLES, old_vehicles=VEHICLES):
    return _between(_space(old, vehicles=old_vehicles), _space(new, ids, vehicles), limits, new_evidence)


def _between(old, new, limits=LIMITS, new_evidence=WEEK):
    return embedding_drift(old, new, limits, reference="the model published last", new_evidence=new_evidence, seed=1)


def _of(found, block="items", kind="products"):
    return next(part for part in found.parts if (part.kind, part.block) == (kind, block))


def test_a_turned_space_keeps_every_limit_and_new_products_do_not_count():
    ids = np.append(IDS[::-1], "new")
    found = _drift(np.vstack([(OLD @ TURN)[::-1], np.full((1, 6), 1e6)]), ids)
    assert found.breaks == ()
    assert found.new_entities == {"products": 1, "vehicles": 0}
    assert _of(found).drift.entities == 400
    assert embedding_guard(found.as_json()).state == GREEN


def _exchanged(share):
    """The rows of a share of the products stand in each other's places."""
    rng = np.random.default_rng(3)
    some = np.flatnonzero(rng.random(len(OLD)) < share)
    broken = OLD.copy()
    broken[some] = OLD[rng.permutation(some)]
    return broken


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD * 1.5, "median norm changed by +50.0%, more than +25.8%"),
        (OLD / 1.5, "median norm changed by −33.3%, more than −20.5%"),
        (_exchanged(0.25), "mean cosine after the best rotation"),
        (OLD[np.random.default_rng(1).permutation(400)], "mean cosine after the best rotation"),
        (OLD + 2 * np.random.default_rng(2).normal(size=OLD.shape), "of the nearest neighbours are kept"),
        (OLD * np.where(np.arange(400) % 2, 3.0, 0.4)[:, None], "norm of 50% changed by more than a factor of 2"),
    ],
    ids=["larger", "smaller", "a quarter exchanged", "exchanged", "noise", "two groups"],
)
def test_every_limit_is_named_when_it_breaks_and_turns_the_guard_red(new, words):
    found = _drift(new)
    assert any(words in sentence for sentence in found.breaks), found
    guard = embedding_guard(found.as_json())
    assert guard.state == RED
    assert words in guard.sentence


def test_what_all_products_share_is_no_likeness():
    # A common direction alone would make exchanged rows look alike: cosine .9 and more.
    far = OLD + 30
    exchanged = _drift(far[np.random.default_rng(1).permutation(400)], old=far)
    assert _of(exchanged).drift.aligned_cosine < 0.3


def test_fewer_dimensions_of_a_part_are_no_drift():
    wide = np.hstack([OLD[:, :2], np.zeros((400, 3)), OLD[:, 2:]])
    for found in (_drift(wide), _drift(OLD, old=wide)):
        assert found.breaks == ()
        assert _of(found).drift.aligned_cosine == pytest.approx(1)
    assert _drift(OLD[:, :3]).breaks != ()


def test_a_store_of_one_vehicle_has_no_neighbourhood_of_vehicles():
    found = _drift(OLD, vehicles=(np.array(["v1"], dtype=object), np.ones((1, 6))))
    assert isinstance(found, EmbeddingDrift)
    assert {part.kind for part in found.parts} == {"products"}


def test_what_cannot_be_compared_is_said_and_holds_the_rollout():
    assert "only 7 are known to both" in _drift(OLD[:7], IDS[:7])
    guard = embedding_guard({"state": "sql_v5.18 is served: it has no vectors"})
    assert (guard.state, "sql_v5.18" in guard.sentence) == (NO_DATA, True)
    assert embedding_guard(None).state == NO_DATA


def test_limits_come_from_the_settings():
    strict = dataclasses.replace(LIMITS, max_norm_change=0.01)
    assert _drift(OLD * 1.1).breaks == ()
    assert len(_drift(OLD * 1.1, limits=strict).breaks) == 1


def test_limits_by_hand():
    given = dataclasses.replace(
        LIMITS, min_aligned_cosine=0.9, min_neighbours_kept=0.5, max_norm_change=0.25, max_norms_moved=0.25
    )
    found = allowed(0.36, given)
    assert found.min_cosine == pytest.approx(0.9 * 0.8)
    assert found.min_overlap == pytest.approx(0.5 * (1 - 0.6))
    # Events have grown to 1 / .64 of what they were.
    doublings = np.log2(1 / 0.64)
    assert found.max_norm_ratio == pytest.approx(1.25 * 1.25**doublings)
    assert found.max_norms_moved == pytest.approx(0.25 * (1 + doublings))
    assert allowed(0.99, given).max_norms_moved == 1
    same = allowed(0.0, given)
    assert dataclasses.astuple(same) == (0.9, 0.5, 1.25, 0.25)


def test_what_is_a_defect_in_a_week_is_none_with_ten_times_the_evidence():
    rng = np.random.default_rng(4)
    moved = 1.5 * (OLD + 1.3 * OLD.std() * rng.normal(size=OLD.shape))
    week, tenfold = _drift(moved), _drift(moved, new_evidence=0.9)
    for words in ("median norm", "mean cosine", "nearest neighbours"):
        assert words in " ".join(week.breaks)
    assert tenfold.breaks == ()
    assert tenfold.parts == week.parts
    assert tenfold.as_json()["new_evidence"] == 0.9
    # Even so far apart, vectors of other products are none of these.
    assert "mean cosine" in " ".join(_drift(_exchanged(1.0), new_evidence=0.9).breaks)


def test_the_cosine_of_evidence_that_only_adds_up_is_allowed_however_much_of_it_is_new():
    rng = np.random.default_rng(5)
    for known in (0.98, 0.6, 0.1):
        old = rng.normal(size=(400, 64)) * np.sqrt(known)
        whole = old + rng.normal(size=(400, 64)) * np.sqrt(1 - known)
        found = _drift(whole, old=old, new_evidence=1 - known)
        assert not any("mean cosine" in sentence for sentence in found.breaks), found


def test_a_reference_that_knew_nothing_cannot_be_compared_with():
    found = _drift(OLD, new_evidence=1.0)
    assert found == "the reference knew none of the events that the served model has learned from"
    assert embedding_guard({"state": found}).state == NO_DATA
    for none in (-0.1, 1.1, float("nan")):
        with pytest.raises(DataError, match="no share of events"):
            _drift(OLD, new_evidence=none)


def test_norms_of_few_products_may_move_by_chance():
    assert LIMITS.max_norms_moved == 0.12
    longer = np.where(np.arange(400) % 4 == 0, 3.0, 1.0)[:, None]
    assert any("norm of 25% changed" in sentence for sentence in _drift(OLD * longer).breaks)
    few = _drift(OLD[:20] * longer[:20], IDS[:20])
    assert _of(few).drift.norms_moved == 0.25
    assert not any("norm of" in sentence for sentence in few.breaks)
    # Vehicles are judged by it too.
    found = _drift(OLD, vehicles=(IDS, OLD * longer), old_vehicles=(IDS, OLD))
    assert any(s.startswith("vehicles, items: the norm of 25%") for s in found.breaks)
    less = _drift(OLD * np.where(longer > 1, 1.9, 1.0))
    assert _of(less).drift.norms_moved == 0


def test_as_many_products_as_neighbours_are_too_few():
    assert LIMITS.neighbours == 10
    assert "only 10 are known to both" in _drift(OLD[:10], IDS[:10])


# Of several parts, as the model has them: counts by name, item graph, smooth part, what was learned, bias.
N = 400
POPULAR = np.abs(np.random.default_rng(11).normal(size=(N, 3))) + 0.5
SMOOTH = 50 * np.random.default_rng(12).normal(size=(N, 8))
GRAPH = np.random.default_rng(13).normal(size=(N, 6))
AT_REST = np.tile([0.0, 0.0, 1.0], (N, 1))
"""Without a gradient step: unit vectors that all point at the slack."""
STEPPED = np.hstack([np.random.default_rng(14).normal(size=(N, 2)), np.ones((N, 1))])
QUARTER = np.where(np.arange(N) % 4 == 0, 3.0, 1.0)[:, None]
COLD, WARM = "without a history", "with a history"


def _parts(popularity=POPULAR, items=GRAPH, spectral=SMOOTH, learned=AT_REST, shares=None):
    parts = {"popularity": popularity, "items": items, "spectral": spectral, "learned": learned,
             "bias": np.zeros((N, 1))}  # fmt: skip
    ends = np.cumsum([0, *(v.shape[1] for v in parts.values())]).tolist()
    blocks = dict(zip(parts, itertools.pairwise(ends), strict=True))
    shares = {COLD: {"popularity": 1.0}, WARM: {"popularity": 0.1, "items": 0.1, "spectral": 0.8}} | (shares or {})
    width = ends[-1]
    return _space(np.hstack(list(parts.values())), vehicles=(VEHICLES[0], np.ones((1, width))), blocks=blocks,
                  shares=shares)  # fmt: skip


NO_PART = np.zeros((N, 0))
WITHOUT_SMOOTH = {WARM: {"popularity": 0.4, "items": 0.6, "spectral": 0.0}}


def test_a_part_that_the_model_gave_no_weight_is_told_with_what_it_carried_and_breaks_nothing():
    found = _between(_parts(), _parts(spectral=NO_PART, shares=WITHOUT_SMOOTH))
    assert found.breaks == ()
    assert _of(found, "spectral").state == REFERENCE_ONLY
    assert (
        "products, spectral: in the reference only; of what the scores of users with a history differ by it carried "
        "80%, and carries 0% now." in found.changes
    )
    assert found.moved == pytest.approx({COLD: 0.0, WARM: 0.8})
    assert found.warns
    assert any("80% of what the scores of users with a history differ by has moved" in said for said in found.changes)
    assert any("spectral from 80% to 0%, items from 10% to 60%" in said for said in found.changes)
    guard = embedding_guard(found.as_json())
    assert guard.state == GREEN
    assert "spectral: in the reference only" in guard.sentence
    # As one vector, its longest part decides: the rule before there were parts called this a defect.
    whole = (_parts(), _parts(spectral=NO_PART, shares=WITHOUT_SMOOTH))
    as_one = [
        dataclasses.replace(space, blocks={"whole": (0, space.blocks["bias"][0]), "bias": space.blocks["bias"]})
        for space in whole
    ]
    assert _between(*as_one).breaks != ()


def test_a_part_that_only_what_is_served_has_is_told_and_vectors_broken_beside_it_are_still_found():
    found = _between(_parts(spectral=NO_PART, shares=WITHOUT_SMOOTH), _parts())
    assert (found.breaks, _of(found, "spectral").state) == ((), SERVED_ONLY)
    turned = GRAPH[np.random.default_rng(1).permutation(N)]
    broken = _between(_parts(spectral=NO_PART, shares=WITHOUT_SMOOTH), _parts(items=turned))
    assert all(sentence.startswith("products, items: ") for sentence in broken.breaks)
    guard = embedding_guard(broken.as_json())
    assert guard.state == RED
    assert "in what is served only" in guard.sentence


def test_shares_that_move_little_are_no_warning_and_one_of_an_audience_that_only_one_knows_is_left_out():
    slightly = {WARM: {"popularity": 0.3, "items": 0.1, "spectral": 0.6}}
    found = _between(_parts(), _parts(shares=slightly))
    assert found.moved[WARM] == pytest.approx(0.2)
    assert (found.warns, found.changes) == (False, ())
    strict = dataclasses.replace(LIMITS, max_moved_share=0.19)
    assert _between(_parts(), _parts(shares=slightly), strict).warns
    one = dataclasses.replace(_parts(), shares={COLD: {"popularity": 1.0}})
    assert set(_between(one, _parts()).moved) == {COLD}


@pytest.mark.parametrize(
    ("change", "block", "words"),
    [
        ({"items": 0 * GRAPH}, "items", "is zero or the same for all"),
        ({"spectral": 0 * SMOOTH}, "spectral", "is zero or the same for all"),
        ({"items": 0 * GRAPH + 1}, "items", "is zero or the same for all"),
        ({"learned": 0 * AT_REST}, "learned", "is zero or the same for all"),
        ({"items": GRAPH * (np.arange(N) % 4 > 0)[:, None]}, "items", "25% have lost it, more than 5%"),
        ({"items": 3 * GRAPH}, "items", "median norm changed by +200%"),
        ({"items": GRAPH * QUARTER}, "items", "norm of 25% changed by more than a factor of 2"),
        ({"popularity": POPULAR * QUARTER}, "popularity", "norm of 25% changed by more than a factor of 2"),
        ({"popularity": 3 * POPULAR}, "popularity", "median norm changed by +200%"),
        ({"popularity": POPULAR[::-1]}, "popularity", "the number that changed least has a correlation of"),
        ({"items": GRAPH[::-1]}, "items", "mean cosine after the best rotation"),
    ],
    ids=["zero", "smooth zero", "same", "learned zero", "a quarter zero", "tripled", "a quarter tripled",
         "a quarter of popularity tripled", "popularity tripled",
         "popularity exchanged", "items exchanged"],
)  # fmt: skip
def test_a_broken_part_is_named_however_little_it_counts_beside_the_longest_one(change, block, words):
    found = _between(_parts(), _parts(**change))
    assert [s for s in found.breaks if s.startswith(f"products, {block}: ") and words in s], found.breaks
    assert all(s.startswith(f"products, {block}: ") for s in found.breaks)


def test_what_was_learned_may_rest_or_begin():
    begun = _between(_parts(), _parts(learned=STEPPED))
    rests = _between(_parts(learned=STEPPED), _parts())
    assert (begun.breaks, _of(begun, "learned").state) == ((), SERVED_ONLY)
    assert (rests.breaks, _of(rests, "learned").state) == ((), REFERENCE_ONLY)
    both = _between(_parts(), _parts())
    assert _of(both, "learned").state == NEITHER
    assert both.changes == ()
    assert not any(part.block == "bias" for part in both.parts)
    # Nothing is lost where nothing was.
    for nothing in (NO_PART, 0 * GRAPH):
        for still in (NO_PART, 0 * GRAPH, 0 * GRAPH + 1):
            found = _between(_parts(items=nothing), _parts(items=still))
            assert (found.breaks, _of(found, "items").state) == ((), NEITHER)


def test_products_with_their_first_evidence_are_counted_and_not_compared():
    young = GRAPH * (np.arange(N) % 2)[:, None]
    found = _between(_parts(items=young), _parts())
    assert found.breaks == ()
    part = _of(found, "items")
    assert (part.state, part.appeared, part.vanished, part.drift.entities) == (COMPARED, 200, 0, 200)
    assert part.drift.aligned_cosine == pytest.approx(1, abs=0.02)
    few = _between(_parts(items=GRAPH * (np.arange(N) < 10)[:, None]), _parts())
    assert (few.breaks, _of(few, "items").state) == ((), FEW)
    assert any("items: too few hold it in both to compare" in said for said in few.changes)
    more = _between(_parts(items=GRAPH * (np.arange(N) < 11)[:, None]), _parts())
    assert _of(more, "items").state == COMPARED


def test_a_twentieth_may_lose_a_part_and_no_more():
    assert LIMITS.max_vanished == 0.05
    for lost, breaks in ((20, False), (21, True)):
        found = _between(_parts(), _parts(items=GRAPH * (np.arange(N) >= lost)[:, None]))
        assert _of(found, "items").vanished == lost
        assert any("have lost it" in s for s in found.breaks) == breaks


def test_numbers_of_popularity_may_all_change_but_the_steadiest():
    rng = np.random.default_rng(15)
    other = np.column_stack([POPULAR[:, 0] + 0.1 * rng.normal(size=N), *rng.permutation(POPULAR)[:, 1:].T])
    found = _between(_parts(), _parts(popularity=other))
    part = _of(found, "popularity")
    assert part.drift.aligned_cosine < found.limits.min_cosine
    assert part.drift.neighbour_overlap < found.limits.min_overlap
    assert 0.9 < part.steadiest < 1
    assert found.breaks == ()


def test_vectors_of_which_nothing_can_be_compared_are_no_green():
    nothing = _parts(popularity=NO_PART, items=NO_PART, spectral=NO_PART)
    assert _between(nothing, _parts()) == "products: no part tells them apart in both models"
    # But what is lost is red, although nothing is left to compare.
    zero = _parts(popularity=0 * POPULAR, items=0 * GRAPH, spectral=0 * SMOOTH)
    assert len(_between(_parts(), zero).breaks) == 3


def test_a_vector_that_is_not_finite_names_its_part():
    items = GRAPH.copy()
    items[3, 2] = np.nan
    with pytest.raises(DataError, match="vector of products holds NaN or an infinite value in its part items"):
        _between(_parts(), _parts(items=items))
