"""From a red check or a failed run to the message in the channel, over Dagster's own log, HTTP and SMTP."""

import datetime as dt
import functools
import logging
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from gnn_assets.alerts import post
from gnn_assets.alerts import published as published_module
from gnn_assets.alerts.post import look_and_post, open_outbox
from gnn_assets.definitions import build_defs
from gnn_assets.environment import PROJECT, Environment
from gnn_assets.following import LAST_TRY_TAG, MOVE_TAG
from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ContractError, WarehouseBusyError
from gnn_core.io.artifacts import json_bytes
from tests.assets.test_blocking import AUDITED, staged
from tests.core.publishing.world import LIMITS, good_rows
from tests.fixtures.installation import Installation
from tests.fixtures.listeners import mail_server, webhook_server
from tests.fixtures.ten_users import TEN_USERS

CHANNELS = {
    "routes": {"critical": ["webhook", "email"], "error": ["webhook"], "warning": ["webhook"]},
    "base_url": "https://dagster.example",
    "smtp_host": "127.0.0.1",
    "smtp_security": "none",
    "email_from": "gnn@example.com",
    "email_to": ["oncall@example.com"],
}
RED = "🔴 recommendation_candidates · price_floor is red"


@pytest.fixture
def webhook(monkeypatch):
    with webhook_server() as server:
        monkeypatch.setenv("GNN_ALERT_WEBHOOK_URL", server.url)
        yield server


@pytest.fixture
def mail():
    with mail_server() as server:
        yield server


@pytest.fixture
def instance():
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def store(tmp_path, mail):
    made = Installation.create(tmp_path / "store")
    made.overlay({"alerts": {**CHANNELS, "smtp_port": mail.port}})
    return made


@functools.cache
def assets_of_the_platform():
    """The graph of its assets, which is the same in every environment."""
    return build_defs(Environment("local", PROJECT / "configs", Path("unused"))).resolve_asset_graph()


def look(store, instance, hours=0.0, definitions=None):
    graph = definitions.resolve_asset_graph() if definitions else assets_of_the_platform()
    return look_and_post(store.environment, instance, graph, dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours))


def facts(message):
    """Label → value of a Slack message's fields."""
    fields = [f["text"] for block in message["blocks"] for f in block.get("fields", [])]
    return {label.strip("*"): value for label, _, value in (f.partition("\n") for f in fields)}


# The platform itself, on ten users -----------------------------------------------------------------------------------


@pytest.fixture
def told(ten_users, webhook, mail):
    """The ten users' store, with both channels, and four rows of one user below the price floor."""
    ten_users.overlay({**LIMITS, "alerts": {**CHANNELS, "smtp_port": mail.port}})
    staged(ten_users, [r | {"price": 1.0} if r["user_id"] == "u01" else r for r in good_rows("r2")])
    return ten_users


@pytest.mark.slow
def test_a_bad_price_is_told_once_to_both_channels_with_all_that_somebody_needs(told, webhook, mail, tmp_path):
    definitions = dg.Definitions.merge(build_defs(told.environment), dg.Definitions(jobs=[AUDITED]))
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:  # with files, as a laptop has them
        job = definitions.resolve_job_def("audited")
        assert not job.execute_in_process(instance=instance, partition_key=TEN_USERS, raise_on_error=False).success
        for hours in (0, 0.01, 1):
            look(told, instance, hours, definitions)
    assert webhook.texts == [RED, "🔴 recommendation_candidates · catalogue_price is red"]
    message = webhook.received[0]
    assert message["blocks"][1]["text"]["text"] == "4 offend: No product costs less than 50 USD."
    said = facts(message)
    assert said["Week"] == TEN_USERS
    assert said["Rows"] == "4 offend"
    assert said["Blocked"] == "recommendations"
    assert said["The table still holds"].startswith("run r1, 39 rows for 10 users, ")
    assert said["What to do"] == "docs/operations/handbook.md, price_floor"
    whole = str(webhook.received)
    assert "P10" in whole
    assert "u01" not in whole, "a person is named"
    assert "https://dagster.example/assets/recommendation_candidates?view=checks&checkDetail=price_floor" in whole
    recipients, mailed = mail.received[0]
    assert (recipients, mailed["Subject"]) == (["oncall@example.com"], RED)
    assert "4 offend" in mailed.get_content()
    assert len(mail.received) == 2


def test_a_refused_publish_is_told_as_a_failed_run(told, webhook, instance):
    job = build_defs(told.environment).resolve_implicit_global_asset_job_def()
    only = [dg.AssetKey("recommendations")]
    result = job.execute_in_process(
        instance=instance, partition_key=TEN_USERS, raise_on_error=False, asset_selection=only
    )
    assert not result.success
    look(told, instance)
    (message,) = webhook.received
    assert message["text"] == "🔴 A run launched by hand failed at recommendations"
    assert "price_floor: it does not hold that" in message["blocks"][1]["text"]["text"]
    assert "u01" not in str(message)
    said = facts(message)
    assert (said["Not made"], said["Step"]) == ("recommendations", "recommendations")
    assert said["The table still holds"].startswith("run r1, ")
    assert f"https://dagster.example/runs/{result.run_id}" in str(message)


