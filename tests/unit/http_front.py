"""The HTTP application on a store without a worker."""

import json
from contextlib import contextmanager

import numpy as np
import soundfile
from starlette.testclient import TestClient

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.http.app import make_app
from sds_bridge.daemon.store import Store
from sds_bridge.patch import Patch
from sds_bridge.synths.declarations import declared
from sds_bridge.tasks.history import Recorder

HOST = "http://127.0.0.1:9080"


class Front:
    def __init__(self, folder, client):
        self.folder, self.client = folder, client
        self.store = Store(folder / "jobs.sqlite")

    def ask(self, method, path, status, **more):
        answer = self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        if status >= 400:
            error = answer.json()["error"]
            assert list(answer.json()) == ["error"] and error and "\n" not in error and "Traceback" not in error
            return error
        return answer

    def get(self, path, status=200, **more):
        return self.ask("GET", path, status, **more)

    def post(self, path, body, status=201):
        return self.ask("POST", path, status, json=body)

    def tuned(self, steps=3, synth="fm"):
        """A tune that ended, as the task leaves it."""
        job = self.store.create("tune", {"prompt": "kick", "synth": synth, "note": 48, "seed": 0})
        assert self.store.claim("w").id == job.id
        folder = self.folder / "jobs" / str(job.id)
        folder.mkdir(parents=True)
        parameters = declared(synth)
        values = {p.name: [p.default] * p.size if p.size > 1 else p.default for p in parameters}
        Patch(synth=synth, name="kick", note=48, parameters=values).save(folder / "patch.json")
        recorder = Recorder(folder, parameters)
        for step in range(steps + 1):
            recorder.add(step, {p.name: np.full((1, p.size), step / steps) for p in parameters})
        recorder.finish(steps)
        soundfile.write(folder / "preview.wav", np.zeros((100, 2)), 44_100)
        (folder / "job.json").write_text(json.dumps({"request": job.request}))
        self.store.finish(job.id, "w", {"summary": {"seconds": 1.0}})
        return job.id


@contextmanager
def opened(folder):
    (folder / "jobs").mkdir(parents=True)
    with TestClient(make_app(folder, Access([folder])), base_url=HOST) as client:
        made = Front(folder, client)
        yield made
        made.store.close()


def clip(folder, name="clip.wav", seconds=1.0):
    soundfile.write(folder / name, np.zeros(int(8000 * seconds)), 8000)
    return folder / name
