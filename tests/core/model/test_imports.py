"""Torch takes seconds to import; who only configures, scores by SQL or counts must not wait for it."""

from __future__ import annotations

import subprocess
import sys

LIGHT = (
    "gnn_core.config",
    "gnn_core.snapshot",
    "gnn_core.recommender",
    "gnn_core.scoring.rank",
    "gnn_core.graph.split",
)


def test_importing_settings_snapshot_and_scoring_does_not_import_torch():
    code = f"import sys, {', '.join(LIGHT)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
