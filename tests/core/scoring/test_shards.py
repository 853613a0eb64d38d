"""Shards: everyone in exactly one, rows of work whole, the same rows however many, and no merge of a part."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys

import numpy as np
import pytest

from gnn_core.config import load_settings
from gnn_core.errors import ContractError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.program.offline import hybrid_of
from gnn_core.publishing.digest import content_digest
from gnn_core.recommender import Recommender
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.recommend import RecommendationLists, recommend
from gnn_core.scoring.shards import Shard, merge, shard_count, users_of_shard
from tests.core.model.worlds import CONFIG, small_settings, two_platforms

WHEN = dt.datetime(2026, 6, 1, 6, 0, tzinfo=dt.UTC)
WORLD = two_platforms(cold=6)
SETTINGS = dataclasses.replace(small_settings(), eligibility=load_settings(CONFIG).eligibility)
ELIGIBLE = np.ones(len(WORLD.product_ids), dtype=bool)


class Popularity:
    """SQL's place: orders by product."""

    name = "sql_v5.18"

    def prepare(self, audience):
        self.counts = np.bincount(WORLD.events.product_E, minlength=len(ELIGIBLE)).astype(np.float32)

    def score_block(self, start, stop):
        return np.tile(self.counts, (stop - start, 1))


@pytest.fixture(scope="module")
def policy() -> tuple[Recommender, Recommender, Recommender]:
    graph, sql = GraphRecommender(SETTINGS, max_steps=3), Popularity()
    graph.fit(WORLD)
    return hybrid_of(sql, graph, 0.4, WORLD, SETTINGS, ELIGIBLE), sql, graph  # type: ignore[arg-type]


def scored(policy, number: int, of: int) -> Shard:
    hybrid, sql, graph = policy
    lists = recommend(
        hybrid,
        sql=sql,
        gnn=graph,
        train=WORLD,
        users=users_of_shard(WORLD, number, of),
        eligible_P=ELIGIBLE,
        settings=SETTINGS,
        source="hybrid",
        run_id="run",
        scored_at=WHEN,
    )
    return Shard(number, of, lists)


@pytest.fixture(scope="module")
def whole(policy) -> RecommendationLists:
    return scored(policy, 0, 1).lists


# Dealing out


@pytest.mark.parametrize("of", [1, 2, 5])
def test_every_user_is_in_one_shard_and_a_row_of_work_is_never_split(of):
    parts = [users_of_shard(WORLD, number, of) for number in range(of)]
    assert sorted(np.concatenate(parts)) == list(range(len(WORLD.user_ids)))
    whole_rows = len(build_audience(WORLD, np.arange(len(WORLD.user_ids)))[0])
    assert sum(len(build_audience(WORLD, part)[0]) for part in parts) == whole_rows
    assert min(map(len, parts)) > 0


def test_a_shard_is_the_same_in_another_process():
    here = users_of_shard(WORLD, 1, 3).tolist()
    code = (
        "from tests.core.model.worlds import two_platforms; from gnn_core.scoring.shards import users_of_shard; "
        "print(users_of_shard(two_platforms(cold=6), 1, 3).tolist())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(CONFIG.parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert there.stdout.strip() == str(here)


@pytest.mark.parametrize(("number", "of"), [(3, 3), (-1, 3), (0, 0)])
def test_a_shard_that_does_not_exist_is_refused(number, of):
    with pytest.raises(ContractError, match=f"no shard {number} of {of}"):
        users_of_shard(WORLD, number, of)


@pytest.mark.parametrize(
    ("users", "most", "shards"), [(0, 8, 1), (60_000, 8, 1), (60_001, 8, 2), (475_000, 8, 8), (475_000, 1, 1)]
)
def test_the_number_of_shards_follows_the_users_up_to_the_setting(users, most, shards):
    serving = dataclasses.replace(load_settings(CONFIG).serving, users_per_shard=60_000, max_shards=most)
    assert shard_count(users, serving) == shards


# Merging


@pytest.mark.parametrize("of", [2, 5, 40])  # with 40, shards hold a row or two, or none
def test_the_rows_and_their_digest_are_those_of_one_shard(policy, whole, of):
    merged = merge([scored(policy, number, of) for number in reversed(range(of))], len(WORLD.user_ids))
    assert merged.table.equals(whole.table)
    assert content_digest(merged.table) == content_digest(whole.table)
    assert (merged.n_users, merged.users_by_source, merged.without) == (
        whole.n_users,
        whole.users_by_source,
        whole.without,
    )
    assert merged.n_served > 10


def test_a_shard_survives_being_stored(policy):
    shard = scored(policy, 1, 2)
    assert Shard.from_parts(shard.counts(), shard.lists.table) == shard


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([0, 2], r"of 3 shards, \[1\] missing and none there twice"),
        ([0, 1, 1, 2], r"none missing and \[1\] there twice"),
        ([0, 0, 2], r"\[1\] missing and \[0\] there twice"),
        ([], "different splits"),
    ],
)
def test_a_missing_or_repeated_shard_is_refused(policy, chosen, message):
    shards = [scored(policy, number, 3) for number in range(3)]
    with pytest.raises(ContractError, match=message):
        merge([shards[i] for i in chosen], len(WORLD.user_ids))


def test_shards_of_two_splits_are_refused(policy):
    with pytest.raises(ContractError, match=r"different splits \(of \[2, 3\]\)"):
        merge([scored(policy, 0, 2), scored(policy, 1, 3)], len(WORLD.user_ids))


def test_shards_that_do_not_account_for_everyone_or_list_someone_twice_are_refused(policy):
    first, second = (scored(policy, number, 2) for number in range(2))
    with pytest.raises(ContractError, match="the shards hold"):
        merge([first, second], len(WORLD.user_ids) + 1)
    copied = Shard(1, 2, dataclasses.replace(second.lists, table=first.lists.table))
    with pytest.raises(ContractError, match="rows in more than one shard"):
        merge([first, copied], len(WORLD.user_ids))
