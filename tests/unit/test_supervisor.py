"""A worker that hangs is ended, and its job goes back into the queue with the crash counted."""

import sys
import time

from sds_bridge.daemon import supervisor as module
from sds_bridge.daemon.store import Status, Store


def test_a_worker_that_hangs_is_ended_and_its_job_queued_again(tmp_path, monkeypatch):
    store = Store(tmp_path / "jobs.sqlite")
    job = store.create("tune", {"prompt": "kick"})
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
    supervisor = module.Supervisor(store, tmp_path, sleeper)
    supervisor.tick()
    first = supervisor._process
    assert first is not None and first.poll() is None
    assert store.claim("worker").id == job.id
    supervisor.tick()
    assert supervisor._process is first
    monkeypatch.setattr(module, "HUNG_SECONDS", 0.05)
    time.sleep(0.1)
    supervisor.tick()
    assert first.poll() is not None
    found = store.get(job.id)
    assert (found.status, found.crashes) == (Status.QUEUED, 1)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    supervisor.stop()
