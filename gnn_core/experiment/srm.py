"""Sample-ratio mismatch: whether the arms have the sizes that the assignment promised.

What belongs here: the χ² test on users. What does not: what a mismatch means for the verdict (gate2.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its stats load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from gnn_core.errors import DataError


@dataclass(frozen=True)
class RatioCheck:
    """Users in each arm against the planned share."""

    control: int
    treatment: int
    treatment_share: float
    p_value: float
    limit: float

    @property
    def mismatch(self) -> bool:
        """Whether the arms cannot be compared."""
        return self.p_value < self.limit

    @property
    def sentence(self) -> str:
        """For a reader who is no engineer."""
        found = f"{self.control:,} users in control and {self.treatment:,} in treatment"
        if self.mismatch:
            return (
                f"the arms have the wrong sizes ({found}, planned {self.treatment_share:.0%} in treatment, "
                f"p = {self.p_value:.2g}): users were lost or added on one side"
            )
        return f"{found}: no sample-ratio mismatch (p = {self.p_value:.2g})"


def mismatch_p_values(control: ArrayLike, treatment: ArrayLike, treatment_share: float) -> NDArray[np.float64]:
    """p of the χ² test with one degree of freedom, for numbers or arrays of users per arm; 1 where there are none."""
    control, treatment = np.asarray(control, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    expected = (control + treatment) * treatment_share
    spread = expected * (1 - treatment_share)
    chi = np.divide(np.square(treatment - expected), spread, out=np.zeros_like(spread), where=spread > 0)
    return scipy.stats.chi2.sf(chi, df=1)


def check_ratio(control: int, treatment: int, treatment_share: float, limit: float) -> RatioCheck:
    """Test two arms.

    Raises:
        DataError: there is no user at all.
    """
    if control + treatment == 0:
        raise DataError("no user is in the analysis: nobody was assigned, or nobody was eligible before the start")
    return RatioCheck(
        control, treatment, treatment_share, float(mismatch_p_values(control, treatment, treatment_share)), limit
    )
