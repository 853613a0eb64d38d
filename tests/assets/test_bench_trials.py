"""The commands on validation windows, and the overlay that the weekly job reads only when it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gnn_assets.assets.facts import facts_of
from gnn_assets.cli.main import app
from gnn_assets.environment import Environment
from gnn_assets.interactions import FACTS, as_files
from gnn_assets.resources import FACT_SECTIONS, Platform
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.errors import ConfigError
from gnn_core.io.artifacts import parquet_bytes
from gnn_core.stores.public import load_store
from tests.core.benchmark.files import write_cold_store
from tests.fixtures.installation import Installation

pytestmark = pytest.mark.slow

SMALL = {
    "training": {"max_steps": 1, "validate_every": 1},
    "model": {"embedding_dim": 8, "hidden_dim": 8, "output_dim": 8, "vehicle_factors": 2, "item_factors": 2},
    "evaluation": {"bootstrap_draws": 200},
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a small model, and a folder with one tiny store."""
    made = Installation.create(tmp_path / "installed", SMALL)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("GNN_OVERLAY", raising=False)
    write_cold_store(tmp_path, "tiny")
    return tmp_path


def bench(folder: Path, command: str, *options: str) -> tuple[int, str]:
    """Exit code and output."""
    done = CliRunner().invoke(app, ["bench", command, "--from", str(folder), "--store", "tiny", *options])
    return done.exit_code, done.output


def test_a_search_tells_its_budget_first_resumes_and_writes_an_overlay(installed: Path) -> None:
    asked = ["--cold", "50", "--point", "decay_7", "--seeds", "1"]
    code, text = bench(installed, "search", *asked, "--plan")
    assert code == 0, text
    assert "2 fits of the graph model on validation windows, 0 of them there already" in text
    assert not list(installed.rglob("*.npz"))
    code, text = bench(installed, "search", *asked, "--json", str(installed / "s.json"))
    assert code == 0, text
    overlay = installed / "installed" / "state" / "searched_tiny_cold50.yaml"
    assert "Chosen: " in text
    content = json.loads((installed / "s.json").read_text())
    assert [row["name"] for row in content["rows"]] == ["defaults", "decay_7"]
    assert (yaml.safe_load(overlay.read_text()) or {}) == content["changes"]
    code, text = bench(installed, "search", *asked)
    assert (code, "2 of them there already" in text) == (0, True)


def test_ablations_and_diversity_print_a_table_a_store(installed: Path) -> None:
    code, text = bench(installed, "ablations", "--cold", "50", "--switch", "graph_no_decay", "--steps", "0")
    assert code == 0, text
    assert "graph_no_decay" in text
    assert "over the defaults" in text
    code, text = bench(installed, "diversity", "--cold", "50", "--strength", "0", "--strength", "0.5")
    assert code == 0, text
    assert "Likeness of listed products by factors" in text


def test_mistakes_are_told_plainly(installed: Path) -> None:
    code, text = bench(installed, "search", "--point", "nothing")
    assert (code, "points are decay_7" in text) == (1, True)
    done = CliRunner().invoke(app, ["bench", "ablations", "--from", str(installed / "none")])
    assert (done.exit_code, "name the folder of the data sets with --from" in done.output) == (1, True)
    done = CliRunner().invoke(app, ["bench", "search"])
    assert (done.exit_code, "holds no snapshot of a week" in done.output) == (1, True)


def test_a_search_of_the_state_directorys_own_store_reads_its_newest_snapshot(installed: Path) -> None:
    store = load_store("tiny", installed, cold_share=0.5)
    (installed / "installed" / "state").mkdir(exist_ok=True)
    Installation(installed / "installed").profile(store.profile)
    where = Environment.from_variables()
    settings = where.settings()
    artifacts = where.artifacts(settings)
    for name in SNAPSHOT_TABLES:
        content = parquet_bytes(store.tables[name])
        artifacts.write(str(settings.store.first_week), f"raw_{name}", {f"{name}.parquet": content})
    half = CliRunner().invoke(app, ["bench", "search", "--point", "decay_7", "--seeds", "1"])
    assert (half.exit_code, "holds no snapshot of a week" in half.output) == (1, True)  # tables, and no facts yet
    week = Platform.of(where).week(str(settings.store.first_week))
    week.write(FACTS, as_files(facts_of(week)[0].facts), sections=FACT_SECTIONS)
    done = CliRunner().invoke(app, ["bench", "search", "--point", "decay_7", "--seeds", "1"])
    assert done.exit_code == 0, done.output
    assert (where.state_dir / f"searched_{settings.store.name}.yaml").is_file()
    again = CliRunner().invoke(app, ["bench", "search", "--point", "decay_7", "--seeds", "1"])
    assert "2 of them there already" in again.output


def test_an_overlay_is_read_only_when_it_is_named(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = installed / "searched.yaml"
    file.write_text("graph: {decay_tau_days: 7.0}\n")
    assert Environment.from_variables().settings().graph.decay_tau_days == 30.0
    monkeypatch.setenv("GNN_OVERLAY", str(file))
    where = Environment.from_variables()
    assert where.settings().graph.decay_tau_days == 7.0
    assert Platform.of(where).where() == where
    monkeypatch.setenv("GNN_OVERLAY", str(installed / "none.yaml"))
    with pytest.raises(ConfigError, match=r"GNN_OVERLAY is .* there is no such file"):
        Environment.from_variables()
