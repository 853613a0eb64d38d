"""BigQuery clients that speak as a service account: impersonation, without a key that could leak.

What belongs here: credentials. What does not: which role does what (open.py's callers), grants (deploy/bigquery).
"""

from __future__ import annotations

import google.auth
from google.auth import impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery, bigquery_storage

from gnn_core.config.data import WarehouseSettings
from gnn_core.errors import WarehouseError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
LIFETIME_S = 3600
"""The longest without a policy of the organisation; the client renews it by itself."""


def clients_as(
    identity: str, settings: WarehouseSettings
) -> tuple[bigquery.Client, bigquery_storage.BigQueryReadClient]:
    """Both clients as `identity`, on behalf of the credentials of the environment.

    Raises:
        WarehouseError: the environment has no credentials. Whether they may impersonate shows at the first request.
    """
    try:
        source, _ = google.auth.default(scopes=SCOPES)
    except GoogleAuthError as error:
        raise WarehouseError(f"no credentials in the environment to speak as {identity}: {error}") from error
    credentials = impersonated_credentials.Credentials(
        source_credentials=source, target_principal=identity, target_scopes=list(SCOPES), lifetime=LIFETIME_S
    )
    return (
        bigquery.Client(project=settings.project, location=settings.location, credentials=credentials),
        bigquery_storage.BigQueryReadClient(credentials=credentials),
    )
