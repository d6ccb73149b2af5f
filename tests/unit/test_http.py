"""Each route's contract: answers, and refusals in one line."""

import json
import zipfile

import numpy as np
import pytest
import soundfile
from http_front import clip, opened

from sds_bridge.daemon.http import uploads
from sds_bridge.daemon.store import Status
from sds_bridge.patch import Patch


@pytest.fixture
def front(tmp_path):
    with opened(tmp_path / "bridge") as made:
        yield made


def test_a_tune_is_queued_as_over_osc(front):
    job = front.post("/api/tunes", {"prompt": "kick drum", "steps": 6, "lock": ["op1.*"], "guidance": 12}).json()
    kept = front.store.get(job["id"])
    assert (kept.kind, kept.status, kept.request["lock"], kept.request["guidance"]) == ("tune", "queued", ["op1.*"], 12)
    assert (job["what"], job["status"], job["seconds_left"], job["request"]) == (
        "kick drum",
        "queued",
        None,
        kept.request,
    )


def test_a_token_gives_the_same_job(front):
    asked = {"prompt": "kick", "token": "once"}
    assert front.post("/api/tunes", asked).json() == front.post("/api/tunes", asked).json()


def test_a_separation_is_queued_with_the_real_path(front):
    (front.folder / "link.wav").symlink_to(clip(front.folder))
    job = front.post("/api/separations", {"clip": str(front.folder / "link.wav"), "stems": ["sax", "traffic"]}).json()
    assert job["request"]["clip"] == str(front.folder / "clip.wav")
    assert front.get(f"/api/jobs/{job['id']}/clip").content == (front.folder / "clip.wav").read_bytes()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"prompt": " "}, "prompt: is empty"),
        ({"prompt": "x" * 501}, "501 characters"),
        ({"prompt": "kick", "synth": "zither"}, "synth: .*'zither'"),
        ({"prompt": "kick", "steps": "6"}, "steps: "),
        ({"prompt": "kick", "steps": -1}, "steps: .*-1"),
        ({"prompt": "kick", "speed": 3}, "speed: "),
        ({"prompt": "kick", "start": "/etc/passwd"}, "start: /etc/passwd is outside"),
        ({"prompt": "kick", "start": "../x"}, "start: '../x' is not an absolute path"),
        ({"prompt": "kick", "prior": "/etc"}, "prior: /etc is outside"),
        ({}, "prompt: Field required"),
        ([], "body: "),
        ({"prompt": "\ud800"}, "half of a surrogate pair"),
        ({"prompt": "kick", "token": "\udfff"}, "half of a surrogate pair"),
    ],
)
def test_bad_tunes_are_refused(front, body, why):
    with pytest.raises(AssertionError, match=why):
        answer = front.client.post("/api/tunes", content=json.dumps(body), headers={"content-type": "application/json"})
        assert answer.status_code == 422
        raise AssertionError(answer.json()["error"])
    assert front.store.newest() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"prompt": NaN}', b"[" * 100_000, b"\xff\xfe", b'{"prompt": "kick", "guidance": Infinity}']
)
def test_bodies_that_are_no_request_are_refused(front, body):
    answer = front.client.post("/api/tunes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and list(answer.json()) == ["error"]


def test_jobs_are_listed_got_and_cancelled(front):
    ids = [front.post("/api/tunes", {"prompt": p}).json()["id"] for p in ("one", "two", "three")]
    assert [job["what"] for job in front.get("/api/jobs?limit=2").json()] == ["three", "two"]
    assert front.post(f"/api/jobs/{ids[0]}/cancel", None, 200).json()["status"] == "cancelled"
    assert front.get(f"/api/jobs/{ids[0]}").json()["status"] == "cancelled"
    front.store.claim("w")
    assert front.post(f"/api/jobs/{ids[1]}/cancel", None, 200).json()["cancelling"] is True
    front.store.finish(ids[1], "w", {})
    assert "done already" in front.post(f"/api/jobs/{ids[1]}/cancel", None, 409)


@pytest.mark.parametrize("path", ["", "/events", "/files", "/files/x", "/patch", "/preview.wav", "/clip"])
@pytest.mark.parametrize(("job", "status"), [("7", 404), ("0", 422), ("-1", 422), ("x", 422), (str(2**63), 422)])
def test_jobs_that_are_not_there(front, path, job, status):
    front.get(f"/api/jobs/{job}{path}", status)


def test_a_jobs_events_end_with_it(front):
    job = front.post("/api/tunes", {"prompt": "kick"}).json()["id"]
    front.store.claim("w")
    front.store.progress(job, "w", 2, 4, 1.5)
    front.store.finish(job, "w", {})
    events = front.get(f"/api/jobs/{job}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    (data,) = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    assert (data["status"], data["step"], data["steps"]) == ("done", 2, 4)


def test_words_sounds_formats_and_the_daemon(front):
    assert front.get("/api/words?prompt=a kick-drum of zorble").json() == {
        "checked": True,
        "known": ["kick", "drum"],
        "unknown": ["zorble"],
    }
    assert front.get("/api/words?prompt=kick&prior=stable-audio-open").json()["checked"] is False
    assert "kick drum" in front.get("/api/sounds").json()
    assert {"dx7", "faust", "sfz", "vital"} <= {one["name"] for one in front.get("/api/formats").json()}
    assert front.get("/api").json()["largest_upload"] == uploads.LARGEST_UPLOAD


def test_a_patch_at_each_step(front):
    job = front.tuned()
    view = front.get(f"/api/jobs/{job}/patch?step=3").json()
    assert (view["step"], view["steps"]) == (3, 3)
    for one in view["parameters"]:
        assert one["values"] == pytest.approx([one["high"]] * len(one["values"])) and set(one["positions"]) == {1.0}
    assert front.get(f"/api/jobs/{job}/patch").json()["patch"]["parameters"]["op1.ratio"] == 1.0
    assert "there are 0 to 3" in front.get(f"/api/jobs/{job}/patch?step=4", 404)
    assert "there are 0 to 3" in front.get(f"/api/jobs/{job}/preview.wav?step=4", 404)
    front.get(f"/api/jobs/{job}/patch?step=-1", 422)
    queued = front.post("/api/tunes", {"prompt": "kick"}).json()["id"]
    assert "only a tune that is done" in front.get(f"/api/jobs/{queued}/patch", 409)


def test_a_tune_goes_on_from_a_step(front):
    job = front.tuned()
    made = front.post("/api/tunes", {"prompt": "snare", "start_job": job, "start_step": 2, "lock": ["op1.*"]}).json()
    start = Patch.load(made["request"]["start"])
    assert start.provenance["step"] == 2 and made["request"]["synth"] == "fm"
    assert made["request"]["note"] == start.note
    result = front.post("/api/tunes", {"prompt": "snare", "start_job": job}).json()["request"]["start"]
    assert result == str(front.folder / "jobs" / str(job) / "patch.json")
    assert "no such job" in front.post("/api/tunes", {"prompt": "x", "start_job": 99}, 404)
    front.post("/api/tunes", {"prompt": "x", "start_job": job, "start_step": 9}, 404)


def test_an_export_says_what_it_lost_and_can_be_fetched(front):
    job = front.tuned()
    made = front.post(f"/api/jobs/{job}/exports", {"format": "dx7", "step": 2}).json()
    assert made["file"]["name"] == "exports/kick-step-2.syx" and made["report"]
    assert len(front.get(made["file"]["url"]).content) == 163
    assert made["file"] in front.get(f"/api/jobs/{job}/files").json()
    assert "'nonsense' is unknown" in front.post(f"/api/jobs/{job}/exports", {"format": "nonsense"}, 422)
    made = front.post(f"/api/jobs/{job}/exports", {"format": "vital"}).json()
    assert made["file"]["name"] == "exports/kick.vital" and made["report"]
    front.post(f"/api/jobs/{job}/exports", {"format": "../../x"}, 422)


@pytest.mark.timeout(120)
def test_previews_and_samples_come_from_the_renderer(front):
    job = front.tuned()
    folder = front.folder / "jobs" / str(job)
    soundfile.write(folder / "preview.wav", np.zeros((4410, 2)), 44_100)
    heard = front.get(f"/api/jobs/{job}/preview.wav?step=1")
    assert heard.headers["content-type"] == "audio/wav"
    assert (folder / ".previews" / "1.wav").read_bytes() == heard.content
    assert soundfile.info(folder / ".previews" / "1.wav").frames == 4410
    assert not any(".previews" in file["name"] for file in front.get(f"/api/jobs/{job}/files").json())
    made = front.post(f"/api/jobs/{job}/exports", {"format": "sfz"}).json()
    with zipfile.ZipFile(folder / made["file"]["name"]) as archive:
        assert "kick.sfz" in archive.namelist() and len(archive.namelist()) > 10


def test_a_file_comes_by_ranges(front):
    job = front.tuned()
    path = f"/api/jobs/{job}/files/preview.wav"
    whole = front.get(path).content
    part = front.get(path, 206, headers={"range": "bytes=4-11"})
    assert part.content == whole[4:12] and part.headers["content-range"] == f"bytes 4-11/{len(whole)}"


def test_the_description_names_every_route(front):
    described = front.get("/api/openapi.json").json()
    assert {"/api/tunes", "/api/separations", "/api/clips", "/api/events", "/api/jobs/{job}/exports"} <= set(
        described["paths"]
    )
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert method["description"], path
            assert "422" in method["responses"] and "409" in method["responses"]


def test_routes_and_methods_that_are_not_there(front):
    front.get("/api/nonsense", 404)
    front.ask("DELETE", "/api/jobs", 405)


def test_a_full_disk_is_told(front, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    job = front.tuned()
    monkeypatch.setattr("pathlib.Path.mkdir", full)
    assert "No space left on device" in front.post(f"/api/jobs/{job}/exports", {"format": "dx7"}, 409)


def test_a_full_queue_is_told(front):
    for number in range(100):
        front.store.create("tune", {"prompt": str(number)})
    assert "jobs wait" in front.post("/api/tunes", {"prompt": "kick"}, 409)
    assert len(front.store.with_status(Status.QUEUED)) == 100
