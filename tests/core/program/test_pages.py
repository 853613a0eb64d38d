"""The pages of program, experiment and shadow: what is said first, what is lit, and that nothing is fetched."""

import re

import pytest

from gnn_core.monitoring.weekly import weekly_findings
from gnn_core.program.experiment_page import render_experiment
from gnn_core.program.learnings import learnings
from gnn_core.program.pages import bars
from gnn_core.program.shadow_page import render_shadow
from gnn_core.program.status_page import render_status
from tests.core.experiment.experiment_world import ALL
from tests.core.monitoring.test_weekly_findings import PUBLIC
from tests.core.program.page_world import COST, page, readout, text

QA = {"source": "hybrid", "users": 450_000, "coverage": 0.99, "lowest_price": 50.5, "rules": 29, "kept": 29,
      "broken": []}  # fmt: skip
SHADOW = {
    "state": "compared", "baseline": "sql_v5.18", "policy": "hybrid", "users_both": 450_000, "users_gained": 10,
    "users_lost": 5, "overlap": 0.63, "same_list": 0.04, "same_first": 0.55, "rank_correlation": None,
    "price_served": 367.9, "price_shadow": 310.7, "products_served": 278, "products_shadow": 855,
    "part_type_shift": 0.28, "largest_shifts": [["Fuel Line Kit", 0.06, 0.11]], "overlap_by_tier": {"cold": 0.65},
    "qa": {"served": QA, "shadow": QA},
}  # fmt: skip


def _lit(html):
    return [text(row) for row in re.findall(r"<tr class=lit>.*?</tr>", html, flags=re.S)]


@pytest.mark.parametrize("html", [render_status(page()), render_experiment(readout((400, 800)), "s"),
                                  render_shadow(SHADOW, "s", "2026-03-02")])  # fmt: skip
def test_a_page_fetches_nothing_and_is_whole(html):
    assert not re.search(r"<script|<link|src=\"http|url\(", html)
    assert html.startswith("<!DOCTYPE html>")
    assert html.rstrip().endswith("</html>")


def test_the_owner_reads_phase_service_and_next_decision_first():
    html = render_status(page())
    top = text(html)[:900]
    assert "Phase: 3 rollout" in top
    assert "Hybrid to 10% of the users, SQL to the others." in top
    assert "Its guards decide each week." in top
    assert "98.0% of the users are cold" in top
    assert "made up &lt;b&gt;" in html


def test_each_gate_stands_with_verdict_interval_date_and_reason():
    shown = text(render_status(page()))
    for gate in page().status.gates:
        assert gate.interval
        for part in (gate.name, gate.interval, gate.as_of):
            assert part in shown
    assert shown.count("✓ Pass") == 3


def test_no_reason_to_stop_is_lit_while_none_applies_and_each_that_does():
    assert _lit(render_status(page())) == []
    rolled_back = _lit(render_status(page(share=0.0)))
    assert any("CTR regression in the rollout" in row for row in rolled_back)
    stop = COST | {"state": "no further training", "sentence": "1,700 USD."}
    assert any("Cost at the stop factor" in row for row in _lit(render_status(page(cost=stop))))
    assert any("Fewer cold users" in row for row in _lit(render_status(page(cold=0.85))))
    assert any("CTR lift below 10%" in row for row in _lit(render_status(page((800, 400), share=0.1))))


def test_moves_name_who_and_why_and_guards_their_state():
    shown = text(render_status(page(share=0.0)))
    assert "2026-03-23 start 100% → 10% Ada gate 2 passed" in shown
    assert "? no data The sample does not see a loss of 20% yet." in shown


def test_before_a_rollout_the_page_says_why_somebody_is_served_the_policy():
    assert "why it moved Hybrid to 10% of the users" in text(render_status(page(moves=[])))


def test_a_check_that_does_not_apply_says_so_once():
    absent = weekly_findings(PUBLIC, ALL.monitoring)["clicks_hold_up"]
    shown = text(render_status(page(findings=(absent,))))
    assert "clicks hold up – not applicable This store has no e-mails in the week" in shown


def test_cost_is_shown_by_asset_kind_and_month_and_adds_up():
    shown = text(render_status(page()))
    assert "41.50 USD of 800 USD in 2026-03. DuckDB bills no query: bytes billed are 0." in shown
    assert "2026-02 33.00 USD" in shown
    assert "4 others" in shown
    assert "Cost was not measured." in text(render_status(page(cost=None)))


