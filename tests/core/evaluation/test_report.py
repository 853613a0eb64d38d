"""The report says what was decided, shows every model, is safe and needs nothing from outside."""

import dataclasses
import json
import re

import numpy as np
import pytest

from gnn_core.errors import DataError
from gnn_core.evaluation import charts
from gnn_core.evaluation.names import label, phrase
from gnn_core.evaluation.report import figures_frame, render_report
from gnn_core.evaluation.report_data import Dropped, report_json
from tests.core.evaluation import made_up


@pytest.fixture(scope="module")
def judged():
    return made_up.evaluation()


@pytest.fixture(scope="module")
def data(judged):
    return made_up.report_data(judged=judged)


@pytest.fixture(scope="module")
def page(data):
    return render_report(data)


def _text(page):
    """What a reader sees: no markup, no style sheet, no encoded picture."""
    without = re.sub(r"<style>.*?</style>|<img[^>]*>|<[^>]+>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", without)


def test_the_verdict_its_reason_and_what_follows_come_first(page, data):
    top = _text(page)[:1500]
    assert "✓ Gate 1: Pass" in top
    assert "The hybrid is better than SQL v5.18 by enough to replace it." in top
    assert data.decision.reason in top
    assert "Goes into this week&#39;s table The hybrid for all 475,000 customers." in top.replace("'", "&#39;")


def test_every_model_metric_group_and_figure_is_there(page, data):
    text = _text(page)
    for model in data.comparison.models:
        assert text.count(label(model)) >= 3
    for name in ("Recall@1 ", "Recall@4", "Recall@5", "Recall@10", "Recall@20", "Hit rate@4", "MRR", "NDCG@10"):
        assert name in text
    for group in ("Cold:", "Warm:", "Hot:", "Came by themselves", "Came from an e-mail"):
        assert group in text
    for stage in ("before", "after"):
        for metric in ("recall_1", "recall_10", "mrr", "ndcg_10"):
            lift = data.comparison.lift("item_knn", stage=stage, metric=metric)
            assert f"{lift.estimate * 100:+.1f}%".replace("-", "−") in text


def test_data_choices_stand_ins_and_provenance_are_there(page):
    text = _text(page)
    for part in (
        "every price is 100 USD",
        "year is no year, such as NONE or 0 1,204",
        "cold: 465,500 (98%)",
        "1,740 customers did something; 1,500 could be judged",
        "12,000 events planted after the cutoff of the test window from 2026-05-02 changed nothing",
        "git 8875033",
        "step 85 was kept",
        "weighs as much as 10 orders",
        "customers of the validation window from 2026-04-02",
    ):
        assert part in text, part


def test_nothing_reads_like_a_missing_number(page):
    assert not re.search(r"\b(nan|none|inf|infinity|null)\b", _text(page).replace("such as NONE", ""), flags=re.I)


def test_page_needs_nothing_from_outside(page):
    for attribute, value in re.findall(r'(src|href|srcset|action|poster)\s*=\s*["\']?([^"\'\s>]+)', page):
        assert value.startswith("data:"), (attribute, value)
    assert not re.search(r"@import|url\(|<script|<link|<iframe|https?://", page)


