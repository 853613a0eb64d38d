"""What Dagster is told: every asset, check, job and schedule, written down so that a review sees it change."""

import shutil

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from gnn_assets.definitions import build_defs
from gnn_assets.partitions import as_of, week_tables, weekly_partitions
from gnn_core.contracts import CONTRACTS
from gnn_core.discovery.rules import SIMILARITY_RULES, UNIVERSAL_RULES
from gnn_core.io.artifacts import json_bytes
from gnn_core.monitoring.weekly import CHECKS
from gnn_core.publishing.audit import RULE_NAMES
from tests.fixtures.installation import Installation

RAW = {
    "raw_users": "",
    "raw_vehicles": "",
    "raw_products": "",
    "raw_sends": "",
    "raw_ownership": "raw_users raw_vehicles",
    "raw_fitment": "raw_products raw_vehicles",
    "raw_events": "raw_products raw_users",
    "raw_engagements": "raw_sends",
}
ASSETS = {
    **{name: ("sources", parents, "parquet sql") for name, parents in RAW.items()},
    "interaction_facts": ("graph", " ".join(RAW) + " interaction_facts", "parquet python"),
    "temporal_split": ("graph", " ".join(RAW) + " interaction_facts", "python"),
    "hetero_graph": ("graph", "temporal_split interaction_facts", "pytorch"),
    "gnn_checkpoint": ("training", "hetero_graph gnn_checkpoint", "pytorch"),
    "embeddings": ("training", "gnn_checkpoint", "parquet pytorch"),
    "sql_scores": ("scoring", "temporal_split", "sql"),
    "validation_choice": ("scoring", "gnn_checkpoint sql_scores", "python"),
    "gnn_scores": ("scoring", "gnn_checkpoint temporal_split", "parquet pytorch"),
    "eval_report": (
        "evaluation",
        "hetero_graph gnn_checkpoint sql_scores gnn_scores validation_choice embeddings",
        "python",
    ),
    "promoted_model": ("serving", "eval_report promoted_model", "pytorch"),
    "embedding_drift": ("monitoring", "promoted_model embeddings", "python"),
    "input_drift": ("monitoring", "temporal_split input_drift", "python"),
    "rollout_stage": ("rollout", " ".join(RAW) + " embedding_drift input_drift", "table"),
    "recommendation_candidates": ("serving", "promoted_model rollout_stage", "pytorch sql"),
    "fitment_change_impact": ("serving", "recommendation_candidates", "parquet sql"),
    "recommendations": ("serving", "recommendation_candidates fitment_change_impact", "sql table"),
    "published_embeddings": ("serving", "recommendations promoted_model", "table"),
    "product_similarity": ("discovery", "embeddings", "python table"),
    "universal_ranking": ("discovery", "product_similarity gnn_checkpoint", "python table"),
    "user_similarity": ("discovery", "embeddings", "parquet python"),
    "cross_vehicle_discovery": ("discovery", "recommendation_candidates", "python"),
    "treatment_assignments": ("experiment", "recommendation_candidates promoted_model", "sql table"),
    "experiment_readout": ("experiment", " ".join(RAW) + " treatment_assignments", "python"),
    "serving_metrics": ("monitoring", "recommendations", "python"),
    "shadow_comparison": ("monitoring", "promoted_model gnn_checkpoint recommendation_candidates", "python pytorch"),
    "cost_ledger": ("monitoring", "recommendations", "table"),
    "program_status": (
        "monitoring",
        "eval_report promoted_model experiment_readout rollout_stage serving_metrics cost_ledger shadow_comparison "
        "embedding_drift input_drift",
        "python",
    ),
}
DAILY = {"freshness": ("monitoring", "", "python"), "daily_readout": ("experiment", "", "python")}
ASSETS |= DAILY
"""Asset → group, upstream assets, kinds. An asset upstream of itself reads its own last week."""

