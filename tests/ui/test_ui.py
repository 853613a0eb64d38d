"""What a person sees and does in Dagster: find the assets, run the week, read the result, see a bad list stopped."""

import pyarrow as pa
import pytest

from gnn_core.io.warehouse import TableName
from tests.ui.conftest import JOB

pytestmark = [pytest.mark.browser, pytest.mark.timeout(7200)]
RUN_MS = 3_000_000
"""A busy machine may take most of an hour for a week that takes a minute on a quiet one."""
GROUPS = ("sources", "graph", "training", "scoring", "evaluation", "serving", "experiment", "rollout", "monitoring")
AUTOMATIONS = (
    "every_monday",
    "every_day",
    "alerts_are_sent",
    "new_data_are_refreshed",
    "rollout_is_published",
    "guards_are_read_without_training",
)


@pytest.fixture(scope="module")
def published(ui):
    """The newest week, launched in the job's page and waited for in the list of runs."""
    ui.open(JOB)
    ui.launch_newest()
    ui.open("/runs")
    ui.page.get_by_text("Success", exact=True).or_(ui.page.get_by_text("Failure", exact=True)).first.wait_for(
        timeout=RUN_MS
    )
    ui.keep("run")
    assert ui.page.get_by_text("Success", exact=True).count() == 1
    return ui.store.live


def test_lineage_shows_every_group(ui):
    ui.open("/asset-groups")
    for group in GROUPS:
        ui.page.get_by_text(group, exact=True).first.wait_for()
    ui.keep("lineage")


def test_schedules_and_sensors_are_on(ui):
    ui.open("/automation")
    for name in AUTOMATIONS:
        ui.page.get_by_text(name).first.wait_for()
    ui.page.get_by_text("only on Monday").first.wait_for()
    on = "number => document.querySelectorAll('input[type=checkbox]:checked').length === number"
    ui.page.wait_for_function(on, arg=len(AUTOMATIONS))
    ui.keep("automation")


def test_a_week_launched_in_the_page_is_published(ui, published):
    assert (published.users, published.rows) == (2000, 8000)
    ui.open("/assets/recommendations?view=partitions&partition=2026-02-23")
    ui.page.get_by_text(published.digest).first.wait_for()
    ui.keep("recommendations")


def test_training_shows_its_curve(ui, published):
    ui.open("/assets/gnn_checkpoint?view=partitions&partition=2026-02-23")
    row = ui.page.get_by_role("row").filter(has_text="curve")
    row.get_by_text("[Show Markdown]").click()
    image = ui.page.get_by_role("dialog").get_by_alt_text("loss and validation Recall@10 by step")
    image.wait_for()
    ui.keep("training")
    assert image.evaluate("image => image.complete && image.naturalWidth") > 100


def test_the_gate_speaks_in_sentences(ui, published):
    ui.open("/assets/eval_report?view=checks")
    ui.page.get_by_text("gate_1_graph").first.wait_for()
    ui.page.get_by_text("Of the products that customers went on to choose").first.wait_for()
    ui.page.get_by_text("non-blocking").first.wait_for()
    ui.keep("gate")


def test_a_planted_price_turns_the_audit_red_and_stays_out_of_the_live_table(ui, published):
    plant_a_price(ui.store)
    ui.open("/assets/recommendation_candidates?view=checks&checkDetail=price_floor")
    ui.page.get_by_role("button", name="Execute all").click()
    ui.page.get_by_text("1 offend: No product costs less than 50 USD.").first.wait_for(timeout=RUN_MS)
    ui.page.get_by_text("In Progress").first.wait_for(state="hidden")
    ui.keep("red")
    alert = ui.told("🔴 recommendation_candidates · price_floor is red")
    said = str(alert)
    assert f"run {published.run_id[:8]}, week of 2026-02-23, 8,000 rows for 2,000 users" in said
    link = f"{ui.address}/assets/recommendation_candidates?view=checks&checkDetail=price_floor"
    assert f"<{link}|" in said
    ui.open("/assets/recommendations")
    ui.launch_newest()
    ui.open("/runs")
    ui.page.get_by_text("Failure", exact=True).nth(1).wait_for(timeout=RUN_MS)  # the audit's run, and this one
    ui.page.get_by_role("link", name="View", exact=True).first.click()
    ui.page.get_by_text("PublishRefused").first.wait_for()
    ui.keep("refused")
    assert "price_floor: it does not hold that" in str(ui.told("🔴 A run launched by hand failed at recommendations"))
    ui.page.goto(link)
    ui.page.get_by_text("1 offend: No product costs less than 50 USD.").first.wait_for()
    ui.keep("link_of_the_alert")
    assert ui.store.live == published


def plant_a_price(store):
    """Change one price of the staged candidates behind everyone's back."""
    warehouse = store.warehouse
    (staged,) = (TableName("work", t) for t in warehouse.list_tables("work", "recommendation_candidates__"))
    rows = warehouse.read(staged)
    prices = pa.array([1.0, *rows["price"].to_pylist()[1:]])
    warehouse.load(staged, rows.set_column(rows.column_names.index("price"), "price", prices))
