"""`gnn bench gates` prints and writes the calibration, and refuses what it cannot stand for."""

import json

import numpy as np
import pandas as pd
import pytest

from gnn_assets.cli import bench_gates
from tests.fixtures.installation import Installation

KEYS = ("false_pass_fixed", "false_pass_sequential", "power_at_plan", "coverage", "srm_false_alarm")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return Installation.create(tmp_path_factory.mktemp("empty"))


def _users(path, models=("graph", "sql_v5.18"), drop=()):
    rng = np.random.default_rng(1)
    rows = [
        {"user_id": f"u{u}", "cut": "test", "model": m, "stage": s, "recall_10": float(rng.random() < 0.2)}
        for u in range(300)
        for m in models
        for s in ("before", "after")
    ]
    pd.DataFrame(rows).drop(columns=list(drop)).to_parquet(path)
    return str(path)


def test_every_figure_is_printed_and_written_with_its_interval(empty, tmp_path):
    said = empty.gnn("bench", "gates", "--runs", "1000", "--json", str(tmp_path / "gates.json"))
    found = json.loads((tmp_path / "gates.json").read_text())
    for name in KEYS:
        figure = found[name]
        assert set(figure) == {"estimate", "low", "high", "n"}
        assert figure["low"] <= figure["estimate"] <= figure["high"]
        assert figure["n"] >= 1_000
        assert name in said
    assert found["srm_false_alarm"]["n"] >= 50_000
    assert found["srm_false_alarm"]["high"] <= 0.002
    assert "Gate 1 is left out" in said
    assert "false_pass_gate1" not in found


def test_gate_1_is_calibrated_on_the_users_of_a_report(empty, tmp_path):
    file = _users(tmp_path / "users.parquet")
    empty.gnn("bench", "gates", "--runs", "1000", "--users", file, "--json", str(tmp_path / "gates.json"))
    found = json.loads((tmp_path / "gates.json").read_text())["false_pass_gate1"]
    assert found["n"] == 1_000
    assert 0 < found["estimate"] < 0.06


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: _users(p, drop=["recall_10"]), "['recall_10'] missing"),
        (lambda p: _users(p, models=("graph", "popularity")), "graph and a SQL version are needed"),
        (lambda p: str(p), "not readable as Parquet"),
    ],
)
def test_a_file_that_is_no_report_is_refused_before_anything_is_simulated(empty, tmp_path, monkeypatch, make, words):
    monkeypatch.setattr(bench_gates, "calibrate_gate2", None)
    said = empty.gnn("bench", "gates", "--runs", "1000", "--users", make(tmp_path / "users.parquet"), code=1)
    assert words in said


def test_too_few_runs_are_refused(empty):
    assert "1,000 runs" in empty.gnn("bench", "gates", "--runs", "999", code=1)