def test_an_automatic_rollback_is_told_and_the_publish_after_it_does_not_call_it_well(store, webhook, instance):
    artifacts = store.environment.artifacts(store.settings)
    red = {"share": 0.0, "action": "rollback", "alerts": True, "rolled_back": True, "reason": "Clicks fell."}
    calm = red | {"action": None, "alerts": False, "reason": "The rollout is not running."}
    check = dg.define_asset_job("stage_check", selection=dg.AssetSelection.checks_for_assets("rollout_stage"))
    definitions = dg.Definitions.merge(build_defs(store.environment), dg.Definitions(jobs=[check]))
    for name in CONTRACTS:
        artifacts.write(TEN_USERS, f"raw_{name}", {})
    told = []
    for content in (red, calm, calm | {"rolled_back": False, "reason": "Started anew."}):
        artifacts.write(TEN_USERS, "rollout_stage", {"stage.json": json_bytes(content)})
        definitions.resolve_job_def("stage_check").execute_in_process(
            instance=instance, tags={"dagster/partition": TEN_USERS}, raise_on_error=False
        )
        look(store, instance)
        told.append(list(webhook.texts))
    assert told[0] == told[1] == ["🔴 The rollout went back to SQL"]
    assert "Clicks fell" in str(webhook.received)
    assert told[2][1:] == ["🟢 resolved: The rollout went back to SQL"]


# A check that is red as often as told --------------------------------------------------------------------------------


class Weekly:
    """Candidates, a blocking check on them, and the table, on an instance."""

    def __init__(self, instance):
        self.instance, self.red = instance, True

        @dg.asset_check(asset="recommendation_candidates", blocking=True)
        def price_floor():
            return dg.AssetCheckResult(passed=not self.red, metadata={"offenders": 4})

        assets = [
            dg.asset(name="recommendation_candidates")(lambda: None),
            dg.asset(name="recommendations", deps=["recommendation_candidates"])(lambda: None),
        ]
        self.definitions = dg.Definitions(
            assets=assets, asset_checks=[price_floor], jobs=[dg.define_asset_job("weekly")],
            executor=dg.in_process_executor,
        )  # fmt: skip

    def run(self, red=True, week="2026-02-23"):
        self.red = red
        job = self.definitions.resolve_job_def("weekly")
        return job.execute_in_process(instance=self.instance, raise_on_error=False, tags={"dagster/partition": week})


@pytest.fixture
def weekly(instance):
    return Weekly(instance)


def test_repetitions_are_counted_and_the_end_is_told(store, webhook, instance, weekly):
    for hours in (0, 1, 2):
        assert not weekly.run().success
        look(store, instance, hours)
    assert webhook.texts == [RED]
    assert facts(webhook.received[0])["The table still holds"] == "nothing was ever published"
    look(store, instance, 13)
    assert webhook.texts[1:] == [RED.replace("🔴", "🔴 again:")]
    assert facts(webhook.received[1])["Since the last alert"] == "failed 2 more time(s)"
    assert weekly.run(red=False, week="2026-02-16").success
    look(store, instance, 14)
    assert len(webhook.texts) == 2, "another, older week is well"
    assert weekly.run(red=False).success
    look(store, instance, 14)
    assert webhook.texts[2:] == [RED.replace("🔴", "🟢 resolved:")]


def test_servers_that_are_down_lose_nothing_and_fail_no_run(store, webhook, mail, instance, weekly, caplog):
    caplog.set_level(logging.DEBUG)
    webhook.answers, mail.answer = [500, 302, 200], "451 later"
    weekly.run()
    assert look(store, instance).waiting == 1
    mail.answer = "250 OK"
    assert look(store, instance, 0.005).delivered == 0, "not before its time"
    look(store, instance, 0.1)
    assert (webhook.received, len(mail.received)) == ([], 1)
    assert open_outbox(store.environment).waiting[0]["deliveries"]["webhook"]["error"] == "the webhook answered 302"
    look(store, instance, 0.5)
    assert len(webhook.received) == len(mail.received) == 1
    assert "very-secret" not in caplog.text
    webhook.answers = [500]
    assert weekly.run(red=False).success


def test_a_run_that_its_process_did_not_survive_is_told(store, webhook, instance):
    run = create_run_for_test(instance, job_name="weekly", status=DagsterRunStatus.STARTED)
    lost = DagsterEvent(DagsterEventType.RUN_FAILURE.value, "weekly", message="Detected run worker status FAILED")
    instance.report_dagster_event(lost, run.run_id)
    look(store, instance)
    assert webhook.texts == ["🟠 Job weekly failed"]
    assert "Detected run worker status FAILED" in str(webhook.received)


