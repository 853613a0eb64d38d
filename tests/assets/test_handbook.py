"""The handbook knows every check, gate, schedule and sensor, and names none, and no setting, that is not there."""

import re

import pytest

from gnn_assets.alerts.alert import MARKS
from gnn_assets.definitions import build_defs
from gnn_assets.environment import PROJECT
from gnn_core.config import load_settings
from tests.fixtures.installation import Installation

PAGE = (PROJECT / "docs" / "operations" / "handbook.md").read_text()
ROWS = {
    name: cells
    for name, *cells in (
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
    )
}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    return build_defs(Installation.create(tmp_path_factory.mktemp("handbook") / "empty").environment)


def test_every_check_has_its_row_with_a_meaning_and_a_remedy_and_no_row_is_left_over(definitions):
    graph = definitions.resolve_asset_graph()
    checks = {key.name for key in graph.asset_check_keys}
    assert {name.strip("`") for name in ROWS} == checks
    for name, cells in ROWS.items():
        assert len(cells) == 2, name
        assert all(len(cell) > 10 for cell in cells), name


def test_a_check_that_blocks_stands_under_a_heading_that_says_so(definitions):
    graph = definitions.resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    found = set()
    for part in PAGE.split("\n### "):
        if part.splitlines()[0].endswith("blocking"):
            found |= set(re.findall(r"^\| `(\w+)`", part, re.MULTILINE))
    assert found == blocking


def test_what_runs_by_itself_is_named(definitions):
    automations = [s.name for s in (*definitions.schedules, *definitions.sensors)]
    for name in automations:
        assert f"`{name}`" in PAGE, name


def test_every_place_that_an_alert_sends_to_is_there():
    """An alert names a check, which has its row, or the heading that it names in words."""
    headings = {line.lstrip("# ").lower() for line in PAGE.splitlines() if line.startswith("#")}
    sources = [path.read_text() for path in (PROJECT / "gnn_assets" / "alerts").glob("*.py")]
    named = {place for text in sources for place in re.findall(r"\{HANDBOOK\}, ([^\"{]+)\"", text)}
    assert len(named) > 1
    assert named <= headings


def test_every_severity_is_explained_with_its_mark():
    for severity, mark in MARKS.items():
        assert f"| {mark} {severity} |" in PAGE


def test_every_headline_that_a_check_gives_its_alert_is_explained_in_its_row(definitions):
    """A headline replaces the check's name in the message, so the reader has to find the row by other words."""
    rows = "\n".join(f"{name} {' '.join(cells)}" for name, cells in ROWS.items())
    texts = [path.read_text() for path in (PROJECT / "gnn_assets" / "checks").glob("*.py")]
    values = [value for text in texts for value in re.findall(r'"headline":(.*?),\n', text, re.DOTALL)]
    headlines = {text for value in values for text in re.findall(r'"([^"]*)"', value) if " " in text}
    assert len(headlines) > 1
    for headline in headlines:
        assert headline in rows, headline


def test_every_setting_that_is_named_exists():
    settings = load_settings(PROJECT / "configs" / "gnn_config.yaml")
    named = set(re.findall(r"`(\w+)\.(\w+)(?:: [^`]*)?`", PAGE))
    sections = set(vars(settings))
    checked = [(section, key) for section, key in named if section in sections]
    assert len(checked) > 10
    for section, key in checked:
        assert hasattr(getattr(settings, section), key), f"{section}.{key}"
