"""Staging, publishing and rolling back, step by step."""

import datetime as dt

import pyarrow as pa
import pytest

from gnn_core.contracts import conform
from gnn_core.errors import ContractError, PublishRefused, TableNotFoundError, WarehouseError
from gnn_core.io.warehouse import TableName
from gnn_core.publishing.digest import content_digest, table_digest
from gnn_core.publishing.publisher import publish, rollback, stage
from gnn_core.publishing.schema import live_table, version_table, wide_view
from gnn_core.publishing.state import RECOVERED, live_state, read_ledger, repair_ledger
from tests.core.publishing.world import AT, WEEK, as_table, change, good_rows, load_directly, make_settings

pytestmark = pytest.mark.usefixtures("few_rules")


def day(n):
    return AT + dt.timedelta(days=n)


def put(warehouse, settings, run_id, n=0, *, score=None, expected_digest=None):
    """Stage and publish good lists under a run id; `score` makes their content differ."""
    rows = good_rows(run_id) if score is None else change("u01", 4, final_score=score)(good_rows(run_id))
    staging = stage(warehouse, as_table(rows), run_id, settings)
    return publish(warehouse, staging, WEEK, settings, expected_digest=expected_digest, at=day(n))


def runs(warehouse, settings):
    return [(e.action, e.run_id) for e in read_ledger(warehouse, settings)]


def test_publish_moves_audited_rows_and_writes_the_ledger(warehouse, settings):
    assert live_state(warehouse, settings) is None
    digest = content_digest(as_table(good_rows()))
    result = put(warehouse, settings, "2026-06-01.a", expected_digest=digest)
    assert (result.action, result.moved, result.dropped) == ("publish", True, ())
    assert all(v.passed for v in result.verdicts)
    state = live_state(warehouse, settings)
    assert state == result.state
    assert (state.run_id, state.rows, state.users, state.source, state.digest, state.recorded) == (
        "2026-06-01.a",
        39,
        10,
        "hybrid+sql_v5.18",
        digest,
        True,
    )
    (entry,) = read_ledger(warehouse, settings)
    assert (entry.sequence, entry.published_at, entry.action, entry.run_id) == (1, AT, "publish", "2026-06-01.a")
    assert (entry.digest, entry.n_rows, entry.n_users) == (digest, 39, 10)
    assert entry.staging == "work.recommendation_candidates__2026_06_01_a"
    assert entry.version == "serving.recommendations__v_2026_06_01_a"
    assert warehouse.read(live_table(settings)).equals(warehouse.read(TableName.parse(entry.staging)))


def test_wide_view_has_one_row_a_user(warehouse, settings):
    put(warehouse, settings, "r1")
    wide = {r["user_id"]: r for r in warehouse.read(wide_view(settings)).to_pylist()}
    assert sorted(wide) == [f"u{n:02d}" for n in range(1, 11)]
    first = wide["u01"]
    assert [first[f"rec{n}_sku"] for n in (1, 2, 3, 4)] == ["P10", "P20", "P30", "P40"]
    assert [first[f"rec{n}_price"] for n in (1, 2, 3, 4)] == [410.0, 250.5, 199.99, 50.57]
    assert [first[f"rec{n}_score"] for n in (1, 2, 3, 4)] == [1 - n / 10 for n in (1, 2, 3, 4)]
    assert (first["rec4_image"], first["rec4_source"]) == ("https://cdn.example/P40.jpg", "hybrid")
    assert (first["fitment_count"], first["engagement_tier"], first["pipeline_version"]) == (4, "cold", "v6.0")
    assert (first["generated_at"], first["run_id"]) == (AT, "r1")
    assert wide["u09"]["rec1_source"] == "sql_v5.18"
    short = wide["u10"]
    assert short["fitment_count"] == 3
    assert [short[f"rec4_{c}"] for c in ("sku", "price", "score", "image", "source", "reason")] == [None] * 6
    assert first["rec2_reason"] == "popular for your vehicle"


def test_view_follows_the_live_table(warehouse, settings):
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 7, score=0.05)
    wide = {r["user_id"]: r for r in warehouse.read(wide_view(settings)).to_pylist()}
    assert (wide["u01"]["rec4_score"], wide["u01"]["run_id"]) == (0.05, "r2")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda t: t.drop_columns(["reason"]), "columns are", id="column missing"),
        pytest.param(lambda t: t.select(t.column_names[::-1]), "columns are", id="other order"),
        pytest.param(lambda t: t.set_column(3, "slot", t["slot"].cast(pa.int32())), "slot is int32", id="other type"),
        pytest.param(
            lambda t: t.set_column(9, "reason", pa.nulls(len(t), pa.string())), r"reason is null in 39", id="nulls"
        ),
    ],
)
def test_stage_refuses_other_columns(warehouse, settings, spoil, message):
    with pytest.raises(ContractError, match=message):
        stage(warehouse, spoil(as_table(good_rows())), "r1", settings)
    assert warehouse.list_tables("work", "recommendation_candidates") == []


