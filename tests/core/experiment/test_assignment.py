"""Arms by hash: the same on every engine, stable, independent between experiments, and growing with the share."""

import datetime as dt
import hashlib

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.errors import ConfigError, ContractError
from gnn_core.experiment.assignment import (
    ASSIGNMENTS,
    BUCKETS,
    CONTROL,
    HOLDOUT,
    TREATMENT,
    arms_of,
    assignment_rows,
    buckets,
    in_share,
    limit_of,
    sql_parameters,
)
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName
from tests.core.experiment.experiment_world import settings

IDS = np.array([f"u{i}" for i in range(100_000)], dtype=object)


def test_a_bucket_is_the_first_fifteen_digits_of_the_salted_hash():
    want = int(hashlib.sha256(b"salt:u1").hexdigest()[:15], 16)
    assert buckets(["u1"], "salt").tolist() == [want]
    assert 0 <= want < BUCKETS


def test_python_and_sql_give_a_hundred_thousand_users_the_same_arm(any_warehouse, dataset):
    chosen = settings(holdout_share=0.05, treatment_share=0.5)
    # Ids as they come: spaces, quotes, other scripts, and one that looks like a number.
    odd = ["", " ", "O'Hara", 'say "x"', "ü", "李", "a:b", "007", "x" * 200]
    ids = np.concatenate([IDS[: 100_000 - len(odd)], np.array(odd, dtype=object)])
    table = TableName(dataset, "users")
    any_warehouse.load(table, pa.table({"user_id": pa.array(ids, pa.string())}))
    got = any_warehouse.query(
        load_sql("experiment/assignment"), parameters=sql_parameters(chosen), tables={"users": table}
    )
    arm_U, bucket_U = arms_of(ids, chosen)
    want = sorted(zip(ids.tolist(), arm_U.tolist(), bucket_U.tolist(), strict=True))
    assert got.num_rows == 100_000
    assert list(zip(*(got[c].to_pylist() for c in ("user_id", "arm", "bucket")), strict=True)) == want


def test_arms_have_the_planned_sizes_and_depend_on_id_and_salt_alone():
    arm_U, _ = arms_of(IDS, settings(holdout_share=0.1))
    share = {arm: (arm_U == arm).mean() for arm in (CONTROL, TREATMENT, HOLDOUT)}
    assert share == pytest.approx({CONTROL: 0.45, TREATMENT: 0.45, HOLDOUT: 0.1}, abs=0.006)
    order = np.random.default_rng(0).permutation(len(IDS))
    assert (arms_of(IDS[order], settings(holdout_share=0.1))[0] == arm_U[order]).all()


def test_two_experiments_are_independent_and_share_one_holdout():
    one, _ = arms_of(IDS, settings(salt="a", holdout_share=0.1))
    two, _ = arms_of(IDS, settings(salt="b", holdout_share=0.1))
    assert ((one == HOLDOUT) == (two == HOLDOUT)).all()
    rest = one != HOLDOUT
    both = (one[rest] == TREATMENT) & (two[rest] == TREATMENT)
    assert both.mean() == pytest.approx(0.25, abs=0.006)


def test_a_larger_share_only_adds_users():
    before = np.zeros(len(IDS), dtype=bool)
    for share in (0.0, 0.1, 0.25, 0.5, 1.0):
        now = in_share(IDS, share, "salt")
        assert now[before].all()
        assert now.mean() == pytest.approx(share, abs=0.006)
        before = now


def test_a_share_outside_zero_and_one_is_refused():
    with pytest.raises(ConfigError, match=r"1\.2"):
        limit_of(1.2)


def _rows(ids, why_not):
    n = len(ids)
    return assignment_rows(
        np.array(ids, dtype=object),
        why_not_U=np.array(why_not, dtype=object),
        tier_U=np.array(["cold"] * n, dtype=object),
        consent_U=np.ones(n, dtype=bool),
        settings=settings(),
        assigned_at=dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
        run_id="r1",
    )


def test_rows_say_who_is_left_out_of_the_analysis_and_why():
    rows = _rows(["u1", "u2"], [None, "no hybrid list"])
    assert rows.schema == ASSIGNMENTS
    assert rows["eligible"].to_pylist() == [True, False]
    assert rows["why_not"].to_pylist() == [None, "no hybrid list"]
    assert set(rows["run_id"].to_pylist()) == {"r1"}


def test_a_user_who_occurs_twice_is_refused():
    with pytest.raises(ContractError, match="user u1 occurs twice"):
        _rows(["u1", "u2", "u1"], [None, None, None])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"planned_lift": 0.1}, "planned_lift is 0.1"),
        ({"salt": "holdout-1"}, "two salts must differ"),
        ({"start": dt.date(2026, 3, 3)}, "Tuesday"),
        ({"treatment_share": 1.0}, "treatment_share"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        settings(**changes)
