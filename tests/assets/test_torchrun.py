"""What the step makes of its processes' lines: progress, log, a clear error with their last words, and no orphan."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from gnn_assets import progress, torchrun, worker_lines
from gnn_core.errors import ProcessLostError


class StubWeek(SimpleNamespace):
    """A week of two processes, whose store holds version v2 of everything."""

    def read(self, _name):
        return SimpleNamespace(version="v2")


WEEK = StubWeek(key="2026-02-23", settings=SimpleNamespace(training=SimpleNamespace(processes=2, threads=1)))


@pytest.fixture
def together(monkeypatch):
    """Run a line of Python instead of torchrun; `answer` is the path that the first process writes to."""

    def run(code, say=lambda line: None):
        monkeypatch.setattr(torchrun, "_command", lambda *a: [sys.executable, "-c", f"answer = {str(a[-1])!r}\n{code}"])
        return torchrun.together(None, WEEK, "gnn_checkpoint", say)

    return run


DONE = "open(answer, 'w').write('v2')"


def test_lines_go_to_the_log_and_steps_to_the_bar_and_a_tenth_of_them_to_the_log(together):
    steps, lines = [], []
    code = f"""
import json
print('process 1 of 2 has joined')
for n in range(1, 41):
    print('{worker_lines.STEP}' + json.dumps(['validation_1', n, 40, 1 / n]))
print('W1126 10:00:00.000 torch/distributed/run.py:1] a word of torchrun')
{DONE}"""
    with progress.reported_to(lambda *step: steps.append(step)):
        assert together(code, lines.append).version == "v2"
    assert [s[:3] for s in steps] == [("validation_1", n, 40) for n in range(1, 41)]
    assert lines[0] == "process 1 of 2 has joined"
    assert lines[1] == "training validation_1: step 4 of at most 40, loss 0.2500"
    assert len(lines) == 11


def test_processes_that_write_into_one_pipe_do_not_mix_their_lines():
    code = "import sys; from gnn_assets import worker_lines\nfor n in range(3000): worker_lines.write(sys.argv[1] * 60)"
    reader, writer = os.pipe()
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(torchrun.PROJECT)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, word], stdout=writer, env=environment) for word in ("a", "b")
    ]
    os.close(writer)
    with os.fdopen(reader) as pipe:
        lines = [line.rstrip("\n") for line in pipe]
    assert [process.wait() for process in started] == [0, 0]
    assert set(lines) == {"a" * 60, "b" * 60}
    assert len(lines) == 6000


def test_a_process_that_fails_is_told_with_the_last_words_and_what_to_do(together):
    code = """
import sys
for n in range(100):
    print('line', n)
print('process 1: DivergedError: training step 7: loss nan', flush=True)
sys.stderr.write('E1126 10:00 api.py:1] failed (exitcode: -9) local_rank: 1 (pid: 5) of binary: python\\n')
sys.stderr.write('Traceback of torchrun\\n' * 30)
sys.exit(1)"""
    with pytest.raises(ProcessLostError) as error:
        together(code)
    words = str(error.value)
    assert "2026-02-23/gnn_checkpoint: training in 2 processes failed" in words
    assert "process 1 ended with code -9" in words
    assert "DivergedError: training step 7: loss nan" in words
    assert "run the step again" in words
    assert "line 98" in words
    assert "line 70\n" not in words
    assert "of torchrun" not in words


def test_processes_that_end_without_writing_a_model_are_a_failure(together):
    with pytest.raises(ProcessLostError, match="they said nothing"):
        together("pass")


def test_another_version_in_the_store_than_the_one_written_is_refused(together):
    with pytest.raises(ProcessLostError, match="wrote version v1…, the store holds v2"):
        together("open(answer, 'w').write('v1')")


@pytest.mark.slow
def test_a_step_that_is_stopped_takes_its_processes_along(together, tmp_path):
    def stop(line):
        raise KeyboardInterrupt(line)

    beats = tmp_path / "beats"
    code = f"""
import time
print('process 0 of 2 has joined', flush=True)
while True:
    open({str(beats)!r}, 'a').write('.')
    time.sleep(0.05)"""
    with pytest.raises(KeyboardInterrupt):
        together(code, stop)
    seen = beats.read_text() if beats.exists() else ""
    time.sleep(0.5)
    assert (beats.read_text() if beats.exists() else "") == seen
