"""Results on disk: whole or not there, and only for exactly what they were made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnn_core.benchmark.results import (
    CARRIERS,
    ROOT,
    START,
    CellResult,
    Results,
    cell_key,
    code_digest,
    duration_name,
    estimate,
    imported,
    settings_of_peer,
)
from gnn_core.benchmark.spec import Spec, data_digest
from gnn_core.benchmark.variants import changed
from gnn_core.config import load_settings
from gnn_core.errors import ArtifactError
from gnn_core.scoring.peers import PEERS
from tests.core.benchmark.files import CONFIG, write_sequences

SPEC = Spec("tiny", "cold", 90, 0)
SETTINGS = load_settings(CONFIG)


def result(seconds: float = 1.5) -> CellResult:
    """Two users, three positives."""
    return CellResult(
        cut_U=np.array(["test", "test"]),
        user_U=np.array(["U1", "U2"]),
        tier_U=np.array(["cold", "cold"]),
        n_positives_U=np.array([1, 2]),
        n_unreachable_U=np.array([0, 3]),
        user_N=np.array([0, 1, 1]),
        rank_N=np.array([4, 1, 30]),
        facts={"seconds": seconds, "validation_recall": 0.25},
    )


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert not results.has(SPEC, "popularity", "k")
    results.write(SPEC, "popularity", "k", result())
    found = results.read(SPEC, "popularity", "k")
    for name, value in vars(result()).items():
        assert np.array_equal(getattr(found, name), value) if name != "facts" else found.facts == value
    assert not results.has(SPEC, "popularity", "other")
    assert not results.has(replace(SPEC, seed=1), "popularity", "k")


def test_half_a_result_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.write(SPEC, "popularity", "k", result())
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArtifactError, match=r"popularity-seed0-k\.npz: missing or damaged"):
        results.read(SPEC, "popularity", "k")


def test_a_killed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        results.write(SPEC, "popularity", "k", result())
    assert not results.has(SPEC, "popularity", "k")


GRID = ({"peers": {"ridge_penalty": 1.0}},)
KEY = cell_key(SPEC, "graph", "graph", SETTINGS, "data", "code")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(cell_key(replace(SPEC, seed=1), "graph", "graph", SETTINGS, "data", "code"), id="seed"),
        pytest.param(cell_key(replace(SPEC, shuffled=True), "graph", "graph", SETTINGS, "data", "code"), id="shuffled"),
        pytest.param(cell_key(SPEC, "graph_gat", "graph", SETTINGS, "data", "code"), id="model"),
        pytest.param(cell_key(SPEC, "graph", "graph", SETTINGS, "other", "code"), id="data"),
        pytest.param(cell_key(SPEC, "graph", "graph", SETTINGS, "data", "other"), id="code"),
        pytest.param(cell_key(SPEC, "graph", "graph", SETTINGS, "data", "code", GRID), id="grid"),
        pytest.param(
            cell_key(SPEC, "graph", "graph", changed(SETTINGS, {"training": {"max_steps": 1}}), "data", "code"),
            id="settings",
        ),
    ],
)
def test_whatever_a_result_depends_on_changes_its_key(other: str) -> None:
    assert cell_key(SPEC, "graph", "graph", SETTINGS, "data", "code") == KEY
    assert other != KEY


def test_untrained_models_do_not_depend_on_training(tmp_path: Path) -> None:
    shorter = changed(SETTINGS, {"training": {"max_steps": 1}})
    for model, same in (("smoother", True), ("sql_v5.17", True), ("implicit_als", False), ("graph", False)):
        keys = [cell_key(SPEC, model, model, s, "data", "code") for s in (SETTINGS, shorter)]
        assert (keys[0] == keys[1]) is same, model


LIBRARY = {
    "benchmark/cells.py": "from gnn_core.model.network import Network\nimport numpy, gnn_core.scoring.peers",
    "benchmark/tables.py": "import gnn_core.benchmark.cells",
    "model/network.py": "def late():\n    from gnn_core.model import encoder",
    "model/encoder.py": "",
    "config/online.py": "",
    "publishing/audit.py": "",
    "sql/baseline/intent.sql": "SELECT 1",
    "sql/audit/price.sql": "SELECT 1",
    "scoring/peers/__init__.py": (
        "from gnn_core.scoring.peers import smoother\n"
        "def _ease():\n    from gnn_core.scoring.peers import ease\n"
        "def _ridge():\n    from gnn_core.scoring.peers import ridge\n"
    ),
    "scoring/peers/smoother.py": "",
    "scoring/peers/ease.py": "",
    "scoring/peers/ridge.py": "",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small library on disk."""
    root = tmp_path / "gnn_core"
    for name, text in LIBRARY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_digest_covers_what_is_imported_and_the_sql_and_nothing_else(library: Path) -> None:
    before = code_digest(library)
    counts = {
        name
        for name in LIBRARY
        if name.startswith(("benchmark/cells", "model/", "sql/baseline/", "scoring/peers/smoother"))
    }
    for name, text in LIBRARY.items():
        (library / name).write_text(text + ("\n-- after" if name.endswith("sql") else "\n# after"))
        assert (code_digest(library) != before) is (name in counts), name
        (library / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "hers"),
    [
        pytest.param("scoring/peers/ease.py", "# faster", {"ease"}, id="her own file"),
        pytest.param("scoring/peers/ridge.py", "# faster", {"ridge"}, id="another's file"),
        pytest.param(
            "scoring/peers/__init__.py",
            LIBRARY["scoring/peers/__init__.py"].replace("_ease():\n", "_ease():\n    print()\n"),
            {"ease"},
            id="how she is made",
        ),
        pytest.param(
            "scoring/peers/__init__.py",
            LIBRARY["scoring/peers/__init__.py"] + "def _new():\n    pass\n",
            set(),
            id="a new one beside her",
        ),
        pytest.param("scoring/peers/smoother.py", "# x", {"ease", "ridge", "graph"}, id="who answers beside them all"),
    ],
)
def test_a_peer_s_results_depend_on_that_peer_alone(library: Path, name: str, text: str, hers: set[str]) -> None:
    before = {base: code_digest(library, base=base) for base in ("ease", "ridge", "graph")}
    (library / name).write_text(text)
    assert {base for base, digest in before.items() if code_digest(library, base=base) != digest} == hers


