"""What a rule for early stopping is said to be worth, where that is known."""

import numpy as np
import pytest

from benchmarks.stopping import stopped_at, worth


def recalls(gain, noise, n_users=4000, n_states=7):
    """States after the first are better by `gain` on average, each for other users."""
    rng = np.random.default_rng(3)
    base_U = rng.random(n_users)
    return np.stack([base_U + (t > 0) * (gain + noise * rng.normal(size=n_users)) for t in range(n_states)])


def test_the_best_value_is_kept_until_patience_ends():
    assert stopped_at(np.array([0.2, 0.1, 0.1, 0.3]), patience=3) == 3
    assert stopped_at(np.array([0.2, 0.1, 0.1, 0.3]), patience=2) == 0
    assert stopped_at(np.array([0.2, 0.2]), patience=2) == 0, "no better is not better"


def test_what_chance_chose_is_worth_nothing_to_those_who_did_not_choose_it():
    found = worth(recalls(gain=0.0, noise=0.3), 7, 100, np.random.default_rng(0))
    assert found["best"][1] > 0.9
    assert found["two errors"][1] < 0.5
    for change, _ in found.values():
        assert abs(change) < 0.01, "on the half that chose, the best of six is some 2 % up"


def test_a_true_gain_is_found_by_every_rule_and_stated_at_its_size():
    found = worth(recalls(gain=0.05, noise=0.3), 7, 100, np.random.default_rng(0))
    for change, trains in found.values():
        assert trains == 1.0
        assert change == pytest.approx(0.05 / 0.5, rel=0.1)


def test_a_loss_is_never_taken():
    found = worth(recalls(gain=-0.05, noise=0.1), 7, 50, np.random.default_rng(0))
    assert set(found.values()) == {(0.0, 0.0)}
