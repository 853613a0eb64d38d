"""The graph model end to end on worlds whose answer is known: what it finds, and what a cold user gets."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.errors import ArtifactError, ShapeError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from tests.core.builders import make_snapshot
from tests.core.model.fits import VARIANTS, WORLD, fitted, grown_world
from tests.core.model.worlds import (
    HALF,
    N_MAKES,
    cold_scores,
    share_of_right_pairs,
    small_settings,
    two_platforms,
)


def test_a_cold_owner_is_shown_what_the_platform_likes_though_the_segment_never_took_it(trained):
    assert share_of_right_pairs(trained, WORLD) > 0.95


def test_the_initialisation_alone_already_carries_taste_over_the_item_graph():
    assert share_of_right_pairs(fitted(max_steps=0), WORLD) > 0.9


@pytest.mark.slow
def test_training_without_factors_finds_it_too():
    plain = {"vehicle_factors": 0, "item_factors": 0, "product_id_embedding": True}
    fast = {"embedding_learning_rate": 0.03, "learning_rate": 0.03, "weight_averaging": 0.5}
    before = share_of_right_pairs(fitted(model=plain, max_steps=0), WORLD)
    assert before < 0.65  # popularity is the same for all, so the initialisation knows nothing
    assert share_of_right_pairs(fitted(model=plain, training=fast, max_steps=40), WORLD) > 0.95


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_and_its_loss_falls(variant):
    model, training = VARIANTS[variant]
    fast = {"learning_rate": 0.03, "embedding_learning_rate": 0.03, "validate_every": 3}  # every fold once an entry
    recommender = fitted(model=model, training=training | fast, max_steps=24)
    losses = [entry["loss"] for entry in recommender.history]
    assert losses[-1] < 0.97 * losses[0]
    assert np.isfinite(np.stack(list(cold_scores(recommender, WORLD).values()))).all()


def test_the_users_own_history_moves_their_scores(trained):
    """A user whose segment is of platform 0 but who has ordered two products of platform 1."""
    turncoat = tuple(("cold000", f"P{p:02d}", "order", "2026-05-28") for p in (HALF, HALF + 1))
    world = two_platforms(extra_events=turncoat)
    audience, row = build_audience(world, np.array([list(world.user_ids).index(u) for u in ("cold000", "cold001")]))
    trained.prepare(audience)
    turned, loyal = trained.score_block(0, len(audience))[row]
    gained = turned - loyal
    assert gained[HALF + 2 :].mean() > gained[:HALF].mean()


def test_cold_users_of_one_vehicle_share_a_vector_and_vehicles_differ(trained):
    users = np.flatnonzero([str(u).startswith("cold") for u in WORLD.user_ids])
    audience, row = build_audience(WORLD, users)
    vectors = trained.user_vectors(audience)[row]
    assert len(users) == 4 * N_MAKES
    assert len(np.unique(vectors, axis=0)) == 2 * N_MAKES


def test_a_user_who_registers_later_needs_no_retraining(trained):
    later = two_platforms(cold=3)
    users = np.array([list(later.user_ids).index(u) for u in ("cold000", "cold002")])
    audience, row = build_audience(later, users)
    old, new = trained.user_vectors(audience)[row]
    assert (old == new).all()


def test_a_vehicle_without_any_owners_events_falls_back_to_what_its_make_then_everyone_takes():
    car, twin, odd = "2020|ford|f-150", "2020|ford|ranger", "2020|kia|rio"
    others = [f"2020|m{i}|x" for i in range(4)]
    owns = {f"f{i:02d}": [car] for i in range(40)} | {f"o{i:02d}": [others[i % 4]] for i in range(80)}
    # Fords take P0, everyone else P1, about as many in all; P2 hardly anyone.
    events = [(u, "P0" if u[0] == "f" or int(u[1:]) % 4 == 0 else "P1", "order", "2026-05-02") for u in owns]
    events += [("o01", "P2", "order", "2026-05-03")]
    owns |= {"newford": [twin], "newkia": [odd]}
    train = make_snapshot(owns=owns, fits={p: [car, twin, odd, *others] for p in ("P0", "P1", "P2")}, events=events)
    recommender = fitted(train, max_steps=0)
    audience, row = build_audience(train, np.array([list(train.user_ids).index(u) for u in ("newford", "newkia")]))
    recommender.prepare(audience)
    ford, kia = recommender.score_block(0, 2)[row]
    assert ford[0] > ford[1] > ford[2]
    assert kia[[0, 1]].min() > kia[2]
    assert ford[0] - ford[1] > kia[0] - kia[1]


def test_an_untrained_row_of_an_id_table_is_no_noise():
    """Two vehicles of one make without events: their id rows are the make's, so their scores are equal."""
    makes = [f"2020|ford|m{i}" for i in range(3)]
    owns = {f"u{i:02d}": [makes[0]] for i in range(20)} | {"cold1": [makes[1]], "cold2": [makes[2]]}
    events = [(f"u{i:02d}", f"P{i % 3}", "order", "2026-05-02") for i in range(20)]
    train = make_snapshot(owns=owns, fits={f"P{i}": makes for i in range(3)}, events=events)
    recommender = fitted(train, max_steps=6)
    audience, row = build_audience(train, np.array([0, 1]))
    recommender.prepare(audience)
    one, other = recommender.score_block(0, 2)[row]
    assert one == pytest.approx(other, abs=1e-4)


def test_scoring_before_fit_or_prepare_is_an_error():
    with pytest.raises(ArtifactError, match="not fitted"):
        GraphRecommender(small_settings()).product_vectors()
    with pytest.raises(ShapeError, match="prepare"):
        fitted(max_steps=0).score_block(0, 1)


def test_an_audience_of_another_store_is_refused(trained):
    audience, _ = build_audience(grown_world(), np.array([0]))
    with pytest.raises(ShapeError, match="segments"):
        trained.prepare(audience)
