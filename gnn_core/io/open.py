"""Opens the warehouse that the settings name.

What belongs here: the choice of engine, and where its clients come from. What does not: any operation. The client of
BigQuery takes longer to import than most commands on a DuckDB file take to run, so it is imported when it is needed.
"""

from __future__ import annotations

from pathlib import Path

from gnn_core.config.data import WarehouseSettings
from gnn_core.io.duckdb import DuckDbWarehouse
from gnn_core.io.emulators import bigquery_addresses
from gnn_core.io.warehouse import Warehouse


def open_warehouse(settings: WarehouseSettings, state_dir: Path, role: str | None = "stager") -> Warehouse:
    """DuckDB in `state_dir`/warehouse.duckdb, or BigQuery with the credentials of the environment.

    With BIGQUERY_EMULATOR_HOST (http://host:port) and BIGQUERY_STORAGE_EMULATOR_HOST (host:port) set, BigQuery is an
    emulator, and no credentials are used.

    Args:
        role: `reader`, `stager` or `publisher`: whose service account speaks, where the settings name one; None is
            whoever runs the process. An emulator and a DuckDB file know no identities.
    Raises:
        WarehouseError: only one of the two emulator addresses is set, or BigQuery finds no credentials.
    """
    if settings.engine == "duckdb":
        return DuckDbWarehouse(state_dir / "warehouse.duckdb", settings)
    if emulator := bigquery_addresses():
        return open_emulator(settings, *emulator)
    from gnn_core.io.bigquery import BigQueryWarehouse

    identity = None if role is None else getattr(settings, role)
    if identity is None:
        return BigQueryWarehouse(settings)
    from gnn_core.io.identities import clients_as

    client, storage_client = clients_as(identity, settings)
    return BigQueryWarehouse(settings, client=client, storage_client=storage_client)


def open_emulator(settings: WarehouseSettings, rest: str, storage: str) -> Warehouse:
    """BigQuery behind an emulator: `rest` is http://host:port, `storage` is host:port of its gRPC side."""
    import grpc
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery, bigquery_storage
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

    from gnn_core.io.bigquery import BigQueryWarehouse

    # Rows come in messages larger than gRPC's default of 4 MB.
    channel = grpc.insecure_channel(storage, options=[("grpc.max_receive_message_length", -1)])
    return BigQueryWarehouse(
        settings,
        client=bigquery.Client(
            project=settings.project,
            location=settings.location,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": rest},
        ),
        storage_client=bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel)),
        results_over_storage=False,
    )
