"""The artifact store keeps its promises on a file system and on an object store."""

import json
from dataclasses import replace
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from gnn_core.config import load_settings
from gnn_core.errors import ArtifactError
from gnn_core.io.artifacts import ArtifactStore, json_bytes, parquet_bytes
from gnn_core.io.emulators import GCS, gcs_options
from tests.fixtures.gcs import BUCKET

CONFIG = Path(__file__).parents[2] / "configs" / "gnn_config.yaml"
SETTINGS = load_settings(CONFIG)
WEEK = "2026-03-02"


@pytest.fixture(params=["file", pytest.param("gs", marks=pytest.mark.emulator)])
def make_store(request, tmp_path, monkeypatch):
    if request.param == "file":
        return lambda settings=SETTINGS: ArtifactStore(tmp_path / "store", settings, git_commit="abc")
    monkeypatch.setenv(GCS, request.getfixturevalue("gcs_emulator"))
    root = f"gs://{BUCKET}/{tmp_path.name}"
    options = {**gcs_options(root), "skip_instance_cache": True}
    return lambda settings=SETTINGS: ArtifactStore(root, settings, git_commit="abc", storage_options=options)


def test_what_was_written_is_read_back_with_its_provenance(make_store):
    table = pa.table({"user_id": ["ä", None], "n": [1, 2]})
    store = make_store()
    users = store.write(WEEK, "raw_users", {"users.parquet": parquet_bytes(table)}, sections=["sources"])
    graph = store.write(WEEK, "graph", {"facts.json": json_bytes({"edges": 3})}, inputs=[users], sections=["graph"])
    again = make_store().read(WEEK, "graph")
    assert again.json("facts.json") == {"edges": 3}
    assert again.version == graph.version
    assert again.manifest.lineage == {f"{WEEK}/raw_users": users.version}
    assert again.manifest.git_commit == "abc"
    assert make_store().read(WEEK, "raw_users").table("users.parquet").equals(table)
    assert make_store().weeks() == [WEEK]


def test_same_content_and_provenance_same_version_and_a_change_of_either_another(make_store):
    store = make_store()
    first = store.write(WEEK, "a", {"x.json": b"1"}, sections=["graph"])
    assert store.write(WEEK, "a", {"x.json": b"1"}, sections=["graph"]).version == first.version
    assert store.write(WEEK, "a", {"x.json": b"2"}, sections=["graph"]).version != first.version
    assert store.write(WEEK, "a", {"x.json": b"1"}, sections=["graph", "model"]).version != first.version
    assert store.write(WEEK, "a", {"x.json": b"1"}, inputs=[first], sections=["graph"]).version != first.version


def test_other_settings_are_refused_only_where_the_artifact_depends_on_them(make_store):
    make_store().write(WEEK, "graph", {"x.json": b"1"}, sections=["graph"])
    other_graph = replace(SETTINGS, graph=replace(SETTINGS.graph, decay_tau_days=7.0))
    other_training = replace(SETTINGS, training=replace(SETTINGS.training, seed=99))
    with pytest.raises(ArtifactError, match=r"graph was made with other settings in section\(s\) graph"):
        make_store(other_graph).read(WEEK, "graph")
    assert make_store(other_training).read(WEEK, "graph").bytes("x.json") == b"1"


def test_inputs_from_different_versions_of_one_artifact_are_refused(make_store):
    store = make_store()
    old = store.write(WEEK, "raw_events", {"x.json": b"1"})
    store.write(WEEK, "graph", {"x.json": b"g"}, inputs=[old])
    new = store.write(WEEK, "raw_events", {"x.json": b"2"})
    store.write(WEEK, "scores", {"x.json": b"s"}, inputs=[new])
    with pytest.raises(ArtifactError, match="was made from 2026-03-02/raw_events"):
        store.read_all(WEEK, ["graph", "scores"])
    with pytest.raises(ArtifactError, match="materialise the older"):
        store.read_all(WEEK, ["graph", "raw_events"])


def test_missing_artifact_file_and_bad_names(make_store):
    store = make_store()
    with pytest.raises(ArtifactError, match="2026-03-02/nothing does not exist"):
        store.read(WEEK, "nothing")
    artifact = store.write(WEEK, "a", {"x.json": b"1"})
    with pytest.raises(ArtifactError, match=r"has no file y\.json"):
        artifact.bytes("y.json")
    with pytest.raises(ArtifactError, match="no artifact name"):
        store.write(WEEK, "../a", {"x.json": b"1"})
    assert store.exists(WEEK, "a")
    assert not store.exists(WEEK, "b")


def test_a_damaged_file_is_refused(tmp_path):
    store = ArtifactStore(tmp_path, SETTINGS)
    artifact = store.write(WEEK, "a", {"x.json": b"1"})
    (Path(artifact.path) / "x.json").write_bytes(b"2")
    with pytest.raises(ArtifactError, match="changed or damaged"):
        store.read(WEEK, "a").bytes("x.json")


@pytest.mark.parametrize("survivor", [0, 1, 2])
def test_a_crash_between_any_two_puts_leaves_the_old_version_current(tmp_path, monkeypatch, survivor):
    store = ArtifactStore(tmp_path, SETTINGS)
    store.write(WEEK, "a", {"x.json": b"old"})
    real, done = ArtifactStore._put, []

    def failing(self, path, content):
        if len(done) == survivor:
            raise OSError("power cut")
        done.append(path)
        real(self, path, content)

    monkeypatch.setattr(ArtifactStore, "_put", failing)
    with pytest.raises(OSError, match="power cut"):
        store.write(WEEK, "a", {"x.json": b"new"})
    monkeypatch.undo()
    assert store.read(WEEK, "a").bytes("x.json") == b"old"
    leftovers = [p for p in fsspec.filesystem("file").find(str(tmp_path)) if p.endswith(".tmp")]
    assert leftovers == []


def test_nan_never_reaches_a_json_file():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"lift": float("nan")})
    assert json.loads(json_bytes({"lift": 0.1})) == {"lift": 0.1}
