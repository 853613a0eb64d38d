"""What goes wrong in a cluster: each time the run ends in the right state, and the published table is intact."""

import pytest

from tests.fixtures.chart import manifests
from tests.k8s.cluster import wait_for

pytestmark = [pytest.mark.k8s, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def before(stack, weekly):
    """What is published before the trouble."""
    assert weekly.status == "SUCCESS"
    return stack.published()


def running(stack, run, step):
    """The pod of a step once its container works."""

    def look():
        return next((p for p in stack.step_pods(run, step) if p.status.phase == "Running"), None)

    return wait_for(f"a running pod of {step}", look, 400, every=0.5)


def test_out_of_memory_in_training_fails_the_run_after_its_tries(stack, before):
    run = stack.launch("weekly", assets=("gnn_checkpoint",), environment="starving")
    assert stack.end_of(run, 600) == "FAILURE"
    tries = stack.step_pods(run, "gnn_checkpoint")
    assert [p.status.container_statuses[0].state.terminated.reason for p in tries] == ["OOMKilled", "OOMKilled"]
    assert len({p.metadata.labels["job-name"] for p in tries}) == 2, "the second try is Dagster's, as a Job of its own"
    told = [e for e in stack.events(run) if e["eventType"] == "STEP_FAILURE"]
    assert [e["stepKey"] for e in told] == ["gnn_checkpoint"]
    assert "failed health check" in told[0]["error"]["message"]
    assert stack.published() == before


def test_a_pod_deleted_while_it_works_is_replaced_by_a_new_try_of_its_step(stack, before):
    run = stack.launch("republish")
    pod = running(stack, run, "recommendation_candidates.merge_shards")
    stack.space.core.delete_namespaced_pod(pod.metadata.name, stack.space.name, grace_period_seconds=0)
    assert stack.end_of(run, 600) == "SUCCESS", stack.story(run)
    restarted = [e for e in stack.events(run) if e["eventType"] == "STEP_RESTARTED"]
    assert [e["stepKey"] for e in restarted] == ["recommendation_candidates.merge_shards"]
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
    finally:
        rbac.delete_namespaced_role_binding(name, stack.space.name)
        stack.space.create(binding)
    assert "forbidden" in stack.story(run)
    assert "gnn-run" in stack.story(run)
    assert not stack.step_pods(run, "rollout_stage")
    assert stack.published() == before


def test_a_run_whose_own_pod_is_lost_fails_and_is_run_anew(stack, before):
    run = stack.launch("republish")
    running(stack, run, "rollout_stage")
    (pod,) = stack.run_pods(run)
    jobs_gone = stack.space.core.delete_namespaced_pod(pod.metadata.name, stack.space.name, grace_period_seconds=0)
    assert jobs_gone
    assert stack.end_of(run, 400) == "FAILURE"
    again = wait_for("the run that replaces it", lambda: retry_of(stack, run), 120, every=3)
    assert stack.end_of(again, 600) == "SUCCESS", stack.story(again)
    wait_for("the end of the lost run's steps", lambda: not working(stack, run), 120, every=3)
    after = stack.published()
    assert (after["run_id"], after["digest"]) == (again, before["digest"])


def retry_of(stack, run):
    found = stack.ask(
        'query($r: String!) { runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $r}]}) '
        "{ ... on Runs { results { runId } } } }",
        r=run,
    )
    return next((r["runId"] for r in found["runsOrError"]["results"]), None)


def working(stack, run):
    return [p for p in stack.space.pods(f"dagster/run-id={run}") if p.status.phase in ("Pending", "Running")]
