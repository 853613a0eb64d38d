"""What a report says of the code that made it."""

import pytest

from gnn_assets.assets.evaluation import _short


@pytest.mark.parametrize(
    ("commit", "shown"),
    [
        pytest.param("0123456789abcdef0123456789abcdef01234567", "0123456789ab", id="clean"),
        pytest.param("0123456789abcdef0123456789abcdef01234567+", "0123456789ab+", id="with changed files"),
        pytest.param("not a git checkout", "not a git checkout", id="no git"),
        pytest.param("v6.0-rc1", "v6.0-rc1", id="stated by hand"),
    ],
)
def test_a_commit_is_short_and_keeps_the_mark_of_changed_files(commit, shown):
    assert _short(commit) == shown
