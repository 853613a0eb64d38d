"""Pinning: inside, the threads that the setting says; outside, what was there before."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from gnn_core.training.determinism import pinned


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_and_blas_run_on_the_threads_of_the_setting_and_get_theirs_back(threads):
    with threadpool_limits(3 - threads, user_api="blas"):
        before = torch.get_num_threads()
        with pinned(threads, 0):
            assert torch.get_num_threads() == threads
            assert blas_threads() == {threads}
        assert torch.get_num_threads() == before
        assert blas_threads() == {3 - threads}


@pytest.mark.slow
def test_every_blas_is_pinned_whatever_was_imported_before():
    script = (
        "from gnn_core.training.determinism import _libraries; import scipy.optimize, scipy.stats, threadpoolctl; "
        "known = {library.filepath for library in _libraries.lib_controllers}; "
        "print([x['filepath'] for x in threadpoolctl.threadpool_info() if x['filepath'] not in known])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_the_random_state_is_the_seeds_inside_and_untouched_outside():
    torch.manual_seed(5)
    outside = torch.random.get_rng_state()
    with pinned(1, 7):
        first = torch.rand(3)
    with pinned(1, 7):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.random.get_rng_state(), outside)
