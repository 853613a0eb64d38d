"""The conditional logit: its gradient, what it recovers, and when it stays where it was."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.model.logit import Choices, _log_likelihood, fit_logit
from tests.core.model.tiny import PATHS

NAMES = ("a", "b", "c")
TRUE = np.array([1.0, -0.6, 0.3])


def simulated(n_choosers: int, seed: int, *, weights=TRUE, n_candidates: int = 12) -> Choices:
    """Choosers who take one of their candidates with the odds that the weights give it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_choosers, n_candidates, len(weights))).astype(np.float32)
    x[:, :, 0] = x[:, :, 0] > 0.8  # a rare yes or no
    best = np.argmax(x @ weights + rng.gumbel(size=x.shape[:2]), axis=1)
    taken = (np.arange(n_candidates) == best[:, None]).astype(np.float64)
    n_rows = n_choosers * n_candidates
    return Choices(x.reshape(n_rows, -1), taken.ravel(), np.zeros(n_rows), np.arange(n_choosers) * n_candidates)


def rows(of: Choices, keep: np.ndarray, log_scale: np.ndarray) -> Choices:
    """Some of the candidates."""
    chooser = np.repeat(np.arange(len(of.first_C)), np.diff(np.append(of.first_C, len(of.weight_R))))[keep]
    first = np.flatnonzero(np.diff(chooser, prepend=-1))
    return Choices(of.x_RK[keep], of.weight_R[keep], log_scale[keep], first)


def fitted(parts, prior=None, leading=0) -> np.ndarray:
    by_name = fit_logit(parts, NAMES, prior or {}, PATHS, leading=leading)
    assert tuple(by_name) == NAMES
    return np.array(list(by_name.values()))


def test_log_likelihood_matches_hand_values():
    """One chooser takes the first of two with weight 2, the other takes the only candidate that they have."""
    of = Choices(np.zeros((3, 1), np.float32), np.array([2.0, 0.0, 1.0]), np.array([0, np.log(3), 0]), np.array([0, 2]))
    value, pull = _log_likelihood(np.array([np.log(2), 0.0, 7.0]), of)
    # The second candidate stands for three: the first is taken with 2 / (2 + 3).
    assert value == pytest.approx([2 * np.log(2 / 5), 0.0])
    assert pull == pytest.approx([2 - 2 * 2 / 5, -2 * 3 / 5, 0.0])


def test_gradient_equals_finite_differences():
    rng = np.random.default_rng(0)
    of = Choices(
        rng.normal(size=(9, 3)).astype(np.float32),
        rng.choice([0.0, 0.0, 1.0, 0.5], size=9),
        rng.choice([0.0, 1.5], size=9),
        np.array([0, 4, 5]),
    )
    logit, step = rng.normal(size=9), 1e-6
    _, pull = _log_likelihood(logit, of)
    for row in range(9):
        up, down = (_log_likelihood(logit + sign * step * np.eye(9)[row], of)[0].sum() for sign in (1, -1))
        assert pull[row] == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_large_logits_do_not_overflow():
    of = simulated(5, 0)
    value, pull = _log_likelihood(1e4 * of.x_RK[:, 1].astype(np.float64), of)
    assert np.isfinite(value).all()
    assert np.isfinite(pull).all()


def test_weights_of_simulated_choices_are_recovered():
    parts = [simulated(PATHS.enough_choosers, seed) for seed in (0, 1)]
    assert fitted(parts) == pytest.approx(TRUE, abs=0.08)


