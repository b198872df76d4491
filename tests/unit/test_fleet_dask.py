"""The same work over a real Dask cluster: a scheduler and workers as processes, and one killed half-way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fleets
import pytest
from requirements import give_up

COUNT = 160


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler with two workers, and the workers' processes."""
    try:
        import distributed
    except ImportError:
        give_up("needs distributed")
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "True",
                   "PYTHONPATH": str(Path(__file__).parents[2])}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": tmp_path}
    file = tmp_path / "scheduler.json"
    started = [subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
                                 "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **quiet)]
    try:
        until = time.monotonic() + 30
        while not (file.exists() and file.read_text().endswith("}")):
            assert time.monotonic() < until, "the scheduler does not start"
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        workers = [subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny",
                                     "--nthreads", "1", "--no-dashboard"], **quiet) for _ in range(2)]
        started += workers
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield re.sub(r"^tcp://", "dask://", address), workers
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def test_no_snapshot_is_lost_and_none_counted_twice_when_a_worker_dies(scheduler, tmp_path):
    address, workers = scheduler
    paths = fleets.copies(tmp_path / "snapshots", COUNT)
    (tmp_path / "snapshots" / "bad.tar.gz").write_bytes(b"bad")
    import datetime

    from fwaudit.cli.fleet_work import Task, lost
    from fwaudit.host.fleet.dask import cluster
    from fwaudit.host.fleet.find import find
    from fwaudit.host.fleet.pool import answers
    from fwaudit.model.compliance import Policy

    found = []
    with cluster(address) as pool:
        assert pool.size == 2
        task = Task(Policy(), datetime.date.min, 60.0)
        for row in answers(find([str(tmp_path / "snapshots")], print), pool, task, lost, 60.0):
            found.append(row)
            if len(found) == COUNT // 4:
                workers[0].kill()
    assert Counter(row.source for row in found) == Counter([*paths, str(tmp_path / "snapshots" / "bad.tar.gz")])
    assert [row.source.rpartition("/")[2] for row in found if row.error] == ["bad.tar.gz"]
    assert all(row.level == "critical" and len(row.ports) == 9 for row in found if not row.error)
    command = [sys.executable, "-m", "fwaudit", "fleet", "report", Path(paths[0]).name, "--executor", address,
               "--format", "json", "--policy", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          cwd=Path(paths[0]).parent)
    assert done.returncode == 0 and json.loads(done.stdout)["hosts"][0]["source"] == paths[0], done.stderr
