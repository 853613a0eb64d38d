"""Where the program stands: every phase, and the reasons to stop that apply."""

import dataclasses

import pytest

from gnn_core.program.status import program_status
from tests.core.experiment.experiment_world import ALL, settings


def _verdict(verdict, lift=0.1, **more):
    return {
        "verdict": verdict,
        "lift": lift,
        "low": 0.01,
        "high": 0.2,
        "reason": "r",
        "invalid": [],
        "threshold": 0.1,
    } | more


def _stage(share=0.0, from_ledger=False, needs_decision=False):
    return {"share": share, "from_ledger": from_ledger, "needs_decision": needs_decision, "reason": "why it moved"}


def _status(
    graph="pass", candidate="pass", gate2=None, stage=None, cost=None, cold=0.98, start=True, tables="raw", tiers=None
):
    readout = {"state": "no experiment"}
    if gate2 is not None:
        readout = {"state": "read", "as_of": "2026-03-23", "verdict": gate2}
    chosen = dataclasses.replace(
        ALL,
        experiment=settings(start=ALL.experiment.start if start else None),
        store=dataclasses.replace(ALL.store, tables=tables),
    )
    graph = graph if isinstance(graph, dict) else _verdict(graph)
    return program_status(
        as_of="2026-03-02",
        report={"verdicts": {"graph": graph}, "decision": _verdict(candidate), "users_by_tier": tiers or {}},
        promoted=candidate == "pass",
        policy="hybrid" if candidate == "pass" else "sql_v5.18",
        readout=readout,
        stage=stage or _stage(),
        cost=cost,
        cold_share=cold,
        settings=chosen,
    )


@pytest.mark.parametrize(
    ("values", "phase", "decision"),
    [
        ({"candidate": "fail", "start": False}, "1 offline evaluation", "Gate 1 has not passed"),
        ({"start": False}, "2 experiment", "plan the experiment"),
        (
            {"start": False, "tables": "contract"},
            "1 offline evaluation",
            "nobody in a data set of the past can be mailed",
        ),
        ({}, "2 experiment", "starts on 2026-03-02"),
        ({"gate2": _verdict("inconclusive", final=False)}, "2 experiment", "at the planned end"),
        ({"gate2": _verdict("inconclusive", final=True)}, "2 experiment", "larger experiment"),
        ({"gate2": _verdict("pass", final=True)}, "2 experiment", "start the rollout"),
        ({"gate2": _verdict("fail", final=True)}, "2B product similarity", "2B"),
        ({"stage": _stage(0.25, True)}, "3 rollout", "The stage after 25%"),
        ({"stage": _stage(0.25, True, True)}, "3 rollout", "A person must"),
        ({"stage": _stage(0.0, True)}, "3 rollout", "rolled back"),
        ({"stage": _stage(1.0, True)}, "served to everyone", "guards go on"),
    ],
)
def test_every_phase_and_its_next_decision(values, phase, decision):
    found = _status(**values)
    assert found.phase == phase
    assert decision in found.next_decision


def test_who_is_served_what():
    assert _status(stage=_stage(0.25, True)).served == "hybrid to 25% of the users, SQL to the others"
    assert _status(stage=_stage(1.0, True)).served == "hybrid to everyone"
    assert _status(stage=_stage(0.0, True)).served == "SQL to everyone"
    assert _status(candidate="fail", stage=_stage(1.0)).served == "SQL to everyone"
    assert _status(candidate="fail", stage=_stage(1.0)).served_share == 0.0


def test_gates_that_were_not_judged_or_cannot_be_trusted_show_no_interval():
    assert _status().gates[2].verdict == "not judged yet"
    invalid = _status(gate2=_verdict("inconclusive", invalid=["sizes"], final=True)).gates[2]
    assert (invalid.verdict, invalid.interval) == ("inconclusive", "")
    assert _status().gates[0].interval == "+10.0% [+1.0%, +20.0%]"


@pytest.mark.parametrize(
    ("values", "lit"),
    [
        ({}, []),
        ({"graph": _verdict("fail", lift=0.0)}, [0]),
        ({"graph": _verdict("inconclusive", lift=-0.1, invalid=["canary"])}, []),
        ({"gate2": _verdict("fail", final=True)}, [1]),
        ({"stage": _stage(0.0, True)}, [2]),
        ({"cost": {"state": "over budget", "sentence": "s"}}, []),
        ({"cost": {"state": "no further training", "sentence": "s"}}, [3]),
    ],
)
def test_reasons_to_stop_are_lit_when_they_apply(values, lit):
    assert [i for i, row in enumerate(_status(**values).stops) if row.applies] == lit


def test_what_cold_means_is_said_and_a_store_of_active_users_is_not_called_dense():
    said = _status(cold=0.92, tiers={"cold": 95, "warm": 5}).cold
    assert "92.0% of the users are cold, with no event before the as-of date" in said
    assert "At the cutoff of the held-out window 95.0% were." in said
    public = _status(cold=0.0, tables="contract", tiers={"cold": 90, "hot": 10})
    assert public.wait_for_data is None
    assert "by construction" in public.cold
    assert "90.0% were" in public.cold
    # A retailer's own tables without a single cold user are another matter.
    assert _status(cold=0.0).wait_for_data is not None


def test_fewer_cold_users_mean_that_waiting_for_data_has_come_true():
    assert _status(cold=0.9).wait_for_data is None
    assert "89.9%" in _status(cold=0.899).wait_for_data
