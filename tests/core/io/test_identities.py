"""Each role speaks as its own service account where one is named; nobody is asked for a key."""

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError

from gnn_core.errors import ConfigError, WarehouseError
from gnn_core.io.emulators import BIGQUERY_GRPC, BIGQUERY_REST
from gnn_core.io.open import open_warehouse
from tests.fixtures.warehouse import warehouse_settings

PUBLISHER = "gnn-publish@p.iam.gserviceaccount.com"
SETTINGS = warehouse_settings(engine="bigquery", publisher=PUBLISHER)


@pytest.fixture(autouse=True)
def real_bigquery(monkeypatch):
    """No emulator, and credentials that open nothing."""
    monkeypatch.delenv(BIGQUERY_REST, raising=False)
    monkeypatch.delenv(BIGQUERY_GRPC, raising=False)
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "p"))


def test_the_publisher_speaks_as_its_own_account_to_both_services(tmp_path):
    warehouse = open_warehouse(SETTINGS, tmp_path, "publisher")
    assert warehouse._client._credentials.service_account_email == PUBLISHER


@pytest.mark.parametrize("role", ["stager", None])
def test_who_has_no_account_named_speaks_as_the_process(tmp_path, role):
    warehouse = open_warehouse(SETTINGS, tmp_path, role)
    assert not hasattr(warehouse._client._credentials, "service_account_email")


def test_without_credentials_to_start_from_it_says_whom_it_wanted_to_be(tmp_path, monkeypatch):
    def refuse(**_):
        raise DefaultCredentialsError("none found")

    monkeypatch.setattr(google.auth, "default", refuse)
    with pytest.raises(WarehouseError, match=f"no credentials in the environment to speak as {PUBLISHER}"):
        open_warehouse(SETTINGS, tmp_path, "publisher")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"engine": "bigquery", "stager": "me@example.com"}, "e-mail of a service account", id="a person"),
        pytest.param({"publisher": PUBLISHER}, "duckdb knows no identities", id="without identities"),
    ],
)
def test_an_identity_that_cannot_be_is_a_config_error(changes, says):
    with pytest.raises(ConfigError, match=says):
        warehouse_settings(**changes)
