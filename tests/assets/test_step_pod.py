"""The first process of a step's pod: what a killed step, a replaced pod and an ordinary end look like from outside."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.execution.api import create_execution_plan, execute_plan_iterator
from dagster._core.test_utils import instance_for_test
from dagster._grpc.types import ExecuteStepArgs

from gnn_assets import step_pod
from gnn_assets.environment import PROJECT

SLEEPER = """
import sys, time
from gnn_assets.step_pod import see_through
def work():
    print("at work", flush=True)
    time.sleep(60)
sys.exit(see_through(work))
"""


def test_a_pod_that_is_told_to_go_takes_its_step_along_at_once():
    with subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGKILL


@pytest.mark.parametrize(("ends", "status"), [(lambda: 0, 0), (lambda: 3, 3), (lambda: sys.exit(4), 4), (sys.exit, 0)])
def test_the_status_of_the_work_is_the_status_of_the_pod(ends, status):
    assert step_pod.see_through(ends) == status


def test_a_step_that_was_killed_for_its_memory_ends_as_killed():
    assert step_pod.see_through(lambda: os.kill(os.getpid(), signal.SIGKILL)) == 137


def test_an_error_outside_of_dagster_is_printed_and_is_no_success(capfd):
    assert step_pod.see_through(lambda: {}["missing"]) == 1
    assert "KeyError: 'missing'" in capfd.readouterr().err


@dg.op
def fine():
    """Ends well."""


@dg.op
def wrong():
    """Does not."""
    raise ValueError("wrong")


@dg.job
def both():
    """Two steps."""
    fine()
    wrong()


def both_again():
    """For `reconstructable`: how a pod finds the job again."""
    return both


@pytest.fixture(scope="module")
def instance():
    """Dagster's storage with a run of `both`, as a pod finds it."""
    with instance_for_test() as made:
        yield made


def asked_for(monkeypatch, instance, run, step):
    """What dagster-k8s puts into the environment of a step's pod."""
    arguments = ExecuteStepArgs(
        job_origin=reconstructable(both_again).get_python_origin(), run_id=run, step_keys_to_execute=[step],
        instance_ref=instance.get_ref(),
    )  # fmt: skip
    for variable in arguments.get_command_env():
        monkeypatch.setenv(variable["name"], variable["value"])


def test_every_end_of_a_step_counts_and_other_steps_do_not(monkeypatch, instance):
    run = both.execute_in_process(instance=instance, raise_on_error=False).run_id
    for step, ends in (("fine", 1), ("wrong", 1), ("other", 0)):
        asked_for(monkeypatch, instance, run, step)
        assert step_pod.ends_so_far() == ends


def given(monkeypatch, instance, script):
    """A pod for the step `fine` of a run that has begun, whose console script is `script`."""
    run = instance.create_run_for_job(both, execution_plan=create_execution_plan(both)).run_id
    asked_for(monkeypatch, instance, run, "fine")
    found = [SimpleNamespace(load=lambda: lambda: script(run))]
    monkeypatch.setattr(step_pod, "entry_points", lambda group, name: found if name == "dagster" else [])
    monkeypatch.setattr(sys, "argv", ["not", "this"])


def test_a_process_that_says_nothing_of_its_step_is_no_success(monkeypatch, instance, capsys):
    given(monkeypatch, instance, lambda run: sys.exit(0))
    assert step_pod.run_step(["dagster", "api", "execute_step"]) == step_pod.SILENT
    assert sys.argv == ["dagster", "api", "execute_step"]
    assert "nothing was done" in capsys.readouterr().err


def test_a_process_that_tells_how_its_step_ended_is_one(monkeypatch, instance):
    def work(run):
        recon = reconstructable(both_again)
        list(execute_plan_iterator(create_execution_plan(recon), recon, instance.get_run_by_id(run), instance))

    given(monkeypatch, instance, work)
    assert step_pod.run_step(["dagster"]) == 0


def test_a_status_of_dagsters_own_goes_before(monkeypatch, instance):
    given(monkeypatch, instance, lambda run: sys.exit(2))
    with pytest.raises(SystemExit, match="2"):
        step_pod.run_step(["dagster"])
