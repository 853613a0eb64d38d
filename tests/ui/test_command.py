"""`gnn ui` opens Dagster wherever it is started from."""

import json
import sys
import urllib.request
from pathlib import Path

import pytest

from gnn_assets.definitions import build_defs
from tests.ui.servers import free_port, running


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_gnn_ui_answers_without_an_activated_environment(simulated_copy, tmp_path):
    n_assets = len(list(build_defs(simulated_copy.environment).resolve_all_asset_specs()))
    port = free_port()
    gnn = str(Path(sys.executable).with_name("gnn"))
    variables = {**simulated_copy.variables, "PATH": "/usr/bin:/bin"}
    with running({"ui": [gnn, "ui", "--port", str(port)]}, variables, port, tmp_path / "logs") as address:
        query = {"query": "{ assetNodes { id } }"}
        request = urllib.request.Request(
            f"{address}/graphql", json.dumps(query).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert len(json.load(answer)["data"]["assetNodes"]) == n_assets
