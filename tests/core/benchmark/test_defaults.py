"""Which models stand in a table where none is named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from gnn_core.benchmark.defaults import models_for
from gnn_core.benchmark.figures import HISTORY_PEERS
from gnn_core.benchmark.targets import LIFTS, VALUES
from gnn_core.errors import DataError
from gnn_core.scoring.peers import PEERS
from tests.core.benchmark.files import write_attributes, write_sequences, write_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a data set of every protocol."""
    for name in ("sports", "beauty"):
        write_sequences(tmp_path, name, {1: [1, 2, 3]})
        write_attributes(tmp_path, name, {1: [1], 2: [1], 3: [2]})
    log = pd.DataFrame({"user_id": [1], "item_id": [1], "behavior": ["view"], "ts": [0]})
    log.to_parquet(tmp_path / "log_events.parquet", index=False)
    write_split(tmp_path, "gowalla", {1: [1, 2]}, {1: [3]})
    return tmp_path


def test_every_peer_stands_in_the_tables_where_it_can_tell_something(folder: Path) -> None:
    cold, warm, last = (set(models_for(name, folder)) for name in ("sports", "log", "sports_last_item"))
    assert cold | warm >= {*PEERS, "sql_v5.17", "sql_v5.18", "graph"}
    assert not cold & set(HISTORY_PEERS), "nobody who is judged has a history"
    assert set(HISTORY_PEERS) <= warm & last
    assert not warm & {"smoother", "ridge", "conditional_logit", "hetero_gat"}, "what they read is the same for all"


def test_opponents_may_train_on_the_validation_items_where_the_graph_does(folder: Path) -> None:
    assert models_for("sports_last_item_refit", folder) == models_for("sports_last_item", folder)


def test_what_the_targets_are_about_is_always_there(folder: Path) -> None:
    for target in VALUES:
        assert target.model in models_for(target.cell, folder), target
    for target in LIFTS[:6]:
        assert {"graph", "sql_v5.18"} <= set(models_for(target.cell.split("_")[0], folder))


def test_a_store_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no data set 'socks'"):
        models_for("socks", folder)
