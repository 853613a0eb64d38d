"""What the emulator cannot show of the BigQuery side: caps, time limits, credentials, labels, addresses."""

import concurrent.futures
import logging

import pyarrow as pa
import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from gnn_core.config.tables import TableLayout
from gnn_core.errors import TableNotFoundError, WarehouseError
from gnn_core.io.bigquery import BigQueryWarehouse
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.emulators import BIGQUERY_GRPC, BIGQUERY_REST
from gnn_core.io.open import open_warehouse
from gnn_core.io.warehouse import TableName
from tests.fixtures.warehouse import warehouse_settings

SETTINGS = warehouse_settings(engine="bigquery", maximum_bytes_billed=12345, job_timeout_s=7.0)
TABLE = TableName("work", "t")


class Job:
    """A query job that ends with a result or an error."""

    total_bytes_billed = 10485760

    def __init__(self, outcome):
        self.outcome, self.cancelled = outcome, False

    def result(self, timeout):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self

    def to_arrow(self, bqstorage_client, create_bqstorage_client):
        return self.outcome

    def cancel(self):
        self.cancelled = True


class Client:
    """Records what it is asked, and answers with one job."""

    def __init__(self, outcome):
        self.job, self.asked = Job(outcome), []

    def query(self, text, *, job_config, location, retry):
        self.asked.append((text, job_config, location))
        return self.job


def warehouse_of(outcome):
    client = Client(outcome)
    return BigQueryWarehouse(SETTINGS, client=client, storage_client=object()), client


def test_every_job_is_capped_labelled_and_limited_in_time():
    warehouse, client = warehouse_of(pa.table({"a": [1]}))
    stats = warehouse.create_table_as(
        TABLE,
        "SELECT @a AS a FROM {t}",
        parameters={"a": 1},
        tables={"t": TABLE},
        layout=TableLayout("MONTH(t)", ("a",)),
        label="My Label é",
    )
    ((text, config, location),) = client.asked
    assert text == (
        "CREATE OR REPLACE TABLE `test-project.work.t` PARTITION BY TIMESTAMP_TRUNC(`t`, MONTH) CLUSTER BY `a` AS\n"
        "SELECT @a AS a FROM `test-project.work.t`"
    )
    assert config.maximum_bytes_billed == 12345
    assert config.labels == {"application": "tests", "statement": "my-label-"}
    assert config.job_timeout_ms in (7000, "7000")
    assert config.query_parameters == [bigquery.ScalarQueryParameter("a", "INT64", 1)]
    assert location == "US"
    assert stats.bytes_billed == 10485760


def test_a_query_beyond_the_cap_names_cap_setting_and_label():
    limit = BadRequest(
        "Query exceeded limit for bytes billed: 12345. 10485760 or higher required.",
        errors=[{"reason": "bytesBilledLimitExceeded"}],
    )
    warehouse, _ = warehouse_of(limit)
    with pytest.raises(
        WarehouseError, match=r"my label: would bill more than 12345 bytes \(warehouse.maximum_bytes_billed"
    ):
        warehouse.query("SELECT 1 AS a", label="my label")


def test_a_query_beyond_its_time_is_cancelled_and_named():
    warehouse, client = warehouse_of(concurrent.futures.TimeoutError())
    with pytest.raises(WarehouseError, match=r"my label: not done after 7 s \(warehouse.job_timeout_s\)"):
        warehouse.query("SELECT 1 AS a", label="my label")
    assert client.job.cancelled


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (NotFound("Not found: Table p:work.t was not found"), TableNotFoundError, "Table p:work.t"),
        (Forbidden("Access Denied: Table p:work.t"), WarehouseError, "not allowed with these credentials"),
        (BadRequest("Syntax error"), WarehouseError, "Syntax error"),
    ],
)
def test_errors_are_ours_and_carry_the_label(error, kind, message):
    warehouse, _ = warehouse_of(error)
    with pytest.raises(WarehouseError, match=f"my label: .*{message}") as raised:
        warehouse.query("SELECT 1 AS a", label="my label")
    assert type(raised.value) is kind


def test_a_missing_dataset_of_the_target_is_told_from_a_missing_table():
    warehouse, _ = warehouse_of(NotFound("Not found: Dataset test-project:work was not found in location US"))
    with pytest.raises(WarehouseError, match="dataset work does not exist") as raised:
        warehouse.create_table_as(TABLE, "SELECT 1 AS a")
    assert not isinstance(raised.value, TableNotFoundError)


def test_values_of_parameters_are_not_logged(caplog):
    warehouse, _ = warehouse_of(pa.table({"a": ["x"]}))
    with caplog.at_level(logging.DEBUG, logger="gnn_core"):
        warehouse.query("SELECT @mail AS a", parameters={"mail": "secret@x.org"}, label="my label")
    assert "my label" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", ["a b", "a`; DROP TABLE x; --", "", "a.b"])
def test_hostile_names_never_reach_bigquery(name):
    warehouse, client = warehouse_of(pa.table({"a": [1]}))
    with pytest.raises(WarehouseError, match="my label: column"):
        warehouse.create_table_as(TABLE, "SELECT 1 AS a", layout=TableLayout(None, (name,)), label="my label")
    with pytest.raises(WarehouseError):
        warehouse.list_tables(name)
    with pytest.raises(WarehouseError):
        warehouse.ensure_dataset(name)
    assert client.asked == []


def test_missing_credentials_and_project_are_named(monkeypatch):
    def refuse(**_):
        raise DefaultCredentialsError("none found")

    monkeypatch.setattr(bigquery, "Client", refuse)
    with pytest.raises(WarehouseError, match="no credentials for BigQuery"):
        BigQueryWarehouse(SETTINGS)
    with pytest.raises(WarehouseError, match=r"warehouse\.project is empty"):
        BigQueryWarehouse(warehouse_settings(project=None))


def test_duckdb_opens_in_the_state_directory(tmp_path):
    warehouse = open_warehouse(warehouse_settings(), tmp_path / "state")
    assert isinstance(warehouse, DuckDbWarehouse)
    warehouse.ensure_dataset("work")
    assert (tmp_path / "state" / "warehouse.duckdb").is_file()


@pytest.mark.parametrize("one", [BIGQUERY_REST, BIGQUERY_GRPC])
def test_half_an_emulator_is_refused(tmp_path, monkeypatch, one):
    monkeypatch.delenv(BIGQUERY_REST, raising=False)
    monkeypatch.delenv(BIGQUERY_GRPC, raising=False)
    monkeypatch.setenv(one, "127.0.0.1:1")
    with pytest.raises(WarehouseError, match="go together"):
        open_warehouse(SETTINGS, tmp_path)


@pytest.mark.emulator
def test_the_environment_leads_to_an_emulator(tmp_path, monkeypatch, bigquery_emulator):
    monkeypatch.setenv(BIGQUERY_REST, bigquery_emulator.rest)
    monkeypatch.setenv(BIGQUERY_GRPC, bigquery_emulator.storage)
    warehouse = open_warehouse(warehouse_settings(engine="bigquery"), tmp_path)
    assert warehouse.query("SELECT 1 AS a").to_pylist() == [{"a": 1}]
