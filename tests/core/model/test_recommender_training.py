"""Training of the graph model is kept in check, and the same inputs give the same bytes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from gnn_core.errors import DataError, DivergedError
from gnn_core.model.recommender import GraphRecommender
from tests.core.builders import make_snapshot
from tests.core.model.fits import VARIANTS, fitted
from tests.core.model.worlds import (
    small_settings,
)

pytestmark = pytest.mark.slow


def test_negatives_are_really_drawn(trained):
    for entry in trained.history:
        assert entry["draws"]["fitting"] > 0
        assert entry["draws"]["global"] > 0


def test_the_proposals_mix_of_negatives_is_drawn_in_its_shares():
    proposal = fitted(training={"loss": "bce", "negatives_per_positive": 20}, max_steps=4)
    draws = proposal.history[0]["draws"]
    per_kind = {kind: n / sum(draws.values()) for kind, n in draws.items()}
    # Not exactly .5/.3/.2: what a user touched is masked, and that is an eighth of the catalogue.
    assert per_kind == pytest.approx({"in_batch": 0.5, "fitting": 0.3, "global": 0.2}, abs=0.03)


def test_when_no_step_beats_the_initialisation_it_is_kept_and_reported():
    values = iter([0.5, 0.4, 0.5, 0.3])
    guarded = fitted(validator=lambda _: next(values))
    assert guarded.best_step == 0
    assert [entry["validation_recall_at_10"] for entry in guarded.history] == [0.5, 0.4, 0.5, 0.3]
    assert (guarded.product_vectors() == fitted(max_steps=0).product_vectors()).all()


def test_the_best_validated_state_is_kept_not_the_last():
    values = iter([0.1, 0.4, 0.2, 0.3])
    best = fitted(validator=lambda _: next(values))
    assert best.best_step == 4
    assert (best.product_vectors() == fitted(max_steps=4).product_vectors()).all()


def test_patience_ends_training():
    steps = []
    fitted(
        training={"patience": 2},
        max_steps=200,
        validator=lambda _: 0.5,
        progress=lambda step, last, loss: steps.append((step, last)),
    )
    assert steps == [(i, 200) for i in range(1, 9)]  # two validations without a better value


def test_without_a_validator_exactly_the_given_steps_are_made(trained):
    assert trained.best_step == small_settings().training.max_steps
    assert [entry["validation_recall_at_10"] for entry in trained.history] == [None] * 3
    assert fitted(max_steps=5).best_step == 5


def test_the_validator_scores_the_state_that_is_judged():
    seen = []

    def validator(recommender) -> float:
        seen.append(recommender.product_vectors().copy())
        return float(len(seen))

    final = fitted(validator=validator)
    assert not (seen[0] == seen[-1]).all()
    assert (final.product_vectors() == seen[-1]).all()


def test_a_nan_stops_training_and_names_the_step():
    with pytest.raises(DivergedError, match="training step"):
        fitted(training={"learning_rate": 1e30, "gradient_clip": 1e30}, max_steps=30)


def test_a_validator_that_returns_nan_is_refused():
    with pytest.raises(DivergedError, match="validation value"):
        fitted(validator=lambda _: float("nan"))


@pytest.mark.parametrize(
    ("store", "match"),
    [
        pytest.param({"events": []}, "no event", id="no event"),
        pytest.param({"fits": {"P0": []}}, "no fitment", id="no fitment"),
        pytest.param({}, "one user's", id="one user"),
    ],
)
def test_a_store_that_teaches_nothing_is_refused(store, match):
    car = "2020|ford|f-150"
    base = {"owns": {"ann": [car]}, "fits": {"P0": [car]}, "events": [("ann", "P0", "order", "2026-05-02")]}
    with pytest.raises(DataError, match=match):
        fitted(make_snapshot(**(base | store)))


def test_events_that_all_weigh_nothing_are_refused():
    """A store that has logged views alone, under a configuration that counts orders alone."""
    car, base = "2020|ford|f-150", small_settings()
    train = make_snapshot(
        owns={u: [car] for u in ("ann", "bob")},
        fits={"P0": [car]},
        events=[(u, "P0", "view", "2026-05-02") for u in ("ann", "bob")],
    )
    graph = dataclasses.replace(base.graph, event_weights={"view": 0.0, "cart": 0.0, "order": 5.0})
    with pytest.raises(DataError, match="weight 0 to every event"):
        GraphRecommender(dataclasses.replace(base, graph=graph)).fit(train)


@pytest.mark.parametrize("variant", ["light", "gat"])
def test_one_thread_or_two_end_in_the_same_bytes(variant):
    before = torch.get_num_threads()
    digests = set()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            digests.add(fitted(model=VARIANTS[variant][0], max_steps=3).to_checkpoint().digest())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 1


def test_the_global_random_state_neither_matters_nor_changes(trained):
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert fitted().to_checkpoint().digest() == trained.to_checkpoint().digest()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_seed_is_another_model(trained):
    assert fitted(training={"seed": 18}).to_checkpoint().digest() != trained.to_checkpoint().digest()
