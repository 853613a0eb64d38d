"""The checkpoint of a week by two processes is that of one; one that is killed is told, and the next try goes on."""

import os
import re
import signal

import dagster as dg
import numpy as np
import pytest

from gnn_assets import torchrun
from gnn_assets.definitions import build_defs
from gnn_assets.models import stored_checkpoint
from gnn_assets.resources import Platform
from gnn_core.errors import ProcessLostError
from tests.fixtures.installation import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

WEEK = "2026-02-23"
TRAINING = {"max_steps": 6, "micro_batches": 2, "validate_every": 2, "checkpoint_every": 2, "process_timeout_s": 600}
JOB = dg.define_asset_job("fit", selection=dg.AssetSelection.assets("gnn_checkpoint").upstream())


def settle(store, processes):
    store.overlay({**QUICK, "training": {**TRAINING, "processes": processes}})


def fitted(store, instance, assets=None):
    """Run the job; the checkpoint's artifact, and what stands in the run's log."""
    definitions = dg.Definitions.merge(build_defs(store.environment), dg.Definitions(jobs=[JOB]))
    job = definitions.resolve_job_def("fit")
    result = job.execute_in_process(partition_key=WEEK, asset_selection=assets, instance=instance)
    assert result.success
    lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return store.environment.artifacts(store.settings).read(WEEK, "gnn_checkpoint"), lines


@pytest.fixture(scope="module")
def both(simulated_store, tmp_path_factory):
    """The store with a checkpoint by one process, then by two: both artifacts, and the second run's log."""
    folder = tmp_path_factory.mktemp("processes")
    store = simulated_store.copy(folder / "store")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        settle(store, 1)
        one, _ = fitted(store, instance)
        settle(store, 2)
        two, lines = fitted(store, instance, [dg.AssetKey("gnn_checkpoint")])
        return store, one, two, lines


def test_two_processes_make_the_checkpoint_of_one(both):
    _, one, two, _ = both
    assert (one.manifest.meta["processes"], two.manifest.meta["processes"]) == (1, 2)
    histories = one.manifest.meta["histories"]
    assert len(histories) > 1
    for name, history in histories.items():
        other = two.manifest.meta["histories"][name]
        for key in ("loss", "validation_recall_at_10"):
            mine, theirs = ([entry[key] for entry in h if entry[key] is not None] for h in (history, other))
            np.testing.assert_allclose(theirs, mine, rtol=1e-4, err_msg=f"{name} {key}")
        left, right = (stored_checkpoint(a, name).tensors for a in (one, two))
        assert left.keys() == right.keys()
        for tensor in left:
            np.testing.assert_allclose(right[tensor], left[tensor], rtol=1e-3, atol=1e-5, err_msg=tensor)


def test_what_the_processes_say_stands_in_the_runs_log(both):
    lines = "\n".join(both[3])
    assert re.search(r"process 1 of 2 has joined: pid \d+", lines)
    assert re.search(r"training validation\S*: step 2 of at most 6, loss \d", lines)


def test_a_process_that_is_killed_is_told_and_the_next_try_goes_on_to_the_same_model(both, tmp_path):
    store, _, two, _ = both
    copy = store.copy(tmp_path / "store")
    for state in copy.environment.training_dir.glob("*"):
        state.unlink()
    platform = Platform.of(copy.environment)
    pids, lines = {}, []

    def kill_the_second(line):
        if joined := re.search(r"process (\d) of 2 has joined: pid (\d+)", line):
            pids[joined[1]] = int(joined[2])
        if "step 4 of" in line and "1" in pids:
            os.kill(pids.pop("1"), signal.SIGKILL)

    with pytest.raises(ProcessLostError, match="process 1 ended with code -9"):
        torchrun.fit(platform, platform.week(WEEK), "gnn_checkpoint", kill_the_second)
    assert pids.keys() == {"0"}
    assert list(copy.environment.training_dir.glob("*.safetensors"))
    again = torchrun.fit(platform, platform.week(WEEK), "gnn_checkpoint", lines.append)
    assert any("training resumes after step" in line for line in lines)
    assert again.version == two.version