def test_without_choices_the_prior_stays():
    empty = Choices(np.zeros((0, 3), np.float32), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    for parts in ([], [empty], [empty, empty]):
        assert fitted(parts, {"b": 2.0}).tolist() == [0.0, 2.0, 0.0]


def test_an_empty_part_changes_nothing():
    empty = Choices(np.zeros((0, 3), np.float32), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    parts = [simulated(60, seed) for seed in range(3)]
    assert fitted([parts[0], empty, *parts[1:]]).tolist() == fitted(parts).tolist()


def test_a_handful_of_choosers_that_choose_by_chance_leaves_the_prior_where_it_was():
    for world in range(8):
        few = [simulated(4, 100 * world + seed, weights=np.zeros(3)) for seed in range(5)]
        assert np.abs(fitted(few)).max() < 0.01


def test_some_hundreds_of_choosers_move_the_weights_and_noise_does_not():
    """The same number of choosers: where they choose by the features they are heard, where by chance they are not."""
    loud = [simulated(150, seed) for seed in range(5)]
    noise = [simulated(150, seed, weights=np.zeros(3)) for seed in range(5)]
    assert fitted(loud) == pytest.approx(TRUE, abs=0.25)
    assert np.abs(fitted(noise)).max() < 0.04


def test_from_enough_choosers_on_the_data_speak_though_nothing_can_be_left_out():
    enough, almost = simulated(PATHS.enough_choosers, 2), simulated(PATHS.enough_choosers - 1, 2)
    assert fitted([enough]) == pytest.approx(TRUE, abs=0.3)
    assert np.linalg.norm(fitted([almost])) < 0.6 * np.linalg.norm(fitted([enough]))


def test_one_part_cannot_tell_and_gets_the_strongest_penalty():
    one, halves = simulated(400, 3), [simulated(200, 3), simulated(200, 4)]
    assert np.linalg.norm(fitted([one])) < 0.5 * np.linalg.norm(fitted(halves))


def test_drawn_candidates_give_about_the_weights_of_all():
    """Of the candidates without the rare feature a tenth is drawn; unless each counts tenfold, its weight is lost."""
    everything = simulated(PATHS.enough_choosers, 5, n_candidates=120)
    rng = np.random.default_rng(6)
    plain = (everything.x_RK[:, 0] == 0) & (everything.weight_R == 0)
    keep = ~plain | (rng.random(len(plain)) < 0.1)
    whole = fitted([everything])
    assert fitted([rows(everything, keep, np.where(plain, np.log(10), 0.0))]) == pytest.approx(whole, abs=0.1)
    assert abs(fitted([rows(everything, keep, np.zeros(len(plain)))])[0] - whole[0]) > 0.5


def two_minds(n_choosers: int, seed: int) -> Choices:
    """Feature b speaks for a candidate that leads by feature a, and against one that does not."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_choosers, 60, 3)).astype(np.float32)
    utility = 2.0 * x[:, :, 0] + 1.5 * x[:, :, 1] * np.sign(x[:, :, 0] - 1.0)
    taken = np.arange(60) == np.argmax(utility + rng.gumbel(size=utility.shape), axis=1)[:, None]
    n_rows = n_choosers * 60
    first = np.arange(n_choosers) * 60
    return Choices(x.reshape(n_rows, -1), taken.ravel().astype(np.float64), np.zeros(n_rows), first)


def test_with_enough_choosers_weights_are_those_among_the_candidates_that_lead():
    parts = [two_minds(PATHS.enough_choosers // 2, seed) for seed in (0, 1)]
    assert fitted(parts)[1] < 0.8
    assert fitted(parts, leading=6)[1] > 1.0
    # Where all lead, the second fit is the first, shrunk towards it and not towards the prior.
    assert fitted(parts, leading=60) == pytest.approx(fitted(parts), abs=0.1)


def test_fewer_choosers_are_not_asked_again():
    parts = [two_minds(PATHS.enough_choosers // 2 - 1, seed) for seed in (0, 1)]
    assert fitted(parts, leading=6).tolist() == fitted(parts).tolist()


def test_choosers_who_took_nothing_that_leads_leave_the_first_fit_as_it_is():
    """Everybody took one of two candidates that are alike, and the other one comes first."""
    n = PATHS.enough_choosers
    of = Choices(np.zeros((2 * n, 3), np.float32), np.tile([0.0, 1.0], n), np.zeros(2 * n), 2 * np.arange(n))
    assert fitted([of], {"b": 2.0}, leading=1).tolist() == [0.0, 2.0, 0.0]


def test_drawn_candidates_that_lead_still_stand_for_many():
    """Of those without the rare feature a tenth was drawn for ten each; all of them lead."""
    everything = simulated(PATHS.enough_choosers, 5, n_candidates=120)
    plain = (everything.x_RK[:, 0] == 0) & (everything.weight_R == 0)
    keep = ~plain | (np.random.default_rng(6).random(len(plain)) < 0.1)
    drawn = rows(everything, keep, np.where(plain, np.log(10), 0.0))
    assert fitted([drawn], leading=120) == pytest.approx(fitted([everything], leading=120), abs=0.1)


def test_the_order_of_the_parts_does_not_matter():
    parts = [simulated(60, seed) for seed in range(3)]
    assert fitted(parts[::-1]) == pytest.approx(fitted(parts), abs=1e-3)