def test_stage_refuses_rows_of_another_run_and_odd_run_ids(warehouse, settings):
    with pytest.raises(ContractError, match=r"run r2 hold rows of run\(s\) \['r1'\]"):
        stage(warehouse, as_table(good_rows("r1")), "r2", settings)
    with pytest.raises(ContractError, match="run id 'a b'"):
        stage(warehouse, as_table(good_rows("a b")), "a b", settings)


def test_publish_refuses_another_digest_than_was_staged(warehouse, settings):
    staging = stage(warehouse, as_table(good_rows()), "r1", settings)
    with pytest.raises(PublishRefused, match=r"expected_digest: .*\nNothing was ever published"):
        publish(warehouse, staging, WEEK, settings, expected_digest="0" * 64, at=AT)
    assert live_state(warehouse, settings) is None


def test_publish_refuses_a_run_id_that_means_other_rows(warehouse, settings):
    put(warehouse, settings, "a.b")
    before = live_state(warehouse, settings)
    with pytest.raises(PublishRefused, match="new_run_id"):
        put(warehouse, settings, "a.b", score=0.05)
    with pytest.raises(PublishRefused, match=r"new_run_id: serving.recommendations__v_a_b was published as run a\.b"):
        put(warehouse, settings, "a_b")
    assert live_state(warehouse, settings) == before
    assert table_digest(warehouse, version_table(settings, "a.b")) == before.digest


def test_rows_that_change_during_the_audit_do_not_go_live(warehouse, settings, monkeypatch):
    staging = stage(warehouse, as_table(good_rows()), "r1", settings)
    move = warehouse.move

    def meddle(source, target):
        warehouse.load(staging, as_table([r | {"price": 1.0} for r in good_rows()]))
        monkeypatch.setattr(warehouse, "move", move)
        return move(source, target)

    monkeypatch.setattr(warehouse, "move", meddle)
    with pytest.raises(PublishRefused, match="unchanged_rows"):
        publish(warehouse, staging, WEEK, settings, expected_digest=None, at=AT)
    assert live_state(warehouse, settings) is None
    assert warehouse.list_tables("serving") == []


def test_publishing_again_changes_nothing(warehouse, settings):
    first = put(warehouse, settings, "r1")
    again = put(warehouse, settings, "r1", 1)
    assert (again.moved, again.state) == (False, first.state)
    assert runs(warehouse, settings) == [("publish", "r1")]


def test_missing_staging_and_naive_moments_are_errors(warehouse, settings):
    with pytest.raises(TableNotFoundError, match=r"work\.none does not exist"):
        publish(warehouse, TableName("work", "none"), WEEK, settings, expected_digest=None, at=AT)
    staging = stage(warehouse, as_table(good_rows()), "r1", settings)
    with pytest.raises(WarehouseError, match="no time zone"):
        publish(warehouse, staging, WEEK, settings, expected_digest=None, at=AT.replace(tzinfo=None))


def test_only_the_last_versions_are_kept_with_their_staging_tables(warehouse, settings):
    for n, run in enumerate(("r1", "r2", "r3")):
        last = put(warehouse, settings, run, n, score=0.5 - n / 10)
    assert last.dropped == ("serving.recommendations__v_r1",)
    assert warehouse.list_tables("serving", "recommendations__v_") == ["recommendations__v_r2", "recommendations__v_r3"]
    assert warehouse.list_tables("work", "recommendation_candidates__") == [
        "recommendation_candidates__r2",
        "recommendation_candidates__r3",
    ]
    with pytest.raises(PublishRefused, match=r"kept_version: .*__v_r1 was dropped"):
        rollback(warehouse, settings, to_run_id="r1", at=day(4))


def test_rollback_returns_to_the_version_before_and_never_to_what_was_bad(warehouse):
    settings = make_settings(publish={"keep_versions": 5})
    digests = {r: put(warehouse, settings, r, score=0.6 - int(r[1]) / 10).state.digest for r in ("r1", "r2", "r3")}
    back = rollback(warehouse, settings, to_run_id=None, at=day(4))
    assert (back.action, back.state.run_id, back.state.digest, back.moved) == ("rollback", "r2", digests["r2"], True)
    assert live_state(warehouse, settings) == back.state
    put(warehouse, settings, "r4", 5, score=0.05)
    assert rollback(warehouse, settings, to_run_id=None, at=day(6)).state.run_id == "r2"  # not r3
    assert rollback(warehouse, settings, to_run_id=None, at=day(7)).state.run_id == "r1"
    with pytest.raises(PublishRefused, match=r"an earlier good version is not in the ledger.*\['r1'\]"):
        rollback(warehouse, settings, to_run_id=None, at=day(8))
    assert live_state(warehouse, settings).digest == digests["r1"]
    assert runs(warehouse, settings)[3:] == [
        ("rollback", "r2"),
        ("publish", "r4"),
        ("rollback", "r2"),
        ("rollback", "r1"),
    ]


