"""A document is replaced whole, on a file system and on an object store."""

import pytest

from gnn_core.errors import ArtifactError
from gnn_core.io.documents import Documents
from gnn_core.io.emulators import GCS, gcs_options
from tests.fixtures.gcs import BUCKET

NAME = "alerts/outbox.json"


@pytest.fixture(params=["file", pytest.param("gs", marks=pytest.mark.emulator)])
def documents(request, tmp_path, monkeypatch):
    """Opens the same place anew each time, as another process would."""
    if request.param == "file":
        return lambda: Documents(tmp_path / "store")
    monkeypatch.setenv(GCS, request.getfixturevalue("gcs_emulator"))
    root = f"gs://{BUCKET}/documents/{tmp_path.name}"
    return lambda: Documents(root, storage_options={**gcs_options(root), "skip_instance_cache": True})


def test_what_was_written_last_is_read_by_whoever_comes_next(documents):
    assert documents().read(NAME) is None
    documents().write(NAME, {"a": [1, "ä"]})
    reader = documents()
    assert reader.read(NAME) == {"a": [1, "ä"]}
    documents().write(NAME, {"b": 2})
    assert reader.read(NAME) == documents().read(NAME) == {"b": 2}


@pytest.mark.parametrize(("content", "says"), [("{", "is no JSON"), ("[1]", "holds a list, not an object")])
def test_a_damaged_document_is_an_error_and_not_an_empty_one(tmp_path, content, says):
    path = tmp_path / NAME
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ArtifactError, match=says):
        Documents(tmp_path).read(NAME)


def test_a_write_that_fails_leaves_the_old_document_whole(tmp_path, monkeypatch):
    documents = Documents(tmp_path)
    documents.write(NAME, {"a": 1})

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("gnn_core.io.documents.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        documents.write(NAME, {"a": 2})
    assert documents.read(NAME) == {"a": 1}
