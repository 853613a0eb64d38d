"""`gnn demo` may be run again: it replaces a store that a demo made, and no other."""

import io

import pytest
from rich.console import Console

from gnn_assets.cli import data, demo_state, story, weekly
from gnn_assets.environment import Environment
from gnn_core.errors import ConfigError
from gnn_core.simulate import store_profile


@pytest.fixture
def where(tmp_path, monkeypatch):
    for name in ("GNN_ENV", "GNN_CONFIG_DIR", "GNN_OVERLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNN_STATE_DIR", str(tmp_path / "state"))
    return Environment.from_variables()


def move_in(size: str, seed: int) -> None:
    data.adopt_profile(Environment.from_variables(), store_profile(size, seed))


@pytest.fixture
def told(where, monkeypatch):
    """Tells the first chapter: the store moves in without its rows, and its weekly run fails."""
    monkeypatch.setattr(data, "simulate_store", lambda size, seed, _console: move_in(size, seed))
    monkeypatch.setattr(weekly, "run_week", lambda *_, **__: 1)

    def tell(name: str, seed: int) -> str:
        console = Console(file=io.StringIO(), width=200)
        assert story.tell(name, "tiny", seed, console) == 1
        return console.file.getvalue()

    return tell


def test_a_demo_is_told_again_in_the_same_folder_with_another_truth_and_seed(told, where):
    assert "is replaced" not in told("lift", 17)
    (where.state_dir / "warehouse.duckdb").write_text("rows of the first demo")
    for folder in ("artifacts", "dagster", "training", "bench"):
        (where.state_dir / folder).mkdir()
        (where.state_dir / folder / "file").write_text("of the first demo")
    assert "is replaced" in told("harm", 18)
    assert "18" in where.settings().store.name
    left = {path.name for path in where.state_dir.iterdir()}
    assert left == {"bench", "demo.txt", "store.yaml"}
    assert (where.state_dir / "bench" / "file").read_text() == "of the first demo"


def test_a_store_that_no_demo_made_is_left_alone(told, where):
    move_in("tiny", 17)
    before = where.profile_path.read_text()
    with pytest.raises(ConfigError, match="already holds another store"):
        told("lift", 18)
    assert where.profile_path.read_text() == before


def test_a_store_that_takes_the_place_of_a_demo_is_no_demo_any_more(told, where):
    told("lift", 17)
    demo_state.clear(where)
    demo_state.claim(where)  # as if the demo had been killed right there
    move_in("tiny", 18)
    assert not demo_state.clear(where)
    assert where.profile_path.is_file()
