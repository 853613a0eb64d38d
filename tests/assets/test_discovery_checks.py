"""The checks of coverage, on facts by hand."""

from types import SimpleNamespace

import dagster as dg
import pytest

from gnn_assets.checks.discovery import _covered
from tests.core.experiment.experiment_world import ALL


def _week(facts):
    return SimpleNamespace(read=lambda _: SimpleNamespace(json=lambda _: facts), settings=ALL)


@pytest.mark.parametrize(
    ("facts", "passed", "words"),
    [
        ({"covered": 0.0, "groups": 1}, True, "Not applicable: there are fewer than two groups of users"),
        ({"covered": 0.0, "groups": 0}, True, "Not applicable"),
        ({"covered": 0.0, "groups": 2}, False, "0.0% of the groups of users have a neighbour"),
        ({"covered": 1.0, "groups": 2}, True, "100.0% of the groups of users have a neighbour"),
        ({"covered": 0.0}, False, "0.0% of the groups of users have a neighbour"),
    ],
    ids=["one group", "nobody", "two, none near", "two", "not grouped"],
)
def test_one_group_has_nobody_to_be_near_to_and_two_have(facts, passed, words):
    found = _covered(_week(facts), "user_similarity", "groups of users")
    assert (found.passed, found.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert words in found.description
