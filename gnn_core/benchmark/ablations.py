"""Each switch of the graph model off (or another way) in turn, on validation windows.

What belongs here: the list of trials. What does not: what a switch changes (variants.py), their figures
(against_defaults.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from gnn_core.benchmark.against_defaults import DEFAULTS, result_of
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.trials import Trial
from gnn_core.benchmark.variants import GRAPH, VARIANTS
from gnn_core.errors import ConfigError

NEVER_TAUGHT = "graph_untaught"
"""Differs on test windows alone: a validation window's own choices never teach the model that it validates."""
ABLATIONS = tuple(name for name, variant in VARIANTS.items() if variant.base == GRAPH and name != NEVER_TAUGHT)
"""Every variant of the graph model that can differ on validation windows."""


def ablation_trials(specs: Sequence[Spec], names: Sequence[str] = ()) -> list[Trial]:
    """The defaults and every variant on every spec.

    Args:
        names: variants; none = all.
    Raises:
        ConfigError: a name is no variant of the graph model.
    """
    if NEVER_TAUGHT in names:
        raise ConfigError(
            f"{NEVER_TAUGHT} is the same model on a validation window, whose choices teach what is judged later; "
            f"gnn bench quality --model {NEVER_TAUGHT}, or python -m benchmarks teaching"
        )
    unknown = [name for name in names if name not in ABLATIONS]
    if unknown:
        raise ConfigError(
            f"no switch of the graph model is called {', '.join(unknown)}; there are {', '.join(ABLATIONS)}"
        )
    return [
        trial
        for spec in specs
        for trial in (
            Trial(spec, (result_of(DEFAULTS),)),
            *(Trial(spec, (result_of(name),), VARIANTS[name].changes) for name in (names or ABLATIONS)),
        )
    ]
