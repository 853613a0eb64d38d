"""Embedding drift against its limits: a turned space keeps them, each way of breaking names itself."""

import dataclasses

import numpy as np
import pytest

from gnn_core.errors import DataError
from gnn_core.experiment.guards import embedding_guard
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED
from gnn_core.monitoring.embeddings import EmbeddingDrift, allowed, embedding_drift
from tests.core.experiment.experiment_world import ALL

LIMITS = ALL.monitoring
RNG = np.random.default_rng(7)
IDS = np.array([f"p{i:03d}" for i in range(400)], dtype=object)
OLD = RNG.normal(size=(400, 6)) + 3.0
TURN = np.linalg.qr(RNG.normal(size=(6, 6)))[0]


WEEK = 0.02
"""Share of new events between two weeks of a year of them."""


def _drift(new, ids=IDS, old=OLD, limits=LIMITS, new_evidence=WEEK, **more):
    kinds = {"products": (ids, new), **more}
    before = {"products": (IDS, old), "vehicles": (np.array(["v1"], dtype=object), np.ones((1, 6)))}
    return embedding_drift(
        before, kinds, limits, reference="the model published last", new_evidence=new_evidence, seed=1
    )


def test_a_turned_space_keeps_every_limit_and_new_products_do_not_count():
    ids = np.append(IDS[::-1], "new")
    found = _drift(np.vstack([(OLD @ TURN)[::-1], np.full((1, 6), 1e6)]), ids)
    assert found.breaks == ()
    assert found.new_entities == {"products": 1}
    assert found.kinds["products"].entities == 400
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
        (OLD * np.where(np.arange(400) % 2, 3.0, 0.4)[:, None], "PSI of norms"),
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
    assert exchanged.kinds["products"].aligned_cosine < 0.3


def test_a_part_without_dimensions_is_no_drift():
    wide = np.hstack([OLD[:, :2], np.zeros((400, 3)), OLD[:, 2:]])
    for found in (_drift(wide), _drift(OLD, old=wide)):
        assert found.breaks == ()
        assert found.kinds["products"].aligned_cosine == pytest.approx(1)
    assert _drift(OLD[:, :3]).breaks != ()


def test_a_store_of_one_vehicle_has_no_neighbourhood_of_vehicles():
    found = _drift(OLD, vehicles=(np.array(["v1"], dtype=object), np.ones((1, 6))))
    assert isinstance(found, EmbeddingDrift)
    assert set(found.kinds) == {"products"}


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
        LIMITS, min_aligned_cosine=0.9, min_neighbours_kept=0.5, max_norm_change=0.25, psi_alarm=0.25
    )
    found = allowed(0.36, given)
    assert found.min_cosine == pytest.approx(0.9 * 0.8)
    assert found.min_overlap == pytest.approx(0.5 * (1 - 0.6))
    # Events have grown to 1 / .64 of what they were.
    doublings = np.log2(1 / 0.64)
    assert found.max_norm_ratio == pytest.approx(1.25 * 1.25**doublings)
    assert found.max_norm_psi == pytest.approx(0.25 * (1 + doublings))
    same = allowed(0.0, given)
    assert dataclasses.astuple(same) == (0.9, 0.5, 1.25, 0.25)


def test_what_is_a_defect_in_a_week_is_none_with_ten_times_the_evidence():
    rng = np.random.default_rng(4)
    moved = 1.5 * (OLD + 1.3 * OLD.std() * rng.normal(size=OLD.shape))
    week, tenfold = _drift(moved), _drift(moved, new_evidence=0.9)
    for words in ("median norm", "mean cosine", "nearest neighbours"):
        assert words in " ".join(week.breaks)
    assert tenfold.breaks == ()
    assert tenfold.kinds == week.kinds
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


def test_norms_of_few_products_may_vary_by_chance_and_those_of_vehicles_are_not_judged_by_shape():
    two_groups = np.where(np.arange(400) % 2, 1.2, 0.85)[:, None]
    assert any("PSI" in sentence for sentence in _drift(OLD * two_groups).breaks)
    few = _drift(OLD[:60] * two_groups[:60], IDS[:60])
    assert few.kinds["products"].norm_psi > LIMITS.psi_alarm
    assert not any("PSI" in sentence for sentence in few.breaks)
    before = {"products": (IDS, OLD), "vehicles": (IDS, OLD)}
    now = {"products": (IDS, OLD), "vehicles": (IDS, OLD * two_groups)}
    found = embedding_drift(before, now, LIMITS, reference="r", new_evidence=WEEK, seed=1)
    assert found.kinds["vehicles"].norm_psi > LIMITS.psi_alarm
    assert not any("PSI" in sentence for sentence in found.breaks)


def test_as_many_products_as_neighbours_are_too_few():
    assert LIMITS.neighbours == 10
    assert "only 10 are known to both" in _drift(OLD[:10], IDS[:10])
