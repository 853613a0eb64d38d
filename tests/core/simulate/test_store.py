"""Same input, same bytes; loading; the profile; what is refused."""

import dataclasses
import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from gnn_core.config import load_settings
from gnn_core.errors import ConfigError
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.simulate import SIZES, SOURCES, StoreSize, World, simulate, store_profile, write_raw
from gnn_core.simulate.streams import Streams

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "gnn_config.yaml"


def digests(store) -> dict[str, str]:
    """SHA-256 of each table as an Arrow stream."""
    found = {}
    for name, table in store.tables.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        found[name] = hashlib.sha256(sink.getvalue()).hexdigest()
    return found


@pytest.mark.parametrize("name", ["tiny", "null_store", "structured_store"])
def test_same_size_seed_and_world_give_the_same_bytes(name, request):
    store = request.getfixturevalue(name)
    assert set(digests(store)) == set(SOURCES)
    assert digests(simulate(store.size, seed=store.seed, world=store.world)) == digests(store)


def test_another_seed_gives_other_tables(tiny):
    other = digests(simulate("tiny", seed=tiny.seed + 1))
    assert all(other[name] != digest for name, digest in digests(tiny).items())


def test_one_table_can_change_without_reshuffling_the_others(tiny):
    more_mail = simulate(dataclasses.replace(tiny.size, sends=tiny.size.sends + 100), seed=tiny.seed)
    changed = {name for name, digest in digests(more_mail).items() if digest != digests(tiny)[name]}
    assert changed == {"sends", "engagements"}


def test_streams_of_different_names_differ_and_start_again():
    streams = Streams(3)
    assert streams("a").random() == streams("a").random()
    assert streams("a").random() != streams("b").random()
    with pytest.raises(ValueError, match="seed is -1"):
        Streams(-1)


def test_write_raw_loads_every_source_under_its_configured_name(tiny):
    settings = load_settings(CONFIG, [store_profile("tiny", 5), {"sources": {"events": "clickstream"}}])
    warehouse = DuckDbWarehouse(":memory:", settings.warehouse)
    rows = write_raw(tiny, warehouse, settings)
    assert rows["source.clickstream"] == tiny.tables["events"].num_rows
    assert rows["source.historical_orders"] == tiny.tables["orders"].num_rows
    loaded = sorted(warehouse.list_tables("source"))
    assert loaded == sorted(getattr(settings.sources, name) for name in SOURCES)


@pytest.mark.parametrize("size", SIZES)
def test_profile_is_a_valid_overlay_of_whole_weeks(size):
    settings = load_settings(CONFIG, [store_profile(size, 4)])
    assert settings.store.name == f"simulated_{size}_4"
    assert settings.store.tables == "raw"
    assert (settings.store.last_week - settings.store.first_week).days % 7 == 0
    assert str(settings.store.last_week) == "2026-02-23"
    assert 0.85 * SIZES[size].users <= settings.publish.min_users <= 0.95 * SIZES[size].users


def test_unknown_size_and_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="unknown store size 'huge'; known: tiny, trial, small, full"):
        simulate("huge", seed=1)
    tiny = SIZES["tiny"]
    for change, message in [
        ({"hot_share": 0.9}, "do not leave enough"),
        ({"platforms": 41}, "platforms is 41"),
        ({"products": 20}, "150 products"),
    ]:
        with pytest.raises(ConfigError, match=message):
            dataclasses.replace(tiny, **change)
    too_many: StoreSize = dataclasses.replace(tiny, year_models=10_000)
    with pytest.raises(ConfigError, match="10000 year/make/models wanted"):
        simulate(too_many, seed=1)


def test_worlds_refuse_what_is_not_realistic():
    with pytest.raises(ConfigError, match=r"lift is 0\.6"):
        World.planted_structure(0.6)
    with pytest.raises(ConfigError, match="planted is 'magic'"):
        dataclasses.replace(World.default(), planted="magic")