def test_names_from_the_store_are_escaped(data):
    nasty = '<script>alert("1")</script>'
    page = render_report(
        dataclasses.replace(
            data,
            store=nasty,
            stand_ins=(nasty,),
            drops=(Dropped("events", nasty, 1),),
            provenance={nasty: nasty},
        )
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_same_input_gives_the_same_bytes(data, page):
    assert render_report(data) == page


@pytest.mark.parametrize(
    ("share", "what"),
    [
        pytest.param(1.0, "The hybrid for all 475,000 customers.", id="everyone"),
        pytest.param(0.25, "The hybrid for 25% of the 475,000 customers, SQL v5.18 for the others.", id="a share"),
        pytest.param(0.0, "serving.hybrid_share = 0 serves it to nobody yet", id="promoted, not served"),
    ],
)
def test_what_is_published_follows_the_share(data, share, what):
    assert what in _text(render_report(dataclasses.replace(data, served_share=share)))


def test_a_fail_publishes_sql_and_says_what_next():
    worse = made_up.evaluation(chances=made_up.MODELS | {"hybrid": 0.10})
    text = _text(render_report(made_up.report_data(judged=worse)))
    assert "✕ Gate 1: Fail" in text
    assert "SQL v5.18 for all 475,000 customers, as before" in text
    assert "plan 2B" in text
    assert "✓ Graph model: Pass" in text  # the graph itself is judged beside it, and does not decide


def test_an_invalid_comparison_draws_no_interval():
    text = render_report(made_up.report_data(invalid=("leak canary: the graph moved",)))
    assert "? Gate 1: Inconclusive" in text
    assert "The comparison is not valid, so there is no answer." in text
    assert "leak canary: the graph moved" in text
    assert "dot = measured" not in text
    assert "not to be read as an effect" in text
    assert "the system to beat" not in text


def test_a_report_on_nobody_is_still_readable():
    nobody = made_up.evaluation(n_users=600)
    nobody = dataclasses.replace(
        nobody,
        users=nobody.users.iloc[:0],
        user_N=nobody.user_N[:0],
        organic_N=nobody.organic_N[:0],
        rank_N={key: rank[:0] for key, rank in nobody.rank_N.items()},
        lists={m: dataclasses.replace(v, users_A=np.zeros_like(v.users_A)) for m, v in nobody.lists.items()},
    )
    page = render_report(made_up.report_data(judged=nobody, canary=None, training=(), drops=()))
    assert "Too little happened" in page
    assert "No leak canary was run" in page
    assert "Nothing was left out" in page
    test_nothing_reads_like_a_missing_number(page)


def test_without_email_data_nothing_is_said_about_origins(judged):
    unknown = dataclasses.replace(judged, facts=(dataclasses.replace(judged.facts[0], email_known=False),))
    text = _text(render_report(made_up.report_data(judged=unknown)))
    assert "No e-mail data were given" in text
    assert "Came by themselves" not in text


def test_smoother_as_candidate_is_the_headline():
    chosen = made_up.selection(candidate="smoother", best_steps=(0,))
    text = _text(render_report(made_up.report_data(selection=chosen, best_step=0)))
    assert "The smoother is better than SQL v5.18" in text
    assert "No step was better than the start" in text


def test_json_holds_every_figure_and_no_nan(data):
    content = report_json(data)
    text = json.dumps(content, allow_nan=False)
    again = json.loads(text)
    assert again["decision"]["verdict"] == "pass"
    assert again["baseline"] == "sql_v5.18"
    assert len(again["figures"]) == len(data.comparison.table)
    first = next(f for f in again["figures"] if f["model"] == "hybrid" and f["metric"] == "recall_10")
    assert first["lift"] == data.decision.lift
    assert first["p_holm"] is None
    assert again["selection"]["alpha_curve"][0][0] == 0.0
    assert "comparison" not in again


def test_figures_go_into_parquet(data, tmp_path):
    frame = figures_frame(data)
    frame.to_parquet(tmp_path / "figures.parquet")
    assert len(frame) == 8 * 2 * 6 * 8  # models, stages, groups, metrics
    assert set(frame["store"]) == {"Demo parts store"}


def test_a_report_without_a_verdict_on_its_candidate_is_refused(data):
    with pytest.raises(DataError, match="no verdict on the candidate 'hybrid'"):
        dataclasses.replace(data, verdicts={"graph": data.verdicts["graph"]})


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [
        pytest.param(-0.1, 0.1, [-0.1, -0.05, 0.0, 0.05, 0.1], id="round steps"),
        pytest.param(-0.02, 0.33, [0.0, 0.1, 0.2, 0.3], id="zero is a tick"),
        pytest.param(-0.7, 2.2, [0.0, 1.0, 2.0], id="wide"),
    ],
)
def test_ticks_are_round_numbers(low, high, want):
    assert charts.Axis(low, high).ticks() == want


def test_axis_keeps_zero_and_caps_a_wild_interval():
    axis = charts.Axis.around([0.1, 40.0, None], [0.2, None])
    assert axis.low < 0 < 0.2 < axis.high < 3
    assert axis.x(40.0) == 100.0
    assert axis.x(-5) == 0.0


def test_a_measured_lift_beyond_the_cap_has_its_place_and_its_interval_goes_on():
    bar = charts.Bar(2.65, 1.25, 6.59)
    axis = charts.Axis.around([1.25, 6.59], [2.65])
    svg = charts.interval_svg(bar, axis, threshold=0.05)
    assert 80 < axis.x(2.65) < 97
    assert f'cx="{axis.x(2.65)}%"' in svg
    assert "▸" in svg
    assert "▸" not in charts.interval_svg(charts.Bar(0.2, 0.1, 0.3), axis, threshold=0.05)


def test_no_dot_of_the_report_lies_on_the_frame(data):
    verdicts = {
        name: dataclasses.replace(verdict, lift=lift, low=1.1, high=6.0)
        for (name, verdict), lift in zip(data.verdicts.items(), (2.4, 2.7), strict=False)
    }
    page = render_report(dataclasses.replace(data, verdicts=verdicts))
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"[^>]* r="5.5"', page)]
    assert len(dots) >= 2
    assert max(dots) < 99


def test_an_interval_without_upper_limit_reaches_the_edge():
    axis = charts.Axis(-1.0, 1.0)
    svg = charts.interval_svg(charts.Bar(0.5, 0.0, None), axis, threshold=0.05)
    assert 'x1="50.0%" x2="100.0%"' in svg
    assert "no upper limit" in svg


@pytest.mark.parametrize(
    ("model", "table", "sentence"),
    [
        ("hybrid", "Hybrid (SQL + graph)", "the hybrid"),
        ("sql_v5.18", "SQL v5.18", "SQL v5.18"),
        ("something new", "something new", "something new"),
    ],
)
def test_models_are_called_by_their_names(model, table, sentence):
    assert (label(model), phrase(model)) == (table, sentence)
