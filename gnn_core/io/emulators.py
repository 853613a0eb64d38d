"""Where stand-ins for Google's services listen, if they do: the addresses come from the environment.

What belongs here: the variables and what a client needs besides an address. What does not: starting an emulator
(tests/fixtures), or opening anything (open.py). The names are those that Google's own clients and emulators use.
"""

from __future__ import annotations

import os
from typing import Any

from gnn_core.errors import WarehouseError

BIGQUERY_REST, BIGQUERY_GRPC = "BIGQUERY_EMULATOR_HOST", "BIGQUERY_STORAGE_EMULATOR_HOST"
GCS = "STORAGE_EMULATOR_HOST"
_HNS = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"


def bigquery_addresses() -> tuple[str, str] | None:
    """(http://host:port of REST, host:port of gRPC) of a BigQuery emulator; None where BigQuery is the real one.

    Raises:
        WarehouseError: only one of the two is set: rows would be written to one warehouse and read from another.
    """
    rest, storage = os.environ.get(BIGQUERY_REST), os.environ.get(BIGQUERY_GRPC)
    if not rest and not storage:
        return None
    if not rest or not storage:
        raise WarehouseError(f"{BIGQUERY_REST} and {BIGQUERY_GRPC} go together; set both or none")
    return rest, storage


def gcs_options(root: str) -> dict[str, Any]:
    """What fsspec needs beside the address `root`: nothing, unless it is a bucket and GCS is an emulator.

    gcsfs reads the emulator's address by itself, but asks it for what only the real service has: credentials, and the
    layout of the bucket (decided when gcsfs is first imported, which is after this).
    """
    if not root.startswith(("gs://", "gcs://")) or not os.environ.get(GCS):
        return {}
    os.environ.setdefault(_HNS, "false")
    return {"token": "anon"}