def test_rollback_to_a_named_run(warehouse, settings):
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 1, score=0.05)
    assert rollback(warehouse, settings, to_run_id="r1", at=day(2)).state.run_id == "r1"
    assert rollback(warehouse, settings, to_run_id="r2", at=day(3)).state.run_id == "r2"
    with pytest.raises(
        PublishRefused, match=r"run r9 is not in the ledger; good versions, oldest first: \['r1', 'r2'\]"
    ):
        rollback(warehouse, settings, to_run_id="r9", at=day(4))


def test_rollback_without_any_publish_is_refused(warehouse, settings):
    with pytest.raises(PublishRefused, match="an earlier good version is not in the ledger"):
        rollback(warehouse, settings, to_run_id=None, at=AT)


def test_rollback_is_not_blocked_by_a_price_that_changed_since(warehouse, settings):
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 1, score=0.05)
    products = warehouse.read(WEEK.table("products")).to_pandas()
    products["price"] += 1
    warehouse.load(WEEK.table("products"), conform("products", pa.Table.from_pandas(products, preserve_index=False)))
    assert rollback(warehouse, settings, to_run_id=None, at=day(2)).state.run_id == "r1"


def test_rollback_refuses_a_version_that_is_not_what_was_published(warehouse, settings):
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 1, score=0.05)
    before = live_state(warehouse, settings)
    warehouse.load(version_table(settings, "r1"), as_table([r | {"price": 1.0} for r in good_rows("r1")]))
    with pytest.raises(PublishRefused, match=r"digest: .*__v_r1 has .*the ledger says"):
        rollback(warehouse, settings, to_run_id=None, at=day(2))
    assert live_state(warehouse, settings) == before


def test_rollback_refuses_lists_that_are_broken_in_any_week(warehouse, settings):
    """Even when ledger and version agree: here both were written by hand."""
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 1, score=0.05)
    before = live_state(warehouse, settings)
    spoiled = as_table(change("u01", 4, final_score=float("nan"))(good_rows("r1")))
    warehouse.load(version_table(settings, "r1"), spoiled)
    ledger = TableName("serving", "publish_ledger")
    rows = [
        e | {"digest": content_digest(spoiled)} if e["run_id"] == "r1" else e
        for e in warehouse.read(ledger).to_pylist()
    ]
    warehouse.load(ledger, pa.Table.from_pylist(rows, schema=warehouse.read(ledger).schema))
    with pytest.raises(PublishRefused, match="finite_scores"):
        rollback(warehouse, settings, to_run_id=None, at=day(2))
    assert live_state(warehouse, settings) == before


def test_live_table_made_by_hand_is_not_recorded_and_the_next_publish_replaces_it(warehouse, settings, caplog):
    put(warehouse, settings, "r1")
    warehouse.load(live_table(settings), as_table([r | {"price": 1.0} for r in good_rows("r1")]))
    state = live_state(warehouse, settings)
    assert (state.run_id, state.recorded) == ("r1", False)
    assert repair_ledger(warehouse, settings, state, at=AT) is None
    assert "which no publish put there" in caplog.text
    assert put(warehouse, settings, "r1", 1).moved
    assert live_state(warehouse, settings).recorded
    assert runs(warehouse, settings) == [("publish", "r1")]


def test_live_table_of_other_columns_is_restored_by_a_rollback(warehouse, settings):
    put(warehouse, settings, "r1")
    warehouse.load(live_table(settings), pa.table({"x": [1, 2]}))
    assert live_state(warehouse, settings).rows == 2
    with pytest.raises(WarehouseError, match="roll back to a kept version first"):
        put(warehouse, settings, "r2", 1, score=0.05)
    assert rollback(warehouse, settings, to_run_id=None, at=day(2)).state.run_id == "r1"
    assert put(warehouse, settings, "r2", 3, score=0.05).state.recorded


def test_lost_ledger_entry_is_written_from_the_live_table(warehouse, settings):
    put(warehouse, settings, "r1")
    put(warehouse, settings, "r2", 1, score=0.05)
    warehouse.move(version_table(settings, "r1"), live_table(settings))  # a rollback that never wrote its entry
    entry = repair_ledger(warehouse, settings, live_state(warehouse, settings), at=day(2))
    assert (entry.action, entry.run_id, entry.sequence, entry.note) == ("rollback", "r1", 3, RECOVERED)
    assert live_state(warehouse, settings).recorded
    assert repair_ledger(warehouse, settings, live_state(warehouse, settings), at=day(3)) is None


def test_old_staging_loaded_by_hand_can_be_published_if_it_is_good(warehouse, settings):
    staging = load_directly(warehouse, "by_hand", good_rows("r1"))
    assert publish(warehouse, staging, WEEK, settings, expected_digest=None, at=AT).state.run_id == "r1"
