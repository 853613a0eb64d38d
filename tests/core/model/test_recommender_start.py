"""Which fit the weights of a history start from: chosen on validation users, or given."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from gnn_core.errors import ArtifactError
from gnn_core.model.recommender import GraphRecommender
from tests.core.model.fits import WORLD, fitted
from tests.core.model.worlds import small_settings

pytestmark = pytest.mark.slow

JOINT, BY_DCG, SMOOTH, SMOOTH_DCG = ALL = ("joint_recall", "joint_dcg", "smooth_recall", "smooth_dcg")


def settings_with(model=None, **history):
    """So few choosers as the small world has are enough to rank by."""
    settings = small_settings(model)
    return dataclasses.replace(
        settings, history=dataclasses.replace(settings.history, **{"rank_choosers": 5} | history)
    )


def fit(settings=None, **options) -> GraphRecommender:
    recommender = GraphRecommender(settings or settings_with(), **{"max_steps": 0} | options)
    recommender.fit(WORLD)
    return recommender


@functools.cache
def starting(start: str) -> GraphRecommender:
    """Fitted from there without a validator; nobody may change it."""
    return fit(start=start)


def worth_of(asked: dict[str, float]):
    """A validator that likes starts as told, and remembers whom it saw."""
    seen = []

    def value(recommender) -> float:
        seen.append(recommender.start)
        return asked[recommender.start]

    value.seen = seen
    return value


@pytest.mark.parametrize("best", ALL)
def test_the_start_that_ranks_validation_users_highest_is_taken(best):
    validator = worth_of({name: 0.3 if name == best else 0.2 for name in ALL})
    got = fit(validator=validator)
    assert got.start == best
    assert got.worth == {name: 0.3 if name == best else 0.2 for name in ALL}
    assert validator.seen[-1] == best  # what is trained and validated from there on
    assert got.path_weights() == starting(best).path_weights()
    assert (got.product_vectors() == starting(best).product_vectors()).all()


def test_without_a_smooth_part_the_measures_are_compared_alone():
    got = fit(settings_with({"spectral_factors": 0}), validator=worth_of({JOINT: 0.1, BY_DCG: 0.2}))
    assert (got.start, got.worth) == (BY_DCG, {JOINT: 0.1, BY_DCG: 0.2})


def test_at_a_tie_it_is_what_ranks_earlier_choices_highest_and_so_without_a_validator():
    alone = fit()
    assert fit(validator=lambda _: 0.5).start == alone.start
    assert alone.worth == {}


def test_what_was_tried_before_does_not_move_the_gradient_steps():
    tried = fit(max_steps=4, validator=worth_of(dict.fromkeys(ALL, 0.1) | {SMOOTH: 0.3}))
    alone = fit(max_steps=4, start=SMOOTH)
    assert tried.best_step == 0  # validation never changed
    assert tried.history[-1]["loss"] == alone.history[-1]["loss"] is not None


def test_a_given_start_is_not_compared():
    validator = worth_of({BY_DCG: 0.1})
    got = fit(start=BY_DCG, validator=validator)
    assert (got.start, got.worth) == (BY_DCG, {})
    assert set(validator.seen) == {BY_DCG}


def test_too_few_choosers_leave_the_first_fit_but_a_frozen_start_holds():
    few = settings_with(rank_choosers=10_000)
    assert fit(few, validator=worth_of({"joint": 0.1})).start == "joint"
    assert fit(few, start=SMOOTH).start == SMOOTH


@pytest.mark.parametrize(("model", "start"), [({"spectral_factors": 0}, SMOOTH), ({}, "joint_mrr"), ({}, "warm_dcg")])
def test_a_start_that_the_settings_do_not_give_is_refused_by_name(model, start):
    with pytest.raises(ArtifactError, match=f"to start from '{start}', and .* give only joint"):
        fitted(model=model, max_steps=0, start=start)


def test_a_checkpoint_remembers_its_start():
    made = starting(SMOOTH)
    assert GraphRecommender.from_checkpoint(made.to_checkpoint(), WORLD, settings_with()).start == SMOOTH
