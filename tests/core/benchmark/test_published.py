"""The published protocols on files that can be ranked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from gnn_core.benchmark.full_ranking import RankingTask, figures, rank_all, ranking_validator
from gnn_core.benchmark.published import Published, load_published
from gnn_core.errors import ContractError, DataError
from gnn_core.recommender import Audience
from gnn_core.scoring.peers import Popularity
from gnn_core.snapshot import Snapshot
from gnn_core.stores.public.split_pairs import validation_pairs
from tests.core.benchmark.files import CONFIG, write_attributes, write_sequences, write_split

SEQUENCES = {1: [10, 11, 12, 13], 2: [10, 11, 14, 12], 3: [11, 10, 13, 14, 15]}
"""Before the last two items: user 1 has 10, 11; user 2 has 10, 11; user 3 has 11, 10, 13."""


class Fixed:
    """Scores by item number of the file, the same for everyone."""

    name = "fixed"

    def __init__(self, score: dict[int, float], other: float = 0.0) -> None:
        self.score, self.other = score, other

    def fit(self, train: Snapshot) -> None:
        """Find each product's item number in its name."""
        items = [int(name.split()[1]) for name in train.products["name"]]
        self.scores_P = np.array([self.score.get(item, self.other) for item in items], dtype=np.float32)

    def prepare(self, audience: Audience) -> None:
        """Nothing differs by row."""

    def score_block(self, start: int, stop: int) -> np.ndarray:
        """The fixed scores."""
        return np.tile(self.scores_P, (stop - start, 1))


def items_of(task: RankingTask, product: np.ndarray) -> list[int]:
    """Item numbers of the file."""
    return [int(task.known.products["name"].iloc[p].split()[1]) for p in product]


def history(task: RankingTask, of: Snapshot) -> dict[str, set[int]]:
    """User → items in a snapshot."""
    found: dict[str, set[int]] = {}
    for user, product in zip(of.events.user_E, of.events.product_E, strict=True):
        found.setdefault(of.user_ids[user], set()).update(items_of(task, np.array([product])))
    return found


@pytest.fixture
def last_item(tmp_path: Path) -> Published:
    """The three sequences above."""
    write_sequences(tmp_path, "tiny", SEQUENCES)
    return load_published("tiny_last_item", tmp_path, CONFIG)


def test_the_last_item_is_judged_and_the_one_before_validates(last_item: Published) -> None:
    assert items_of(last_item.validation, last_item.validation.product_N) == [12, 14, 14]
    assert items_of(last_item.test, last_item.test.product_N) == [13, 12, 15]


def test_the_validation_item_is_known_but_no_training_data(last_item: Published) -> None:
    test = last_item.test
    assert history(test, test.train) == {"U1": {10, 11}, "U2": {10, 11}, "U3": {10, 11, 13}}
    assert history(test, test.known) == {"U1": {10, 11, 12}, "U2": {10, 11, 14}, "U3": {10, 11, 13, 14}}
    assert history(test, last_item.validation.known) == history(test, test.train)


def test_refit_trains_on_the_validation_item_and_never_on_the_last(tmp_path: Path) -> None:
    write_sequences(tmp_path, "tiny", SEQUENCES)
    test = load_published("tiny_last_item_refit", tmp_path, CONFIG).test
    assert history(test, test.train) == {"U1": {10, 11, 12}, "U2": {10, 11, 14}, "U3": {10, 11, 13, 14}}


def test_order_within_a_user_is_the_order_of_dates(last_item: Published) -> None:
    events = last_item.test.known.events
    of_user = events.take(events.user_E == 2)
    assert items_of(last_item.test, of_user.product_E) == [11, 10, 13, 14]
    assert np.all(np.diff(of_user.ts_E) > 0)


def test_hit_rate_and_ndcg_have_their_hand_values(last_item: Published) -> None:
    """Seen items score best and are left out: user 1's 13 is behind 15, user 2's 12 is last, user 3's 15 first."""
    model = Fixed({10: 9, 11: 8, 12: 1, 13: 4, 14: 3, 15: 5})
    model.fit(last_item.test.train)
    ranked = rank_all(last_item.test, model, list_length=3)
    assert ranked.rank_N.tolist() == [2, 3, 1]
    assert [items_of(last_item.test, row) for row in ranked.top_UK] == [[15, 13, 14], [15, 13, 12], [15, 12, 10]]
    found = figures(last_item.test, ranked.rank_N, k=2)
    assert found["hit_rate_2"].tolist() == [1, 0, 1]
    assert found["ndcg_2"].tolist() == pytest.approx([1 / math.log2(3), 0, 1])
    assert found["mrr"].tolist() == pytest.approx([1 / 2, 1 / 3, 1])
    assert ranking_validator(last_item.test, k=1)(model) == pytest.approx(1 / 3)


def test_ties_go_to_the_lower_permuted_id(last_item: Published) -> None:
    model = Fixed({}, other=1.0)
    model.fit(last_item.test.train)
    task = last_item.test
    ranked = rank_all(task, model, list_length=2)
    for n, product in enumerate(task.product_N):
        mine = history(task, task.known)[task.known.user_ids[task.user_U[task.user_N[n]]]]
        unseen = [p for p in range(len(task.known.product_ids)) if items_of(task, np.array([p]))[0] not in mine]
        assert ranked.rank_N[n] == 1 + unseen.index(product)
        assert ranked.top_UK[n].tolist() == unseen[:2]