BLOCKING = {(f"raw_{table}", "keeps_its_contract") for table in CONTRACTS}
BLOCKING |= {("recommendation_candidates", rule) for rule in RULE_NAMES}
INFORMING = {
    ("hetero_graph", "nothing_after_the_cutoff_is_learned"),
    ("interaction_facts", "merged_facts_equal_a_rebuild"),
    ("eval_report", "gate_1_graph"),
    ("eval_report", "gate_1_candidate"),
    ("treatment_assignments", "the_plan_can_decide"),
    ("experiment_readout", "gate_2"),
    ("rollout_stage", "the_rollout_needs_nobody"),
    *(("serving_metrics", name) for name in CHECKS),
    ("embedding_drift", "the_vectors_keep_their_limits"),
    ("input_drift", "the_inputs_are_what_they_were"),
    ("cost_ledger", "the_month_is_within_budget"),
    ("freshness", "the_feed_is_alive"),
    ("freshness", "the_published_table_is_fresh"),
    ("freshness", "the_table_follows_the_rollout"),
    ("daily_readout", "nobody_is_harmed"),
    *(("product_similarity", rule.name) for rule in SIMILARITY_RULES),
    *(("universal_ranking", rule.name) for rule in UNIVERSAL_RULES),
    ("product_similarity", "products_have_neighbours"),
    ("user_similarity", "groups_have_neighbours"),
    ("universal_ranking", "the_weight_pays_or_is_zero"),
    ("fitment_change_impact", "few_users_lose_slots"),
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """An environment without a store, and the definitions on it. What a test writes there is gone for the next."""
    where = Installation.create(tmp_path_factory.mktemp("definitions") / "empty").environment
    return where, build_defs(where)


@pytest.fixture
def emptied(platform):
    """The same, with nothing written yet."""
    shutil.rmtree(platform[0].state_dir, ignore_errors=True)
    return platform


@pytest.fixture(scope="module")
def definitions(platform):
    return platform[1]


@pytest.fixture(scope="module")
def specs(definitions):
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


def words(text):
    return set(text.split())


def test_every_asset_has_its_group_parents_and_kinds(specs):
    found = {
        name: (spec.group_name, {d.asset_key.to_user_string() for d in spec.deps}, set(spec.kinds))
        for name, spec in specs.items()
    }
    assert found == {name: (group, words(up), words(kinds)) for name, (group, up, kinds) in ASSETS.items()}


def test_every_asset_has_an_owner_a_description_and_a_code_version(specs):
    for name, spec in specs.items():
        assert spec.owners == ["team:recommendations"], name
        assert spec.description, f"{name} has no description"
        assert len(spec.description) > 40, f"{name}: {spec.description!r} tells a newcomer nothing"
        assert spec.code_version, name


def test_every_asset_is_partitioned_by_the_same_weeks_and_a_daily_look_by_days(specs):
    weekly = dg.WeeklyPartitionsDefinition("2025-09-01", day_offset=1, timezone="UTC", fmt="%Y-%m-%d")
    daily = dg.DailyPartitionsDefinition("2025-09-08", timezone="UTC", fmt="%Y-%m-%d")
    wanted = dict.fromkeys(ASSETS, weekly) | dict.fromkeys(DAILY, daily)
    assert {name: spec.partitions_def for name, spec in specs.items()} == wanted


def test_what_builds_on_last_week_reads_the_week_before_and_nothing_later(specs):
    week = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    for name in ("gnn_checkpoint", "promoted_model", "interaction_facts"):
        own = [d for d in specs[name].deps if d.asset_key.to_user_string() == name]
        assert [d.partition_mapping for d in own] == [week]


def test_contracts_and_audit_block_and_gates_inform(graph):
    found = {
        (key.asset_key.to_user_string(), key.name): graph.get_check_spec(key).blocking for key in graph.asset_check_keys
    }
    assert found == dict.fromkeys(BLOCKING, True) | dict.fromkeys(INFORMING, False)


def test_every_check_says_what_it_asks(graph):
    for key in graph.asset_check_keys:
        assert graph.get_check_spec(key).description, key


def test_a_contract_check_waits_for_the_tables_that_its_foreign_keys_name(graph):
    for name, contract in CONTRACTS.items():
        key = dg.AssetCheckKey(dg.AssetKey(f"raw_{name}"), "keeps_its_contract")
        waits = {d.asset_key.to_user_string() for d in graph.get_check_spec(key).additional_deps}
        assert waits == {f"raw_{fk.table}" for fk in contract.foreign_keys}


def test_weekly_job_runs_every_asset_and_every_check_in_one_process(definitions, graph):
    job = definitions.resolve_job_def("weekly")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(ASSETS) - set(DAILY)
    checks = {key for key in graph.asset_check_keys if key.asset_key.to_user_string() not in DAILY}
    assert set(job.asset_layer.asset_graph.asset_check_keys) == checks
    assert job.executor_def is dg.in_process_executor


def test_steps_that_open_the_warehouse_share_one_pool(graph):
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.get_all_asset_keys()}
    opens = {*RAW, "sql_scores", "validation_choice", "eval_report", "recommendation_candidates", "recommendations"}
    opens |= {"rollout_stage", "treatment_assignments", "experiment_readout"}
    opens |= {"serving_metrics", "shadow_comparison", "cost_ledger", "fitment_change_impact", *DAILY}
    opens |= {"product_similarity", "universal_ranking", "cross_vehicle_discovery", "published_embeddings"}
    opens |= {"embedding_drift", "program_status"}
    assert pools == {name: {"warehouse"} if name in opens else set() for name in ASSETS}