def test_drift_that_was_not_measured_is_said():
    shown = text(render_status(page()))
    assert "Embedding drift was not measured." in shown
    drift = {"state": "compared", "reference": "the model published last", "breaks": ["products: far."],
             "new_evidence": 0.36, "limits": {"min_cosine": 0.72, "min_overlap": 0.2, "max_norm_ratio": 1.44},
             "changes": ["products, spectral: in the reference only."],
             "parts": [
                 {"kind": "products", "block": "items", "steadiest": None,
                  "drift": {"norm_change": 0.1, "aligned_cosine": 0.5, "neighbour_overlap": 0.2}},
                 {"kind": "products", "block": "popularity", "steadiest": 0.87,
                  "drift": {"norm_change": 0.1, "aligned_cosine": 0.5, "neighbour_overlap": 0.2}},
                 {"kind": "products", "block": "spectral", "steadiest": None, "drift": None}]}  # fmt: skip
    shown = text(render_status(page(embedding_drift=drift)))
    assert "Limit broken. products: far." in shown
    assert "the model published last, which did not know 36% of the events" in shown
    assert (
        "a cosine of 0.720, 20% of the neighbours and a change of the median norm by +44.0% are allowed in each part"
        in shown
    )
    assert "products, items: median norm +10.0%, mean cosine after the best rotation 0.500, 20%" in shown
    assert (
        "products, popularity: median norm +10.0%, correlation of its steadiest number with what it was 0.870" in shown
    )
    assert "Weighed otherwise. products, spectral: in the reference only." in shown


@pytest.mark.parametrize(
    ("clickers", "badge", "following"),
    [
        ((400, 800), "✓ Gate 2: Pass", "The rollout may start"),
        ((400, 200), "✕ Gate 2: Fail", "Evaluate product similarity alone"),
        ((400, 440), "? Gate 2: Inconclusive", "Run a larger experiment"),
    ],
)
def test_the_experiment_says_its_answer_and_what_follows(clickers, badge, following):
    read = readout(clickers)
    shown = text(render_experiment(read, "s"))
    assert badge in shown[:400]
    assert read["verdict"]["reason"] in shown[:1500].replace("&#39;", "'")
    assert following in shown
    assert read["plan"]["reason"] in shown
    assert read["ratio"]["sentence"] in shown
    for metric in read["metrics"]:
        assert metric["name"] in shown
    assert shown.count("described only") >= 4


def test_an_experiment_that_is_not_valid_draws_no_effect():
    read = readout((400, 800), (20_000, 26_000))
    html = render_experiment(read, "s")
    assert "The arms cannot be compared" in html
    assert "Not a result:" in html
    assert 'class="bars"' not in html


def test_a_week_without_experiment_is_one_sentence():
    shown = text(render_experiment({"state": "no experiment is planned"}, "s"))
    assert "Nothing to read no experiment is planned." in shown


def test_one_tier_is_no_table_of_whom_it_changes_most():
    assert "Whose lists change most" not in render_shadow(SHADOW, "s", "2026-03-02")
    two = SHADOW | {"overlap_by_tier": {"cold": 0.65, "hot": 0.2}}
    assert "cold 65% hot 20%" in text(render_shadow(two, "s", "2026-03-02")).replace("65.0", "65").replace("20.0", "20")


def test_the_shadow_shows_both_tables_against_the_rules():
    html = render_shadow(SHADOW, "s", "2026-03-02")
    assert "both tables keep every rule" in html
    assert _lit(html) == []
    assert text(html).count("29 of 29") == 2
    bad = QA | {"kept": 28, "broken": [{"rule": "price_floor", "n_bad": 3, "sentence": "No product costs less."}]}
    html = render_shadow(SHADOW | {"qa": {"served": QA, "shadow": bad}}, "s", "2026-03-02")
    assert "a table breaks a rule" in html
    (row,) = _lit(html)
    assert "price_floor: 3 do not." in row


def test_nothing_to_compare_is_said():
    assert "no policy is promoted." in text(render_shadow({"state": "no policy is promoted"}, "s", "2026-03-02"))


def test_learnings_hold_what_was_tried_the_figures_and_the_cost():
    made = page((800, 400), share=0.0, shadow=SHADOW, stand_ins=("prices are made up",))
    assert made.status.has_learnings
    told = learnings(made)
    for part in (
        "# What was learned: made up <b>, as of 2026-03-23",
        "**CTR regression in the rollout.**",
        "**gate 2, experiment failed.**",
        made.report["selection"]["reason"],
        made.report["decision"]["reason"],
        "| Graph model | 0.",
        "| clickers per assigned eligible user | judged | 0.0400 | 0.0200 | −50.0% |",
        "63% of the products",
        "| 2026-03-23 | rollback | 10% → 0% | platform |",
        "| 2026-03 | 41.50 |",
        "| asset | USD this month |\n| --- | --- |\n| asset_0 | 10.00 |",
        "prices are made up",
        made.status.next_decision,
    ):
        assert part in told, part
    assert "None" not in told
    assert "nan" not in told


def test_nothing_is_learned_while_nothing_has_ended():
    assert not page().status.has_learnings
    assert page((800, 400)).status.has_learnings
    assert ALL.monitoring.cold_share_wait == 0.9


def test_a_lift_beyond_the_cap_of_the_intervals_has_its_own_place():
    (bar,), _ = bars([{"lift": 2.65, "low": 1.25, "high": 6.59}], 0.05)
    assert float(re.search(r'<circle cx="([\d.]+)%"', bar).group(1)) < 97
