"""Settings: frozen dataclasses filled from `configs/gnn_config.yaml` and its overlays."""

from gnn_core.config.data import (
    ArtifactSettings,
    EligibilitySettings,
    SourceSettings,
    SplitSettings,
    StoreSettings,
    WarehouseSettings,
)
from gnn_core.config.decision import (
    BaselineSettings,
    EvaluationSettings,
    Gate1Settings,
    HybridSettings,
    PublishSettings,
    ScoringSettings,
    ServingSettings,
)
from gnn_core.config.discovery import DiscoverySettings
from gnn_core.config.history import HistorySettings
from gnn_core.config.kubernetes import KubernetesSettings, PodSettings, TolerationSettings
from gnn_core.config.learning import GraphSettings, ModelSettings, TrainingSettings
from gnn_core.config.loader import Settings, load_settings
from gnn_core.config.online import CostSettings, ExperimentSettings, MonitoringSettings, RolloutSettings
from gnn_core.config.operations import AlertSettings, ArrivalSettings
from gnn_core.config.paths import PathSettings
from gnn_core.config.peers import PeerSettings
from gnn_core.config.tables import EmbeddingSettings, LayoutSettings, TableLayout

__all__ = [
    "AlertSettings",
    "ArrivalSettings",
    "ArtifactSettings",
    "BaselineSettings",
    "CostSettings",
    "DiscoverySettings",
    "EligibilitySettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "ExperimentSettings",
    "Gate1Settings",
    "GraphSettings",
    "HistorySettings",
    "HybridSettings",
    "KubernetesSettings",
    "LayoutSettings",
    "ModelSettings",
    "MonitoringSettings",
    "PathSettings",
    "PeerSettings",
    "PodSettings",
    "PublishSettings",
    "RolloutSettings",
    "ScoringSettings",
    "ServingSettings",
    "Settings",
    "SourceSettings",
    "SplitSettings",
    "StoreSettings",
    "TableLayout",
    "TolerationSettings",
    "TrainingSettings",
    "WarehouseSettings",
    "load_settings",
]