def test_the_model_and_the_metrics_are_imported_and_publishing_is_not() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in imported(START)}
    assert {"model/network.py", "training/trainer.py", "evaluation/ranks.py"} <= names
    assert "scoring/peers/ease.py" not in names
    assert not [name for name in names if name.startswith(("publishing/", "simulate/", "experiment/"))]
    assert {*CARRIERS} <= names


def test_every_setting_of_peers_belongs_to_one_of_them() -> None:
    owners = {name: [p for p in PEERS if name in settings_of_peer(p, SETTINGS)] for name in vars(SETTINGS.peers)}
    assert {name: len(found) for name, found in owners.items()} == dict.fromkeys(owners, 1)
    assert settings_of_peer("graph", SETTINGS) == {}


def test_a_peer_s_settings_change_its_own_key_alone() -> None:
    other = changed(SETTINGS, {"peers": {"ease_penalty": 7.0}})
    for base in ("graph", "ease", "item_knn", "sql_v5.18"):
        keys = {cell_key(SPEC, base, base, s, "data", "code") for s in (SETTINGS, other)}
        assert len(keys) == (2 if base == "ease" else 1), base


def test_data_are_told_apart_by_content(tmp_path: Path) -> None:
    write_sequences(tmp_path, "tiny", {1: [1, 2, 3]})
    before = data_digest(SPEC, tmp_path)
    assert data_digest(SPEC, tmp_path) == before
    write_sequences(tmp_path, "tiny", {1: [1, 3, 2]})
    assert data_digest(SPEC, tmp_path) != before


def test_a_plan_uses_measured_seconds_before_guesses(tmp_path: Path) -> None:
    results = Results(tmp_path)
    guess = estimate(SPEC, "graph", "graph", results.seconds())
    results.write(SPEC, "graph", "k", result(seconds=33.0))
    assert results.seconds() == {duration_name(SPEC, "graph"): 33.0}
    assert estimate(replace(SPEC, seed=2), "graph", "graph", results.seconds()) == 33.0 != guess
