"""Every blocking rule is seen failing: the audit names it, the publisher refuses, and the live table has not moved."""

import re

import pytest

from gnn_core.errors import PublishRefused
from gnn_core.publishing.audit import RULE_NAMES, audit, judge, rule_tables
from gnn_core.publishing.publisher import publish, stage
from gnn_core.publishing.rules import ROW_RULES
from gnn_core.publishing.schema import live_table
from gnn_core.publishing.state import live_state
from tests.core.publishing.world import AT, MUTATIONS, WEEK, as_table, good_rows, load_directly, make_settings

FIRST = list({m.rule: m for m in reversed(MUTATIONS)}.values())
ROW = {rule.name: rule for rule in ROW_RULES}


def names(mutations):
    return pytest.mark.parametrize("mutation", mutations, ids=lambda m: m.name)


def test_good_lists_keep_every_rule(served, settings):
    staging = load_directly(served, "good", good_rows("r2"))
    verdicts = audit(served, staging, WEEK, settings, live_table(settings))
    assert [v.rule for v in verdicts] == list(RULE_NAMES)
    assert {v.rule: v.sentence for v in verdicts if not v.passed} == {}


def test_every_rule_has_a_mutation():
    assert {m.rule for m in MUTATIONS} == set(RULE_NAMES) - {"declared_schema"}  # that one: test_audit.py


@names(m for m in MUTATIONS if m.rule in ROW)
def test_rule_by_itself_finds_the_offenders(served, mutation):
    settings = make_settings(**mutation.settings)
    staging = load_directly(served, "spoiled", mutation.spoil(good_rows("r2")))
    with rule_tables(served, staging, WEEK, settings) as tables:
        verdict = judge(served, ROW[mutation.rule], tables, settings, WEEK.moment)
    assert (verdict.rule, verdict.passed) == (mutation.rule, False)
    assert verdict.n_bad >= len(verdict.examples) > 0


@names([m if m in FIRST else pytest.param(m, marks=pytest.mark.slow) for m in MUTATIONS])
def test_publisher_refuses_by_itself_and_leaves_the_live_table(served, live_before, mutation):
    settings = make_settings(**mutation.settings)
    staging = load_directly(served, "spoiled", mutation.spoil(good_rows("r2")))
    with pytest.raises(PublishRefused) as refused:
        publish(served, staging, WEEK, settings, expected_digest=None, at=AT)
    assert set(re.findall(r"^  (\w+):", str(refused.value), re.MULTILINE)) == mutation.failing
    assert f"serving.recommendations still holds {live_before}" in str(refused.value)
    assert live_state(served, settings) == live_before
    assert served.list_tables("serving") == ["publish_ledger", "recommendations", "recommendations__v_r1"]


def test_publisher_refuses_what_was_staged_properly(served, live_before, settings):
    rows = [r | {"image_url": "http://cdn.example/x.jpg"} for r in good_rows("r3")]
    staging = stage(served, as_table(rows), "r3", settings)
    with pytest.raises(PublishRefused, match=r"https_images.* 39 bad, such as .*'product_id': 'P10'"):
        publish(served, staging, WEEK, settings, expected_digest=None, at=AT)
    assert live_state(served, settings) == live_before