def test_minus_zero_ties_with_zero_and_lists_stay_exact_at_the_cut(last_item: Published) -> None:
    model = Fixed({10: -0.0, 13: -0.0, 12: 2.0})
    model.fit(last_item.test.train)
    plain = Fixed({12: 2.0})
    plain.fit(last_item.test.train)
    one, other = (rank_all(last_item.test, m, list_length=2) for m in (model, plain))
    assert one.rank_N.tolist() == other.rank_N.tolist()
    assert one.top_UK.tolist() == other.top_UK.tolist()


def test_attributes_reach_the_graph_but_nobody_owns_them(tmp_path: Path) -> None:
    write_sequences(tmp_path, "tiny", SEQUENCES)
    write_attributes(tmp_path, "tiny", {10: [1, 2], 11: [1], 15: [2]})
    snapshot = load_published("tiny_last_item", tmp_path, CONFIG).test.train
    owners_V = np.asarray(snapshot.owns_UV.sum(axis=0)).ravel()
    assert dict(zip(snapshot.vehicle_ids, owners_V, strict=True)) == {
        "2000|any|any": 3,
        "2000|attribute|a1": 0,
        "2000|attribute|a2": 0,
    }
    assert np.diff(snapshot.fits_VP.indptr).tolist() == [6, 2, 2]


def test_a_user_with_two_items_is_refused(tmp_path: Path) -> None:
    write_sequences(tmp_path, "tiny", SEQUENCES | {4: [10, 11, 10]})
    with pytest.raises(DataError, match=r"1 user\(s\) have fewer than 3 different items, such as \[4\]"):
        load_published("tiny_last_item", tmp_path, CONFIG)


TRAIN = {1: [20, 21], 2: [20, 22], 3: [20, 21, 22]}
HELD = {1: [22, 23], 2: [21], 3: [23]}


def test_a_split_has_recall_and_ndcg_at_20_by_hand(tmp_path: Path) -> None:
    """Popularity from training pairs alone: 20 thrice, 21 and 22 twice, 23 never."""
    write_split(tmp_path, "split", TRAIN, HELD)
    protocol = load_published("split", tmp_path, CONFIG)
    model = Popularity()
    model.fit(protocol.test.train)
    rank_N = rank_all(protocol.test, model).rank_N
    items = items_of(protocol.test, protocol.test.product_N)
    assert set(zip(protocol.test.user_N, items, rank_N, strict=True)) == {
        (0, 22, 1),
        (0, 23, 2),
        (1, 21, 1),
        (2, 23, 1),
    }
    assert protocol.k == 20
    one = figures(protocol.test, rank_N, k=1)
    assert one["recall_1"].tolist() == [0.5, 1, 1]
    assert one["ndcg_1"].tolist() == [1, 1, 1]


def test_a_split_validates_on_its_own_training_pairs(tmp_path: Path) -> None:
    write_split(tmp_path, "split", TRAIN, HELD)
    protocol = load_published("split", tmp_path, CONFIG)
    asked = protocol.validation
    known, held = history(asked, asked.known), items_of(asked, asked.product_N)
    assert asked.n_positives_U.tolist() == [1, 1, 1]
    for n, item in enumerate(held):
        user = asked.known.user_ids[asked.user_U[asked.user_N[n]]]
        assert known[user] | {item} == set(TRAIN[int(user[1:])])
        assert item not in known[user]
    assert history(protocol.test, protocol.test.train) == {f"U{u}": set(items) for u, items in TRAIN.items()}
    assert len(np.unique(protocol.test.train.events.ts_E)) == 1


def test_a_tenth_of_a_users_pairs_validates_at_least_one_never_all() -> None:
    user_N = np.repeat([0, 1, 2, 3], [1, 2, 30, 14])
    validates = validation_pairs(user_N, seed=1)
    assert np.bincount(user_N[validates], minlength=4).tolist() == [0, 1, 3, 1]
    assert not np.array_equal(validates, validation_pairs(user_N, seed=2))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        pytest.param({1: [20]}, {1: [20]}, "training and test at once", id="pair on both sides"),
        pytest.param({1: [20]}, {}, "holds train pairs only", id="no test pair"),
    ],
)
def test_a_broken_split_is_refused(tmp_path: Path, train: dict, test: dict, message: str) -> None:
    write_split(tmp_path, "split", train, test)
    with pytest.raises((ContractError, DataError), match=message):
        load_published("split", tmp_path, CONFIG)


def test_a_sample_keeps_users_whole(tmp_path: Path) -> None:
    write_split(tmp_path, "split", TRAIN, HELD)
    task = load_published("split", tmp_path, CONFIG).test
    part = task.sample(2, seed=3)
    whole = {u: set(task.product_N[task.user_U[task.user_N] == u]) for u in task.user_U}
    assert len(part.user_U) == 2
    assert {u: set(part.product_N[part.user_U[part.user_N] == u]) for u in part.user_U} == {
        u: whole[u] for u in part.user_U
    }
