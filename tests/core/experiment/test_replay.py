"""Replay of a log: right where the truth is known, refused where it cannot be right, and right on a real log."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import DataError, ShapeError
from gnn_core.experiment.replay import (
    cross_fitted,
    doubly_robust_value,
    effective_rows,
    logged_value,
    snips_value,
)

FOLDER = Path(os.environ.get("GNN_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))
LOG = FOLDER / "open_bandit_small.parquet"
TARGET = np.array([0.7, 0.2, 0.1])
TRUTH = np.array([0.10, 0.02, 0.05])


def _log(n, seed, logging=(0.2, 0.5, 0.3)):
    rng = np.random.default_rng(seed)
    action = rng.choice(3, n, p=logging)
    reward = (rng.random(n) < TRUTH[action]).astype(float)
    return action, reward, np.array(logging)[action], TARGET[action]


def test_snips_by_hand():
    found = snips_value(
        np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.25]), np.array([0.5, 0.25, 0.25]), confidence=0.95
    )
    assert found.value == pytest.approx(1 / (1 + 0.5 + 1))
    assert found.effective_rows == pytest.approx(2.5**2 / (1 + 0.25 + 1))


@pytest.mark.parametrize("estimator", ["snips", "dr", "dr with a wrong model"])
def test_intervals_cover_the_known_value(estimator):
    covered = 0
    for seed in range(200):
        action, reward, logged, target = _log(3_000, seed)
        if estimator == "snips":
            found = snips_value(reward, logged, target, confidence=0.95)
        else:
            situation = np.zeros(len(action), dtype=np.int64)
            predicted, policy = cross_fitted(
                action, situation, reward, TARGET[None, :], folds=3, strength=20.0, seed=seed
            )
            if "wrong" in estimator:
                predicted, policy = predicted * 0 + 0.3, policy * 0 + 0.3
            found = doubly_robust_value(reward, logged, target, predicted, policy, confidence=0.95)
        covered += found.low <= TRUTH @ TARGET <= found.high
    assert 0.9 <= covered / 200 <= 0.99


def test_the_naive_mean_of_the_log_is_wrong_here():
    _, reward, _, _ = _log(50_000, 1)
    naive = logged_value(reward, confidence=0.95)
    assert naive.high < TRUTH @ TARGET


def test_effective_rows_fall_when_the_log_hardly_knows_the_policy():
    _, reward, logged, target = _log(5_000, 2, logging=(0.01, 0.9, 0.09))
    assert snips_value(reward, logged, target, confidence=0.95).effective_rows < 500
    assert effective_rows(np.ones(10)) == 10
    assert effective_rows(np.zeros(10)) == 0


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.1, 1.2, np.inf])
def test_a_log_without_probabilities_is_refused(bad):
    _, reward, logged, target = _log(100, 3)
    logged[7] = bad
    with pytest.raises(DataError, match=r"1 of 100 rows have no logged probability .*first: row 7"):
        snips_value(reward, logged, target, confidence=0.95)
    with pytest.raises(DataError, match="cannot be replayed"):
        doubly_robust_value(reward, logged, target, reward, reward, confidence=0.95)


def test_other_inputs_that_make_no_sense_are_refused():
    _, reward, logged, target = _log(100, 3)
    with pytest.raises(ShapeError):
        snips_value(reward[1:], logged, target, confidence=0.95)
    with pytest.raises(DataError, match="target policy is not in"):
        snips_value(reward, logged, target * 2, confidence=0.95)
    with pytest.raises(DataError, match="never does what the log shows"):
        snips_value(reward, logged, target * 0, confidence=0.95)
    with pytest.raises(DataError, match="at least 2"):
        logged_value(reward[:1], confidence=0.95)
    with pytest.raises(DataError, match="do not sum to 1"):
        cross_fitted(np.zeros(100, int), np.zeros(100, int), reward, np.array([[0.5]]), folds=2, strength=1.0, seed=0)


def test_no_row_helps_to_predict_itself():
    action, reward, _, _ = _log(400, 5)
    situation, changed = np.zeros(400, dtype=np.int64), reward.copy()
    changed[7] = 1 - changed[7]
    before, after = (
        cross_fitted(action, situation, r, TARGET[None, :], folds=4, strength=5.0, seed=2) for r in (reward, changed)
    )
    assert before[0][7] == after[0][7]
    assert before[1][7] == after[1][7]
    assert (before[0] != after[0]).any()


def _bandit(rows, n_items):
    """The bandit's probability of each item at each position, from how often it chose it."""
    counts = np.zeros((3, n_items))
    np.add.at(counts, (rows["position"].to_numpy() - 1, rows["item_id"].to_numpy()), 1)
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.mark.real_data
@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_the_bandits_value_from_the_random_log_agrees_with_its_own_log(campaign):
    if not LOG.is_file():
        pytest.skip(f"{LOG} is not here")
    rows = pd.read_parquet(LOG)
    rows = rows[rows["campaign"] == campaign]
    chance, bandit = rows[rows["policy"] == "random"], rows[rows["policy"] == "bts"]
    policy_SA = _bandit(bandit, int(rows["item_id"].max()) + 1)
    situation = chance["position"].to_numpy() - 1
    action, reward = chance["item_id"].to_numpy(), chance["click"].to_numpy(dtype=float)
    logged, target = chance["propensity_score"].to_numpy(), policy_SA[situation, action]
    own = logged_value(bandit["click"].to_numpy(dtype=float), confidence=0.95)
    predicted, policy = cross_fitted(action, situation, reward, policy_SA, folds=5, strength=50.0, seed=1)
    for found in (
        snips_value(reward, logged, target, confidence=0.95),
        doubly_robust_value(reward, logged, target, predicted, policy, confidence=0.95),
    ):
        assert found.low <= own.value <= found.high, (found, own)
        assert 0 < found.effective_rows < found.rows / 2
