"""A setting that nothing would follow is refused, not passed over."""

from dataclasses import replace

import pytest

from gnn_assets.environment import PROJECT
from gnn_assets.models import refuse_several_processes
from gnn_core.config import load_settings
from gnn_core.errors import ConfigError


def test_the_weekly_job_refuses_processes_that_it_would_not_start():
    training = load_settings(PROJECT / "configs" / "gnn_config.yaml").training
    refuse_several_processes(training)
    with pytest.raises(ConfigError, match=r"training\.processes is 2"):
        refuse_several_processes(replace(training, processes=2, micro_batches=2))
