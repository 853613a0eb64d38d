"""Data sets by name: what a folder offers, what is refused, and what reaches the warehouse."""

from __future__ import annotations

import pytest

from gnn_core.contracts import CONTRACTS, conform
from gnn_core.errors import ConfigError, ContractError, DataError
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.warehouse import TableName
from gnn_core.stores.public import load_store, offered, write_contract

LOG = {
    "user_id": [1, 2],
    "item_id": [5, 6],
    "behavior": ["view", "order"],
    "ts": [1_700_000_000, 1_711_000_000],
}
CHECKINS = {"user_id": [1], "item_id": [5], "split": ["train"]}
PAIR = {"user_id": [1], "item_id": [5], "pos": [0]}, {"item_id": [5], "attr_id": [1]}


def test_a_folder_offers_what_can_be_loaded(write, tmp_path):
    write("shop_events", LOG)
    write("checkins", CHECKINS)
    write("toys_sequences", PAIR[0])
    write("toys_item_attributes", PAIR[1])
    write("half_sequences", PAIR[0])
    (tmp_path / "README.md").write_text("no data")
    assert offered(tmp_path) == ["shop", "toys"]
    with pytest.raises(DataError, match=r"no data set 'sport'; it offers: shop, toys\."):
        load_store("sport", tmp_path)


def test_a_log_loads_under_its_name_and_under_the_name_of_its_file(write, tmp_path):
    write("shop_events", LOG)
    short, long = load_store("shop", tmp_path), load_store("shop_events", tmp_path)
    assert short.profile == long.profile
    assert short.profile["store"]["name"] == "shop"


def test_a_file_with_missing_columns_is_refused_with_file_and_columns(write, tmp_path):
    write("checkins", CHECKINS)
    with pytest.raises(ContractError, match=r"checkins\.parquet.*behaviour log it lacks \['behavior', 'ts'\]"):
        load_store("checkins", tmp_path)
    write("toys_sequences", {"user_id": [1], "item_id": [5]})
    write("toys_item_attributes", PAIR[1])
    with pytest.raises(ContractError, match=r"toys_sequences\.parquet lacks the column\(s\) \['pos'\]"):
        load_store("toys", tmp_path)


def test_a_pair_needs_both_files(write, tmp_path):
    write("toys_sequences", PAIR[0])
    with pytest.raises(DataError, match=r"needs toys_item_attributes\.parquet"):
        load_store("toys", tmp_path)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "shop.parquet").write_text("no Parquet")
    with pytest.raises(ContractError, match=r"shop\.parquet is not readable"):
        load_store("shop", tmp_path)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        load_store("shop", tmp_path / "nowhere")


def test_an_empty_file_makes_no_store(write, tmp_path):
    write("shop", {name: values[:0] for name, values in LOG.items()})
    with pytest.raises(ContractError, match=r"shop\.parquet has no rows"):
        load_store("shop", tmp_path)


def test_rebuy_is_refused_where_nothing_is_bought_twice(write, tmp_path):
    write("shop", LOG)
    with pytest.raises(ConfigError, match="rebuy means nothing for shop"):
        load_store("shop", tmp_path, rebuy=True)


def test_contract_tables_reach_the_source_dataset_and_come_back_equal(write, tmp_path, settings_of):
    write("shop", LOG)
    store = load_store("shop", tmp_path)
    settings = settings_of(store)
    warehouse = DuckDbWarehouse(":memory:", settings.warehouse)
    for _ in range(2):  # loading again replaces
        write_contract(store, warehouse, settings)
    for name in CONTRACTS:
        rows = warehouse.read(TableName(settings.warehouse.source_dataset, name))
        ordered = conform(name, rows).sort_by([(c, "ascending") for c in CONTRACTS[name].column_names])
        assert ordered.to_pylist() == store.tables[name].to_pylist(), name
