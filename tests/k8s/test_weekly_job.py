"""The weekly job in pods, end to end: tables in BigQuery, artifacts in a bucket, Dagster's storage in Postgres."""

import pytest

from tests.k8s.cluster import GPU

pytestmark = [pytest.mark.k8s, pytest.mark.slow, pytest.mark.timeout(2400)]


def of(pod, label):
    return pod.metadata.labels.get(label)


def asks(pod, resource):
    return (pod.spec.containers[0].resources.limits or {}).get(resource)


def test_the_week_is_published_from_pods(stack, weekly):
    assert weekly.status == "SUCCESS", stack.story(weekly.run)
    published = weekly.published
    assert published["run_id"] == weekly.run
    assert published["users"] > 0
    assert published["rows"] >= 3 * published["users"]


def test_each_step_had_a_pod_of_its_own_and_the_run_one_more(weekly):
    steps = [of(p, "dagster/op") for p in weekly.pods if of(p, "app.kubernetes.io/component") == "step_worker"]
    assert len(steps) == len(set(steps)), "a step was tried twice in a run without trouble"
    assert {"raw_users", "gnn_checkpoint", "gnn_scores", "audit", "recommendations", "program_status"} <= set(steps)
    assert len([p for p in weekly.pods if of(p, "app.kubernetes.io/component") == "run_worker"]) == 1
    assert {p.status.phase for p in weekly.pods} == {"Succeeded"}


def test_training_waited_for_a_gpu_and_scoring_did_not_ask_for_one(weekly):
    assert f"Insufficient {GPU}" in weekly.waited_for
    asking = {of(p, "dagster/op") for p in weekly.pods if asks(p, GPU)}
    assert asking == {"gnn_checkpoint", "promoted_model"}


def test_only_the_run_had_a_key_to_the_cluster(weekly):
    for pod in weekly.pods:
        mounts = [m.mount_path for m in pod.spec.containers[0].volume_mounts if "serviceaccount" in m.mount_path]
        run = of(pod, "app.kubernetes.io/component") == "run_worker"
        assert bool(mounts) is run, pod.metadata.name


def test_identities_of_the_cluster_may_do_what_they_need_and_nothing_else(space, stack):
    for account in ("gnn-dagster", "gnn-run"):
        for verb in ("create", "get", "list", "delete"):
            assert space.may(account, verb, "batch/jobs"), (account, verb)
        assert space.may(account, "get", "pods/log")
        for verb, thing in (("get", "secrets"), ("create", "pods"), ("create", "pods/exec"), ("patch", "batch/jobs")):
            assert not space.may(account, verb, thing), (account, verb, thing)
    for account in ("gnn-step", "gnn-publish"):
        for verb, thing in (("get", "pods"), ("create", "batch/jobs"), ("get", "secrets"), ("list", "configmaps")):
            assert not space.may(account, verb, thing), (account, verb, thing)