def test_a_red_contract_says_that_the_rollouts_guards_are_not_read(store, webhook, instance):
    def asset(name, *deps):
        return dg.asset(name=name, deps=deps)(lambda: None)

    @dg.asset_check(asset="raw_users", blocking=True)
    def keeps_its_contract():
        return dg.AssetCheckResult(passed=False)

    names = [f"a{n}" for n in range(7)]
    assets = [asset("raw_users"), *(asset(name, "raw_users") for name in names), asset("rollout_stage", *names)]
    definitions = dg.Definitions(
        assets=[*assets, asset("recommendations", "rollout_stage")], asset_checks=[keeps_its_contract],
        jobs=[dg.define_asset_job("weekly")],
    )  # fmt: skip
    job = definitions.resolve_job_def("weekly")
    assert not job.execute_in_process(instance=instance, raise_on_error=False).success
    look(store, instance, definitions=definitions)
    blocked = facts(webhook.received[0])["Blocked"]
    assert blocked == ("recommendations, rollout_stage (the rollout's guards are not read), a0, a1, a2, a3 and 3 more")


def test_the_last_try_of_a_rollback_that_is_not_published_is_told_beside_its_failure(store, webhook, instance):
    tags = {"dagster/partition": "2026-02-23", MOVE_TAG: "7"}
    for last in ({}, {LAST_TRY_TAG: "yes"}):
        create_run_for_test(instance, job_name="republish", status=DagsterRunStatus.FAILURE, tags=tags | last)
        look(store, instance)
    title = "🔴 The table does not follow the rollout"
    assert webhook.texts == ["🟠 Job republish failed", title]  # its own failure is a repetition, and counted
    said = facts(webhook.received[1])
    assert said["Rollout"] == "move 7 of its ledger"
    assert said["What to do"] == "docs/operations/handbook.md, the table does not follow the rollout"


def test_a_busy_warehouse_is_named_and_the_log_speaks_for_it(store, webhook, instance, weekly, monkeypatch):
    def busy(*_):
        raise WarehouseBusyError("held by another process")

    monkeypatch.setattr(published_module, "read_ledger", busy)
    weekly.run()
    look(store, instance)
    held = facts(webhook.received[0])["The table still holds"]
    assert held == "no publish is known (from Dagster's log: WarehouseBusyError)"


def test_a_run_that_cannot_be_read_is_told_and_silences_nothing(store, webhook, instance, weekly, monkeypatch):
    first, true = weekly.run().run_id, post.findings_of

    def broken(instance, run, *rest):
        if run.run_id == first:
            raise KeyError("offenders")
        return true(instance, run, *rest)

    monkeypatch.setattr(post, "findings_of", broken)
    weekly.run()
    look(store, instance)
    assert webhook.texts == [f"🟠 Run {first[:8]} could not be read", RED]


def test_the_first_look_at_an_old_installation_tells_a_day_and_not_its_history(store, webhook, instance, weekly):
    weekly.run()
    look(store, instance, 25)
    assert webhook.received == []


def test_what_happens_while_nobody_looks_is_told_however_late(store, webhook, instance, weekly):
    look(store, instance)
    weekly.run()
    look(store, instance, 24 * 20)
    assert webhook.texts == [RED]


def test_an_error_text_is_told_without_examples_and_addresses(store, webhook, instance):
    @dg.asset
    def raw_users():
        raise ContractError("events.user_id: 3 value(s) without a parent row, such as ['ann', 'bob'], of ann@x.org")

    dg.materialize([raw_users], instance=instance, raise_on_error=False)
    look(store, instance)
    said = webhook.received[0]["blocks"][1]["text"]["text"]
    assert said == (
        "gnn_core.errors.ContractError: events.user_id: 3 value(s) without a parent row, such as (see the run), "
        "of (an e-mail address)"
    )


def test_the_sensor_is_on_and_says_what_it_did(store, webhook, instance, weekly):
    weekly.run()
    definitions = build_defs(store.environment)
    (sensor,) = (s for s in definitions.sensors if s.name == "alerts_are_sent")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    context = dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
    answer = sensor.evaluate_tick(context)
    assert answer.skip_message == "1 run(s) looked at, 1 new alert(s), 2 delivered"


# By hand ------------------------------------------------------------------------------------------------------------


def test_gnn_alerts_test_reaches_every_channel_and_says_which_did_not_take_it(store, webhook, mail):
    assert store.gnn("alerts", "test") == "email: delivered webhook: delivered "
    assert webhook.texts == ["🟡 test: alerts reach this channel"]
    webhook.answers = [404]
    said = store.gnn("alerts", "test", "--severity", "error", code=1)
    assert said == "webhook: not delivered: the webhook answered 404 "
    assert len(mail.received) == 1
    store.overlay({})
    assert "No channel is named" in store.gnn("alerts", "test", code=1)


def test_gnn_alerts_show_lists_what_is_open_and_what_waits(store, webhook, instance, weekly):
    assert store.gnn("alerts", "show") == "Nothing was ever told. "
    webhook.answers = [500]
    weekly.run()
    look(store, instance)
    said = store.gnn("alerts", "show")
    assert "webhook: waiting after 1 attempt(s), the webhook answered 500" in said
    assert "open: check:recommendation_candidates:price_floor" in said
