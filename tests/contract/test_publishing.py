"""Write, audit, publish and roll back do the same on every warehouse engine."""

import datetime as dt

import pytest

from gnn_core.errors import PublishRefused
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.open import open_emulator
from gnn_core.publishing.audit import RULE_NAMES, audit
from gnn_core.publishing.digest import content_digest, table_digest
from gnn_core.publishing.publisher import publish, rollback, stage
from gnn_core.publishing.schema import DECLARED_TYPES, live_table, wide_view
from gnn_core.publishing.state import live_state, read_ledger
from tests.core.publishing.world import (
    AT,
    MUTATIONS,
    WEEK,
    as_table,
    change,
    fill,
    good_rows,
    load_directly,
    make_settings,
)
from tests.fixtures.bigquery import bigquery_emulator  # noqa: F401 - a fixture

BIGQUERY = {"warehouse": {"engine": "bigquery", "project": "publishing-test"}}
FIRST = {m.rule: m for m in reversed(MUTATIONS)}


@pytest.fixture(scope="module", params=["duckdb", pytest.param("bigquery", marks=pytest.mark.emulator)])
def warehouse(request, tmp_path_factory):
    """The week's contract tables on each engine, in an order of tests that builds on itself."""
    if request.param == "duckdb":
        return fill(DuckDbWarehouse(tmp_path_factory.mktemp("duckdb") / "store.duckdb", make_settings().warehouse))
    emulator = request.getfixturevalue("bigquery_emulator")
    return fill(open_emulator(make_settings(**BIGQUERY).warehouse, emulator.rest, emulator.storage))


@pytest.fixture(scope="module")
def published(warehouse):
    """r1, then r2 live."""
    settings = make_settings()
    for n, (run, score) in enumerate({"r1": 0.6, "r2": 0.5}.items()):
        rows = as_table(change("u01", 4, final_score=score)(good_rows(run)))
        staging = stage(warehouse, rows, run, settings)
        at = AT + dt.timedelta(days=n)
        publish(warehouse, staging, WEEK, settings, expected_digest=content_digest(rows), at=at)
    return warehouse


def test_digest_is_the_same_on_every_engine(warehouse):
    rows = as_table([*good_rows(), good_rows()[0] | {"slot": 5, "gnn_score": float("nan"), "final_score": 0.1 + 0.2}])
    table = load_directly(warehouse, "digest", rows)
    assert table_digest(warehouse, table) == content_digest(rows)
    assert warehouse.columns(table) == DECLARED_TYPES


def test_happy_path(published):
    settings = make_settings()
    state = live_state(published, settings)
    assert (state.run_id, state.rows, state.users, state.source, state.recorded) == (
        "r2",
        39,
        10,
        "hybrid+sql_v5.18",
        True,
    )
    assert [(e.sequence, e.action, e.run_id) for e in read_ledger(published, settings)] == [
        (1, "publish", "r1"),
        (2, "publish", "r2"),
    ]
    assert read_ledger(published, settings)[1].published_at == AT + dt.timedelta(days=1)
    wide = published.query("SELECT * FROM {view} ORDER BY user_id", tables={"view": wide_view(settings)}).to_pylist()
    assert len(wide) == 10
    assert (wide[0]["rec4_sku"], wide[0]["rec4_score"], wide[0]["generated_at"]) == ("P40", 0.5, AT)
    assert (wide[9]["fitment_count"], wide[9]["rec4_sku"]) == (3, None)


@pytest.mark.slow  # on DuckDB, tests/core/publishing does the same quicker
@pytest.mark.parametrize("rule", sorted(FIRST))
def test_each_rule_is_judged_alike(published, rule):
    mutation = FIRST[rule]
    settings = make_settings(**mutation.settings)
    staging = load_directly(published, "spoiled", mutation.spoil(good_rows("r9")))
    verdicts = audit(published, staging, WEEK, settings, live_table(settings))
    assert [v.rule for v in verdicts] == list(RULE_NAMES)
    assert {v.rule for v in verdicts if not v.passed} == mutation.failing


def test_refused_publish_leaves_the_live_table(published):
    settings = make_settings()
    before = live_state(published, settings)
    staging = load_directly(published, "spoiled", FIRST["fitment"].spoil(good_rows("r9")))
    with pytest.raises(PublishRefused, match="fitment: "):
        publish(published, staging, WEEK, settings, expected_digest=None, at=AT)
    assert live_state(published, settings) == before


def test_rollback_and_forward_again(published):
    settings = make_settings()
    back = rollback(published, settings, to_run_id=None, at=AT + dt.timedelta(days=2))
    assert (back.state.run_id, live_state(published, settings).run_id) == ("r1", "r1")
    wide = published.read(wide_view(settings), columns=["user_id", "run_id"])
    assert set(wide["run_id"].to_pylist()) == {"r1"}
    forward = rollback(published, settings, to_run_id="r2", at=AT + dt.timedelta(days=3))
    assert live_state(published, settings) == forward.state
    assert published.list_tables("serving", "recommendations__v_") == ["recommendations__v_r1", "recommendations__v_r2"]
