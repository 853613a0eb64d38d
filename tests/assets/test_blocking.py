"""Bad lists and broken tables never reach the live table: not through the job, and not around it.

Two worlds: ten users by hand, where every mutation of the publishing tests fits; and the simulated store, where the
real steps stage, audit and publish.
"""

import dataclasses
import json

import dagster as dg
import pyarrow as pa
import pytest

from gnn_assets import promotion
from gnn_assets.assets import candidates, sources
from gnn_assets.definitions import build_defs
from gnn_core.contracts import CONTRACTS
from gnn_core.errors import ArtifactError, WarehouseBusyError
from gnn_core.io.artifacts import json_bytes
from gnn_core.publishing.audit import RULE_NAMES
from gnn_core.publishing.digest import table_digest
from gnn_core.publishing.schema import RECOMMENDATIONS
from tests.core.publishing.world import LIMITS, MUTATIONS, good_rows, load_directly
from tests.fixtures.installation import QUICK, Installation
from tests.fixtures.ten_users import PROFILE, TEN_USERS

SIMULATED = "2026-02-23"
CANDIDATES, LIVE = dg.AssetKey("recommendation_candidates"), dg.AssetKey("recommendations")
FAST = ("wrong year",)
"""The others are slow here; the publishing tests see every rule fail in the fast tier."""
AUDITED = dg.define_asset_job(
    "audited",
    selection=dg.AssetSelection.assets(LIVE) | dg.AssetSelection.checks_for_assets(CANDIDATES),
    executor_def=dg.in_process_executor,
)
"""What a run does from the staged candidates on: audit, then publish."""


def execute(store, week, job="weekly", assets=None):
    """Run a job in this process on an instance of its own."""
    definitions = dg.Definitions.merge(build_defs(store.environment), dg.Definitions(jobs=[AUDITED]))
    return definitions.resolve_job_def(job).execute_in_process(
        partition_key=week, asset_selection=assets, raise_on_error=False
    )


def red(result):
    """Failed blocking checks, by asset and name."""
    return {
        (e.asset_key.to_user_string(), e.check_name)
        for e in result.get_asset_check_evaluations()
        if not e.passed and e.blocking
    }


def done(result):
    """Assets that a run materialised."""
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def refusal(result, step="recommendations"):
    """What the failed step says."""
    error = result.failure_data_for_node(step).error
    return (error.cause or error).message


# Ten users by hand ---------------------------------------------------------------------------------------------------


def staged(made, rows):
    """Rows as the candidates of run r2: the table, and the artifact that points to it, made from the week's tables."""
    store = made.environment.artifacts(made.settings)
    tables = [store.write(TEN_USERS, f"raw_{name}", {}, sections=("eligibility",)) for name in CONTRACTS]
    table = load_directly(made.warehouse, "recommendation_candidates__r2", rows)
    found = {"table": str(table), "digest": table_digest(made.warehouse, table), "ledger_share": None}
    store.write(TEN_USERS, CANDIDATES.to_user_string(), {"staged.json": json_bytes(found)}, inputs=tables)


def test_good_lists_pass_every_check_and_are_published(ten_users):
    staged(ten_users, good_rows("r2"))
    result = execute(ten_users, TEN_USERS, "audited")
    assert result.success
    passed = {e.check_name for e in result.get_asset_check_evaluations() if e.passed and e.blocking}
    assert passed == set(RULE_NAMES)
    assert ten_users.live.run_id == "r2"


@pytest.mark.parametrize(
    "mutation",
    [pytest.param(m, id=m.name, marks=[] if m.name in FAST else pytest.mark.slow) for m in MUTATIONS],
)
def test_a_spoiled_list_is_red_and_skipped_together_and_refused_alone(ten_users, mutation):
    before = ten_users.live
    ten_users.profile({**PROFILE, **mutation.settings})
    staged(ten_users, mutation.spoil(good_rows("r2")))

    together = execute(ten_users, TEN_USERS, "audited")
    assert not together.success
    assert {rule for _, rule in red(together)} == mutation.failing
    assert done(together) == set()
    assert ten_users.live == before

    alone = execute(ten_users, TEN_USERS, assets=[LIVE])
    assert not alone.get_asset_check_evaluations()  # nothing but the publisher stands in the way here
    assert not alone.success
    assert mutation.rule in refusal(alone)
    assert "serving.recommendations still holds run r1" in refusal(alone)
    assert ten_users.live == before


def test_rows_swapped_after_the_audit_are_refused_by_their_digest(ten_users):
    staged(ten_users, good_rows("r2"))
    before = ten_users.live
    other = [r | {"reason": "because"} for r in good_rows("r2")]
    load_directly(ten_users.warehouse, "recommendation_candidates__r2", other)
    alone = execute(ten_users, TEN_USERS, assets=[LIVE])
    assert "expected_digest" in refusal(alone)
    assert ten_users.live == before


# The simulated store -------------------------------------------------------------------------------------------------


def price(rows):
    return [rows[0] | {"price": 12.5}, *rows[1:]]


