"""What goes wrong in a cluster: each time the run ends in the right state, and the published table is intact."""

import pytest

from tests.fixtures.chart import manifests
from tests.k8s.cluster import wait_for
from tests.k8s.stack import SHARDED

# The first one that runs raises the platform and publishes a week before it begins.
pytestmark = [pytest.mark.k8s, pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture
def before(stack, weekly):
    """What is published before the trouble."""
    assert weekly.status == "SUCCESS"
    return stack.published()


def stuck(stack, run, step):
    """The pod of a step that has begun and waits for the warehouse, which stands still."""

    def look():
        assert stack.status(run) != "FAILURE", f"the run failed before {step}:\n{stack.story(run)}"
        return stack.begun(run, step)

    return wait_for(f"{step} to begin", look, 400)


def wait_for_pod(stack, run, step):
    wait_for(f"a pod of {step}", lambda: stack.step_pods(run, step), 400, every=0.5)


def test_out_of_memory_in_training_fails_the_run_after_its_tries(stack, before):
    run = stack.launch("weekly", assets=("gnn_checkpoint",), environment="starving")
    assert stack.end_of(run, 600) == "FAILURE"
    tries = stack.step_pods(run, "gnn_checkpoint")
    assert [p.status.container_statuses[0].state.terminated.reason for p in tries] == ["OOMKilled", "OOMKilled"]
    assert len({p.metadata.labels["job-name"] for p in tries}) == 2, "the second try is Dagster's, as a Job of its own"
    events = [e["eventType"] for e in stack.events(run) if e["stepKey"] == "gnn_checkpoint"]
    assert events.count("STEP_START") + events.count("STEP_RESTARTED") == len(tries), "it was to die in its training"
    told = [e for e in stack.events(run) if e["eventType"] == "STEP_FAILURE"]
    assert [e["stepKey"] for e in told] == ["gnn_checkpoint"]
    assert "failed health check" in told[0]["error"]["message"]
    assert stack.published() == before


def test_pods_deleted_while_they_work_are_replaced_by_new_tries_of_their_steps(stack, before):
    """Once as a drained node would, with the notice that the pod asks for; once as a node that goes away, with none."""
    run = stack.launch("republish")
    plan, merge = f"{SHARDED}.plan_shards", f"{SHARDED}.merge_shards"
    for step, notice in ((plan, None), (merge, 1)):
        wait_for_pod(stack, run, step)
        with stack.stands_still("bigquery"):
            stack.space.lose(stuck(stack, run, step), notice)
    assert stack.end_of(run, 600) == "SUCCESS", stack.story(run)
    restarted = [e for e in stack.events(run) if e["eventType"] == "STEP_RESTARTED"]
    assert [e["stepKey"] for e in restarted] == [plan, merge]
    after = stack.published()
    assert (after["run_id"], after["digest"]) == (run, before["digest"])


def test_without_the_right_to_start_pods_a_run_fails_and_says_so(stack, before):
    (binding,) = manifests("rbac")[1:]
    without = {**binding, "subjects": [s for s in binding["subjects"] if s["name"] != "gnn-run"]}
    rbac, name = stack.space.rbac, binding["metadata"]["name"]
    rbac.delete_namespaced_role_binding(name, stack.space.name)
    stack.space.create(without)
    try:
        run = stack.launch("republish")
        assert stack.end_of(run, 400) == "FAILURE"
        again = retry_of(stack, run)
        assert stack.end_of(again, 400) == "FAILURE"
    finally:
        rbac.delete_namespaced_role_binding(name, stack.space.name)
        stack.space.create(binding)
    for failed in (run, again):
        story = stack.story(failed)
        assert "is forbidden" in story
        assert f"system:serviceaccount:{stack.space.name}:gnn-run" in story
        assert not stack.step_pods(failed, "rollout_stage")
    assert stack.published() == before


def test_a_run_whose_own_pod_is_lost_without_a_word_is_noticed_and_run_anew(stack, before):
    run = stack.launch("republish")
    wait_for_pod(stack, run, "rollout_stage")
    with stack.stands_still("bigquery"):
        stuck(stack, run, "rollout_stage")
        (pod,) = stack.run_pods(run)
        with stack.stands_still("postgres"):
            stack.space.lose(pod, 1)
        assert stack.end_of(run, 400) == "FAILURE"
        wait_for("the end of the lost run's steps", lambda: not working(stack, run), 120, every=3)
    assert stack.published() == before
    assert "Detected run worker status" in stack.story(run), "the run's own process had told its end"
    again = retry_of(stack, run)
    assert stack.end_of(again, 600) == "SUCCESS", stack.story(again)
    after = stack.published()
    assert (after["run_id"], after["digest"]) == (again, before["digest"])


def retry_of(stack, run):
    """The run that Dagster starts in place of one that failed, without a step of it having failed."""
    asked = """query($r: String!) { runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $r}]}) {
        ... on Runs { results { runId } } } }"""

    def look():
        return next((r["runId"] for r in stack.ask(asked, r=run)["runsOrError"]["results"]), None)

    return wait_for(f"the run that replaces {run}", look, 120, every=2)


def working(stack, run):
    return [p for p in stack.space.pods(f"dagster/run-id={run}") if p.status.phase in ("Pending", "Running")]
