"""`gnn bench quality` on a tiny store: plans, runs, resumes, prints and writes what it promises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gnn_assets.cli import bench as command
from gnn_assets.cli.bench import duration
from gnn_assets.cli.main import app
from tests.core.benchmark.files import write_attributes, write_cold_store, write_sequences

pytestmark = pytest.mark.usefixtures("modules_read_once")
SEQUENCES = {u: [(u * 3 + k * k) % 17 for k in range(5)] for u in range(1, 40)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sequences; the state directory beside it."""
    monkeypatch.setenv("GNN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "300")
    write_sequences(tmp_path, "tiny", SEQUENCES)
    return tmp_path


def bench(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output."""
    asked = ["bench", "quality", "--from", str(folder), "--store", "tiny_last_item", "--seeds", "1", *options]
    done = CliRunner().invoke(app, asked)
    return done.exit_code, done.output


def test_it_plans_runs_writes_and_resumes(folder: Path) -> None:
    models = ["--model", "popularity", "--model", "item_knn"]
    code, text = bench(folder, *models, "--plan")
    assert code == 0
    assert "2 cells (store, share, seed, model), 0 of them there already" in text
    assert not list(folder.rglob("*.npz"))
    files = ["--json", str(folder / "b.json"), "--markdown", str(folder / "b.md")]
    code, text = bench(folder, *models, *files)
    assert code == 0, text
    assert "tiny_last_item seed 0 item_knn" in text
    content = json.loads((folder / "b.json").read_text())
    found = content["cells"]["tiny_last_item"]["models"]
    assert set(found) == {"popularity", "item_knn"}
    assert found["item_knn"]["lifts"]["all"]["popularity"]["hit_rate_10"]["n_users"] == len(SEQUENCES)
    assert {row["verdict"] for row in content["targets"]} == {"not run"}
    text = (folder / "b.md").read_text()
    assert "## tiny_last_item" in text
    assert f"at commit {content['commit']}, settings {content['settings']}" in text
    code, text = bench(folder, *models, *files)
    assert code == 0
    assert "2 of them there already" in text
    assert "tiny_last_item seed 0 item_knn" not in text


def test_models_that_are_not_named_are_those_of_the_protocol(folder: Path) -> None:
    code, text = bench(folder, "--plan")
    assert code == 0
    assert "9 cells (store, share, seed, model), 0 of them there already" in text
    code, text = bench(folder, "--plan", "--quick")
    assert (code, "9 cells" in text) == (0, True), "the quick mode names models of its own stores alone"


def test_more_seeds_where_each_draws_another_split(folder: Path) -> None:
    write_attributes(folder, "tiny", dict.fromkeys(range(20), (1, 2)))
    asked = ["bench", "quality", "--from", str(folder), "--model", "popularity", "--plan"]

    def cells(*options: str) -> str:
        return CliRunner().invoke(app, [*asked, *options]).output.split(" cells")[0].split()[-1]

    cold = ["--store", "tiny", "--cold", "50", "--cold", "90"]
    assert cells(*cold) == "10"
    assert cells(*cold, "--shuffle") == "6"
    assert cells(*cold, "--seeds", "2") == "4"
    assert cells("--store", "tiny_last_item") == "3"


def test_what_is_there_is_reported_without_making_the_rest(folder: Path) -> None:
    code, text = bench(folder, "--stored")
    assert (code, "leave out --stored" in text) == (1, True)
    assert bench(folder, "--model", "popularity")[0] == 0
    code, text = bench(folder, "--stored", "--json", str(folder / "b.json"))
    assert code == 0, text
    assert list(json.loads((folder / "b.json").read_text())["cells"]["tiny_last_item"]["models"]) == ["popularity"]
    assert len(list(folder.rglob("*.npz"))) == 1


def test_shuffled_results_complete_the_table_of_targets(folder: Path) -> None:
    models = ["--model", "popularity", "--model", "item_knn"]
    assert bench(folder, *models, "--shuffle")[0] == 0
    assert bench(folder, *models, "--json", str(folder / "b.json"))[0] == 0
    content = json.loads((folder / "b.json").read_text())
    assert list(content["shuffled"]) == ["tiny_last_item_shuffled"]
    (row,) = [r for r in content["targets"] if r["data"] == "shuffled stores"]
    assert row["verdict"] != "not run"


def whole(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of the whole table."""
    done = CliRunner().invoke(app, ["bench", "quality", "--from", str(folder), "--whole", *options])
    return done.exit_code, done.output


def test_the_whole_table_is_the_stores_the_same_shuffled_and_the_planted_null(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cold_store(folder, "sports")
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(command, "planted", lambda arguments: asked.append(arguments) or 0)
    code, text = whole(folder, "--plan")
    assert code == 0, text
    cold, last, shuffled = (
        9 * 3 * 5,
        2 * 9 * 3,
        8 * 3,
    )  # models × shares × seeds; with and without refit; models × seeds
    assert f"{cold + last + shuffled} cells" in text
    assert asked[0][:4] == ["--world", "null", "--seeds", "200"]
    assert asked[0][-1] == "--plan"
    code, text = whole(folder, "--store", "sports")
    assert (code, "--whole is everything behind the targets" in text) == (1, True)


def test_the_whole_table_holds_what_the_planted_stores_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(arguments: Sequence[str]) -> int:
        null = {"world": "planted_null", "n": 200, "passes": 2, "high": 0.04}
        Path(arguments[arguments.index("--json") + 1]).write_text(json.dumps([null]))
        return 0

    monkeypatch.setattr(command, "_offered", lambda *_: ["tiny_last_item"])
    monkeypatch.setattr(command, "models_for", lambda *_: ("popularity",))
    monkeypatch.setattr(command, "planted", judged)
    code, text = whole(folder, "--seeds", "1", "--json", str(folder / "b.json"))
    assert code == 0, text
    rows = {row["data"]: row for row in json.loads((folder / "b.json").read_text())["targets"]}
    assert rows["simulator, planted null"]["reached"] == "2 of 200, at most 4.0%"
    monkeypatch.setattr(command, "planted", lambda _: 1)
    code, text = whole(folder, "--seeds", "1")
    assert (code, "the planted null did not end" in text) == (1, True)
    code, text = whole(folder, "--seeds", "1", "--plan")
    assert (code, "could not be planned" in text) == (1, True)


def test_the_quick_mode_teaches_the_plan_of_a_whole_run_nothing(folder: Path) -> None:
    assert bench(folder, "--model", "popularity", "--quick")[0] == 0
    (made,) = folder.rglob("*.npz")
    assert "quick" in made.parts
    assert not (folder / "state" / "bench" / "seconds.json").exists()


def test_mistakes_are_told_plainly(folder: Path) -> None:
    code, text = bench(folder, "--model", "nothing")
    assert (code, "model 'nothing' is unknown" in text) == (1, True)
    code, text = bench(folder, "--model", "popularity", "--planted", str(folder / "none.json"))
    assert (code, "gnn bench planted" in text) == (1, True)
    assert not list(folder.rglob("*.npz")), "told before anything was run"
    done = CliRunner().invoke(app, ["bench", "quality", "--from", str(folder / "none")])
    assert (done.exit_code, "does not exist" in done.output) == (1, True)


@pytest.mark.parametrize(("seconds", "text"), [(8.4, "8 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
