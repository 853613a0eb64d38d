"""What the official client sends for loads, copies and dry runs, and what is done when an answer is lost.

The requests are recorded (tests/core/io/recorded_http.py): the emulator lets one job id run twice and answers 0 bytes
to every dry run, so it can prove neither. What BigQuery itself does with these requests is its documentation's word.
"""

import datetime as dt

import pyarrow as pa
import pytest
import requests

from gnn_core.config.tables import TableLayout
from gnn_core.errors import WarehouseError
from gnn_core.io import bigquery_jobs
from gnn_core.io.bigquery import BigQueryWarehouse
from gnn_core.io.warehouse import TableName
from tests.core.io.recorded_http import Service
from tests.fixtures.warehouse import warehouse_settings

SETTINGS = warehouse_settings(engine="bigquery", maximum_bytes_billed=12345)
LEDGER, STAGED, LIVE = TableName("serving", "ledger"), TableName("work", "staged"), TableName("serving", "live")
ROWS = pa.table({"sequence": [1], "at": pa.array([dt.datetime(2026, 3, 2, tzinfo=dt.UTC)])})
LOST = requests.ConnectionError("connection reset by peer")
TABLE = {
    "tableReference": {"projectId": "test-project", "datasetId": "serving", "tableId": "ledger"},
    "type": "TABLE",
    "creationTime": "1767225600000",
    "schema": {"fields": [{"name": "sequence", "type": "INTEGER"}, {"name": "at", "type": "TIMESTAMP"}]},
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(bigquery_jobs.time, "sleep", lambda seconds: None)


def warehouse_on(service):
    return BigQueryWarehouse(SETTINGS, client=service.client(), storage_client=object())


def load(service, **options):
    warehouse_on(service).load(LEDGER, ROWS, **options)


def copy(service, **_):
    service.table = lambda: TABLE
    warehouse_on(service).move(STAGED, LIVE)


@pytest.mark.parametrize("ask", [load, copy])
class TestRepeats:
    def test_a_lost_answer_is_asked_for_and_not_run_twice(self, ask):
        service = Service(faults=[LOST])
        ask(service)
        assert len(service.ran) == 1

    def test_a_request_that_never_arrived_is_sent_again_under_its_id(self, ask):
        service = Service(faults=[503, 503])
        ask(service)
        assert len(service.ran) == 1
        assert service.ran[0].endswith("-0")

    def test_a_job_that_failed_for_a_passing_reason_runs_again_under_a_new_id(self, ask):
        service = Service(outcomes={"-0": {"reason": "backendError", "message": "try again"}})
        ask(service)
        assert [name.rsplit("-", 1)[1] for name in service.ran] == ["0", "1"]

    def test_a_job_that_failed_for_good_is_not_repeated(self, ask):
        service = Service(outcomes={"-0": {"reason": "invalid", "message": "bad schema"}})
        with pytest.raises(WarehouseError, match="bad schema"):
            ask(service)
        assert len(service.ran) == 1

    def test_an_outage_ends_in_an_error(self, ask):
        broken = {"reason": "backendError", "message": "still down"}
        service = Service(outcomes={f"-{n}": broken for n in range(9)})
        with pytest.raises(WarehouseError, match="still down"):
            ask(service)
        assert len(service.ran) == 1 + len(bigquery_jobs.WAITS_S)

    def test_two_calls_are_two_jobs(self, ask):
        service = Service()
        ask(service)
        ask(service)
        assert len(service.ran) == 2


def test_a_named_request_runs_once_whoever_sends_it():
    """A process that died after sending, and the one that takes over."""
    service = Service(table=lambda: TABLE)
    load(service, replace=False, request="run r1, digest d1")
    load(service, replace=False, request="run r1, digest d1")
    assert len(service.ran) == 1
    load(service, replace=False, request="run r2, digest d2")
    assert len(service.ran) == 2


def test_a_named_request_to_a_table_that_was_made_anew_runs_again():
    made = {**TABLE}
    service = Service(table=lambda: made)
    load(service, replace=False, request="run r1")
    made["creationTime"] = "1798761600000"
    load(service, replace=False, request="run r1")
    assert len(service.ran) == 2


def test_a_named_request_whose_first_job_failed_runs_again():
    service = Service(table=lambda: TABLE, outcomes={"-0": {"reason": "accessDenied", "message": "no"}})
    with pytest.raises(WarehouseError, match="no"):
        load(service, replace=False, request="run r1")
    load(service, replace=False, request="run r1")
    assert [name.rsplit("-", 1)[1] for name in service.ran] == ["0", "1"]


def test_a_load_says_where_how_and_for_whom():
    service = Service()
    load(service, layout=TableLayout("MONTH(at)", ("sequence",)))
    (job,) = service.jobs.values()
    config = job["configuration"]
    assert config["labels"] == {"application": "tests", "statement": "load"}
    assert config["load"]["timePartitioning"] == {"type": "MONTH", "field": "at"}
    assert config["load"]["clustering"] == {"fields": ["sequence"]}
    assert config["load"]["writeDisposition"] == "WRITE_TRUNCATE"
    assert job["jobReference"]["location"] == "US"


def test_rows_that_are_appended_leave_the_layout_of_the_table_alone():
    service = Service(table=lambda: TABLE)
    load(service, replace=False, layout=TableLayout("MONTH(at)"))
    (job,) = service.jobs.values()
    assert "timePartitioning" not in job["configuration"]["load"]
    assert job["configuration"]["load"]["writeDisposition"] == "WRITE_APPEND"


def test_a_publish_is_one_truncating_copy_job_with_labels():
    service = Service()
    copy(service)
    (job,) = service.jobs.values()
    sent = job["configuration"]
    assert sent["copy"]["writeDisposition"] == "WRITE_TRUNCATE"
    assert sent["copy"]["destinationTable"]["tableId"] == "live"
    assert sent["labels"] == {"application": "tests", "statement": "move"}


def test_an_estimate_is_a_dry_run_past_the_cache_and_returns_its_bytes():
    service = Service()
    assert warehouse_on(service).estimate("SELECT a FROM {t}", tables={"t": LIVE}, label="audit") == 1048576
    (sent,) = [s for s in service.sent if s.method == "POST"]
    assert sent.body["configuration"]["dryRun"] is True
    assert sent.body["configuration"]["query"]["useQueryCache"] is False
    assert sent.body["configuration"]["query"]["maximumBytesBilled"] == "12345"
    assert sent.body["configuration"]["labels"]["statement"] == "audit"
