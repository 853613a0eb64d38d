"""Which window trains, which validates, which judges; counted back from the as-of date, never from the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gnn_core.config import SplitSettings
from gnn_core.errors import ConfigError, LeakageError


@dataclass(frozen=True)
class Cut:
    """One held-out window. Everything that is fitted for it sees events before `fitted_before` only."""

    name: str
    role: str
    """`validation` or `test`."""
    fitted_before: np.datetime64
    start: np.datetime64
    """First moment of the window: positives are in [start, end)."""
    end: np.datetime64

    def __post_init__(self) -> None:
        if self.fitted_before > self.start:
            raise LeakageError(f"cut {self.name}: fitted before {self.fitted_before}, judged from {self.start}")


@dataclass(frozen=True)
class Timeline:
    """All windows of one weekly run."""

    as_of: np.datetime64
    validation: tuple[Cut, ...]
    test: tuple[Cut, ...]

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Validation cuts, then test cuts, each by time."""
        return self.validation + self.test


def build_timeline(as_of: np.datetime64 | pd.Timestamp, settings: SplitSettings) -> Timeline:
    """Windows of a run as of `as_of` (exclusive, UTC).

    Raises:
        ConfigError: an explicit test window ends after the as-of date.
    """
    moment = np.datetime64(pd.Timestamp(as_of).tz_localize(None), "us")
    day = np.timedelta64(1, "D")
    horizon, stride = settings.horizon_days * day, settings.stride_days * day
    if settings.explicit_test_cutoffs:
        tests = [np.datetime64(d, "us") for d in settings.explicit_test_cutoffs]
        validations = [np.datetime64(d, "us") for d in settings.explicit_validation_cutoffs]
    else:
        tests = [moment - horizon - k * stride for k in reversed(range(settings.test_cuts))]
        validations = [tests[0] - horizon - k * stride for k in reversed(range(settings.validation_cuts))]
    if max(tests) + horizon > moment:
        raise ConfigError(f"split: the test window from {max(tests)} ends after the as-of date {moment}")

    def cut(role: str, start: np.datetime64, fitted_before: np.datetime64) -> Cut:
        return Cut(f"{role}_{str(start)[:10]}", role, fitted_before, start, start + horizon)

    judged = [t if settings.refit_at_test_cutoff else min(validations) for t in tests]
    return Timeline(
        as_of=moment,
        validation=tuple(cut("validation", v, v) for v in validations),
        test=tuple(cut("test", t, f) for t, f in zip(tests, judged, strict=True)),
    )