def twice(rows):
    return [rows[0], rows[0] | {"slot": 2}, *rows[2:]]


def half(rows):
    return rows[: len(rows) // 2]


@pytest.fixture
def scoring_with_a_bug(monkeypatch):
    """Let the scoring step return spoiled lists: what is staged, audited and refused is real."""

    def spoil(change):
        recommend = candidates.recommend

        def spoiled(*args, **kwargs):
            lists = recommend(*args, **kwargs)
            rows = change(lists.table.to_pylist())
            return type(lists)(**{**vars(lists), "table": pa.Table.from_pylist(rows, schema=RECOMMENDATIONS)})

        monkeypatch.setattr(candidates, "recommend", spoiled)

    return spoil


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        pytest.param(price, {"price_floor", "catalogue_price"}, id="a price of 12.50"),
        pytest.param(twice, {"unique_products"}, id="a product twice", marks=pytest.mark.slow),
        pytest.param(half, {"min_users", "coverage", "row_change"}, id="half of the users", marks=pytest.mark.slow),
    ],
)
def test_a_bug_in_scoring_stops_before_the_live_table(published_copy, scoring_with_a_bug, change, rules):
    before = published_copy.live
    scoring_with_a_bug(change)
    result = execute(published_copy, SIMULATED, assets=[CANDIDATES, LIVE])
    assert not result.success
    assert {rule for _, rule in red(result)} >= rules
    assert done(result) == {"recommendation_candidates"}
    assert published_copy.live == before


@pytest.fixture
def gate_passed(monkeypatch):
    """Let gate 1 have passed: ten training steps win no gate, and what follows from a pass has to be seen."""
    from_json = promotion.GateVerdict.from_json
    monkeypatch.setattr(
        promotion.GateVerdict, "from_json", lambda values: dataclasses.replace(from_json(values), verdict="pass")
    )


@pytest.mark.slow
def test_a_passed_gate_refits_the_graph_and_publishes_the_hybrid_twice_the_same(published_copy, gate_passed):
    before = published_copy.live
    assets = [dg.AssetKey("promoted_model"), CANDIDATES, LIVE]
    assert execute(published_copy, SIMULATED, assets=assets).success
    first = published_copy.live
    assert (before.source, first.source) == ("sql_v5.17", "hybrid")
    live = published_copy.warehouse.read(first.table).to_pandas()
    assert live["gnn_score"].notna().all()
    assert execute(published_copy, SIMULATED, assets=assets).success
    assert (published_copy.live.run_id != first.run_id, published_copy.live.digest) == (True, first.digest)


@pytest.mark.slow
def test_an_experiment_serves_the_hybrid_to_its_share_and_sql_to_the_rest(published_copy, gate_passed):
    published_copy.overlay({**QUICK, "serving": {"hybrid_share": 0.3}})
    assets = [dg.AssetKey("promoted_model"), dg.AssetKey("rollout_stage"), CANDIDATES, LIVE]
    assert execute(published_copy, SIMULATED, assets=[dg.AssetKey("eval_report"), *assets]).success
    live = published_copy.warehouse.read(published_copy.live.table).to_pandas()
    users = live.groupby("user_id")["source"].agg(["nunique", "first"])
    assert (users["nunique"] == 1).all()
    assert 0.25 < (users["first"] == "hybrid").mean() < 0.35


def test_a_model_made_from_other_tables_of_the_week_serves_nobody(published_copy):
    before = published_copy.live
    published_copy.change_source("user_attributes", lambda table: table.slice(50))
    assert execute(published_copy, SIMULATED, assets=[dg.AssetKey("raw_users")]).success
    result = execute(published_copy, SIMULATED, assets=[CANDIDATES, LIVE])
    assert "2026-02-23/promoted_model was made from 2026-02-23/raw_users at version" in refusal(
        result, "recommendation_candidates.plan_shards"
    )
    assert done(result) == set()
    assert published_copy.live == before


# A shard that fails --------------------------------------------------------------------------------------------------


@pytest.fixture
def failing_shard(monkeypatch):
    """Four shards, of which the second raises so many times; the numbers of the shards that were tried."""
    monkeypatch.setattr(candidates, "shard_count", lambda *_: 4)  # a setting would make the model anew
    policy = candidates.RETRY
    monkeypatch.setattr(candidates, "RETRY", dg.RetryPolicy(max_retries=policy.max_retries, delay=0.01))
    score, tried = candidates._score, []

    def install(times, error):
        def sometimes(week, number):
            tried.append(number)
            if number == 1 and tried.count(1) <= times:
                raise error
            return score(week, number)

        monkeypatch.setattr(candidates, "_score", sometimes)
        return tried

    return install


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [OSError("the node went away"), WarehouseBusyError("held")], ids=["a lost node", "a busy warehouse"]
)
def test_a_shard_that_fails_once_is_tried_again_alone_and_the_table_is_whole(published_copy, failing_shard, error):
    before, tried = published_copy.live, failing_shard(1, error)
    result = execute(published_copy, SIMULATED, assets=[CANDIDATES, LIVE])
    assert result.success
    assert sorted(tried) == [0, 1, 1, 2, 3]
    retried = [e.step_key for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert retried == ["recommendation_candidates.score_shard[shard_1]"]
    assert published_copy.live.run_id == result.run_id
    assert (published_copy.live.digest, published_copy.live.users) == (before.digest, before.users)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "tries", "says"),
    [
        pytest.param(OSError("the node went away"), 3, "the node went away", id="again and again"),
        pytest.param(ArtifactError("the plan is of another week"), 1, "shard_1: the plan is", id="a refusal"),
    ],
)
def test_a_shard_that_fails_for_good_publishes_nothing_and_is_named(published_copy, failing_shard, error, tries, says):
    before, tried = published_copy.live, failing_shard(99, error)
    result = execute(published_copy, SIMULATED, assets=[CANDIDATES, LIVE])
    assert not result.success
    assert tried.count(1) == tries
    (failed,) = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    assert failed.step_key == "recommendation_candidates.score_shard[shard_1]"
    assert says in str(failed.step_failure_data.error)
    assert "recommendations" not in done(result)
    assert published_copy.live == before


