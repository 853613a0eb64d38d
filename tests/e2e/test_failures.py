"""What stops a week, and that nothing is published then: the message names table and remedy, the live table stays."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

AFTER_SOURCES = ("temporal_split", "sql_scores", "gnn_checkpoint", "eval_report", "recommendation")
REMOVED = {
    "user_attributes": "raw_users",
    "events": "raw_products",
    "historical_orders": "raw_events",
    "vehicle_fitment": "raw_products",  # what fits nothing is universal
    "product_catalogue": "raw_products",
    "treatment_sends": "raw_sends",
    "treatment_engagements": "raw_engagements",
}
COLUMNS = {
    "user_attributes": "user_properties",
    "events": "event_name",
    "historical_orders": "SHIP_TO_EMAIL",
    "vehicle_fitment": "v1_make",
    "product_catalogue": "Tags",
    "treatment_sends": "treatment_sent_timestamp",
    "treatment_engagements": "interaction_type",
}


def failed_run(store):
    """What a run prints that must fail, after checking that nothing moved."""
    before = store.live
    printed = store.gnn("run", code=1)
    assert store.live == before
    assert store.warehouse.list_tables("work", "recommendation_candidates__") == staged_by(before)
    return printed.split("Status")[0]


def staged_by(state):
    return [f"recommendation_candidates__{state.run_id.replace('-', '_')}"]


def stopped_before_anything_downstream(printed):
    return not any(f"✓ {name}" in printed for name in AFTER_SOURCES)


def without(column):
    return lambda table: table.drop_columns([column])


def no_rows(table):
    return table.slice(0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("table", "asset"), REMOVED.items())
def test_a_missing_source_table_is_named_with_what_to_do(published_copy, table, asset):
    published_copy.warehouse.drop(published_copy.source(table))
    printed = failed_run(published_copy)
    assert f"source table source.{table} does not exist: load it, or set sources." in printed
    assert f"✗ {asset}" in printed
    assert stopped_before_anything_downstream(printed)


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), [("events", "event_name"), *COLUMNS.items()])
def test_a_missing_source_column_is_named(published_copy, table, column):
    published_copy.change_source(table, without(column))
    printed = failed_run(published_copy)
    assert f"source table source.{table} has no column {column}: add it to the export" in printed
    assert stopped_before_anything_downstream(printed)


@pytest.mark.slow
def test_a_store_without_an_eligible_product_stops_with_the_reasons(published_copy):
    published_copy.change_source(
        "product_catalogue", lambda t: t.set_column(1, "PartType", pa.array(["Gasket"] * len(t)))
    )
    printed = failed_run(published_copy)
    assert "✗ temporal_split" in printed
    assert "none of 300 products is eligible: {'commodity part type': 235," in printed


@pytest.mark.slow
def test_an_empty_event_stream_stops_with_the_reason(published_copy):
    published_copy.change_source("events", no_rows)
    assert "none of 300 products is eligible: {'no price': 300}" in failed_run(published_copy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "table"),
    [("user_attributes", "users"), ("vehicle_fitment", "fitment"), ("product_catalogue", "products")],
)
def test_an_empty_table_is_blocked_where_it_is_empty(published_copy, source, table):
    published_copy.change_source(source, no_rows)
    printed = failed_run(published_copy)
    assert f"BLOCKED: raw_{table} · keeps_its_contract: {table}: no row is left" in printed
    assert stopped_before_anything_downstream(printed)


@pytest.mark.slow
def test_a_store_that_has_sent_no_email_yet_is_published(published_copy):
    before = published_copy.live
    for table in ("treatment_sends", "treatment_engagements"):
        published_copy.change_source(table, no_rows)
    published_copy.gnn("run")
    assert published_copy.live.run_id != before.run_id
    assert published_copy.live.digest == before.digest  # e-mails are judged by, and not learned from


@pytest.mark.slow
def test_a_first_week_that_fails_publishes_nothing(simulated_copy):
    simulated_copy.change_source("events", lambda t: t.filter(pc.equal(t["event_name"], "nothing")))
    printed = simulated_copy.gnn("run", code=1)
    assert "nothing yet; `gnn run` publishes" in printed
    assert simulated_copy.status()["published"] is None
