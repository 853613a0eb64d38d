"""gnn_checkpoint and embeddings: the graph model as it is judged, fitted before each window."""

import statistics
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from gnn_assets import metadata, progress
from gnn_assets.assets.graph import panel_of
from gnn_assets.policy import OWNERS
from gnn_assets.resources import Platform, Week
from gnn_core.evaluation.evaluate import panel_validator
from gnn_core.graph.split import Cut
from gnn_core.io.artifacts import Artifact, json_bytes, parquet_bytes
from gnn_core.snapshot import Snapshot