# Contract tables -----------------------------------------------------------------------------------------------------


@pytest.fixture
def staging_with_a_bug(monkeypatch):
    """Let staging hand on a table with its first row twice, or with none of its rows."""

    def spoil(name, change):
        conform = sources.conform
        monkeypatch.setattr(
            sources, "conform", lambda n, table: change(conform(n, table)) if n == name else conform(n, table)
        )

    return spoil


def repeated(table):
    return pa.concat_tables([table.slice(0, 1), table])


def orphaned(column):
    return lambda table: table.set_column(
        table.column_names.index(column), table.schema.field(column), pa.array(["nobody"] * len(table), pa.string())
    )


BREAKS = {
    "users": (repeated, "2 row(s) with a repeated key"),
    "vehicles": (repeated, "2 row(s) with a repeated key"),
    "products": (repeated, "2 row(s) with a repeated key"),
    "ownership": (orphaned("user_id"), "whose user_id is not in users.user_id"),
    "fitment": (orphaned("product_id"), "whose product_id is not in products.product_id"),
    "events": (orphaned("event_type"), "with event_type not in ('view', 'cart', 'order')"),
    "sends": (repeated, "2 row(s) with a repeated key"),
    "engagements": (orphaned("kind"), "with kind not in ('open', 'click')"),
}


def test_every_contract_table_is_broken_once():
    assert set(BREAKS) == set(CONTRACTS)


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [pytest.param(t, *b, id=t, marks=[] if t == "users" else pytest.mark.slow) for t, b in BREAKS.items()],
)
def test_a_broken_contract_table_blocks_what_reads_it(published_copy, staging_with_a_bug, table, change, says):
    staging_with_a_bug(table, change)
    result = execute(published_copy, SIMULATED, assets=[dg.AssetKey(f"raw_{table}"), dg.AssetKey("temporal_split")])
    assert red(result) == {(f"raw_{table}", "keeps_its_contract")}
    (check,) = (e for e in result.get_asset_check_evaluations() if not e.passed)
    assert says in check.description
    assert done(result) == {f"raw_{table}"}


@pytest.mark.slow
def test_a_broken_contract_table_blocks_the_whole_week(published_copy, staging_with_a_bug):
    before = published_copy.live
    staging_with_a_bug("users", repeated)
    result = execute(published_copy, SIMULATED)
    assert red(result) == {("raw_users", "keeps_its_contract")}
    reads_no_users = {f"raw_{name}" for name in ("users", "vehicles", "products", "fitment", "sends", "engagements")}
    assert done(result) == reads_no_users
    assert published_copy.live == before


def test_a_store_of_contract_tables_that_breaks_its_contract_is_never_snapshotted(tmp_path):
    made = Installation.create(tmp_path / "store", LIMITS)
    made.profile({"store": PROFILE["store"] | {"tables": "contract"}})
    made.warehouse.ensure_dataset("source")
    users = pa.Table.from_pylist(
        [{"user_id": "u01", "email_consent": True, "registered_at": None}] * 2, schema=CONTRACTS["users"].schema
    )
    made.warehouse.load(made.source("users"), users)
    result = execute(made, TEN_USERS, assets=[dg.AssetKey("raw_users"), dg.AssetKey("temporal_split")])
    assert "source table users" in refusal(result, "raw_users")
    assert "2 row(s) with a repeated key ('user_id',)" in refusal(result, "raw_users")
    assert done(result) == set()


def test_the_red_check_says_what_offends_without_naming_a_person(ten_users):
    staged(ten_users, [r | {"price": 1.0} if r["user_id"] == "u01" else r for r in good_rows("r2")])
    result = execute(ten_users, TEN_USERS, "audited")
    (floor,) = (e for e in result.get_asset_check_evaluations() if e.check_name == "price_floor")
    assert floor.metadata["offenders"].value == 4
    assert "P10" in floor.metadata["examples"].md_str
    assert "u01" not in json.dumps([str(v.value) for v in floor.metadata.values()])