def test_a_week_is_named_by_its_monday_and_known_up_to_the_next(definitions):
    assert as_of("2026-02-23").isoformat() == "2026-03-02"
    assert str(week_tables("2026-02-23", "work").table("events")) == "work.events_20260302"


@pytest.mark.parametrize(("last_week", "newest"), [("2026-02-23", "2026-02-23"), ("2025-09-01", "2025-09-01")])
def test_a_store_that_has_ended_has_no_later_week(tmp_path, last_week, newest):
    made = Installation.create(tmp_path / "ended")
    made.profile({"store": {"name": "ended", "last_week": last_week}})
    assert weekly_partitions(made.settings.store).get_last_partition_key() == newest


def test_definitions_load_without_a_store_and_write_nothing(tmp_path):
    made = Installation.create(tmp_path / "empty")
    build_defs(made.environment).resolve_job_def("weekly")
    assert not made.environment.state_dir.exists()


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        ("experiment", {*RAW, "experiment_readout", "rollout_stage", "program_status"}),
        ("republish", {"rollout_stage", "recommendation_candidates", "recommendations"}),
        ("watch", set(DAILY)),
    ],
)
def test_jobs_between_two_mondays_train_nothing(definitions, job, assets):
    layer = definitions.resolve_job_def(job).asset_layer
    assert {key.to_user_string() for key in layer.executable_asset_keys} == assets
    audited = {key.asset_key.to_user_string() for key in layer.asset_graph.asset_check_keys}
    assert ("recommendation_candidates" in audited) is (job == "republish")


def _after_failure(where, definitions, partition):
    sensor = next(s for s in definitions.sensors if s.name == "guards_are_read_without_training")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/partition": partition} if partition else {}
        run = create_run_for_test(instance, job_name="weekly", tags=tags)
        failed = dg.DagsterEvent(
            event_type_value="PIPELINE_FAILURE", job_name="weekly", message="failed", event_specific_data=None
        )
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name, dagster_instance=instance, dagster_run=run, dagster_event=failed
        ).for_run_failure()
        return sensor(context)


def test_a_weekly_run_that_failed_leaves_no_running_rollout_unwatched(emptied):
    where, definitions = emptied
    assert "No rollout is running" in _after_failure(where, definitions, "2026-03-02").skip_message
    _stage(where, "2026-02-23", from_ledger=True, share=0.25)
    request = _after_failure(where, definitions, "2026-03-02")
    assert request.partition_key == "2026-03-02"
    assert "names no week" in _after_failure(where, definitions, None).skip_message
    _stage(where, "2026-02-23", from_ledger=True, share=0.0)
    assert "No rollout is running" in _after_failure(where, definitions, "2026-03-02").skip_message
    _stage(where, "2026-02-23", from_ledger=False, share=1.0)
    assert "No rollout is running" in _after_failure(where, definitions, "2026-03-02").skip_message


def _stage(where, week, **values):
    store = where.artifacts(where.settings())
    content = {"action": None, "share": 0.1, "reason": "Day 1.", "sequence": 4, "from_ledger": True, **values}
    store.write(week, "rollout_stage", {"stage.json": json_bytes(content)})


def test_whatever_reads_the_week_waits_for_all_of_its_tables(definitions, specs):
    """A step reads and writes artifacts beside the week's tables, all of them; in pods nothing else keeps the order."""
    parents = {name: {d.asset_key.to_user_string() for d in spec.deps} - {name} for name, spec in specs.items()}

    def ancestors(name):
        return {name}.union(*(ancestors(parent) for parent in parents[name]))

    weekly = {k.to_user_string() for k in definitions.resolve_job_def("weekly").asset_layer.executable_asset_keys}
    early = {name for name in weekly - set(RAW) if not set(RAW) <= ancestors(name)}
    assert early == set()
