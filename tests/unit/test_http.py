"""Each route's contract on a store without a worker: answers, refusals in one line, nothing outside the folders."""

import json
import struct
import zipfile

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.http import uploads
from sds_bridge.daemon.http.app import LARGEST_BODY, STATIC, make_app
from sds_bridge.daemon.store import Status, Store
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


@pytest.fixture
def front(tmp_path):
    folder = tmp_path / "bridge"
    (folder / "jobs").mkdir(parents=True)
    with TestClient(make_app(folder, Access([folder])), base_url=HOST) as client:
        made = Front(folder, client)
        yield made
        made.store.close()


def clip(folder, name="clip.wav", seconds=1.0):
    soundfile.write(folder / name, np.zeros(int(8000 * seconds)), 8000)
    return folder / name


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


@pytest.mark.parametrize(
    ("name", "why"),
    [("/etc/passwd", "outside"), ("clip.wav", "not an absolute path"), ("{f}/no.wav", "no such file"), ("{f}", "is a folder"), ("{f}/../bridge/clip.wav", "'..'"), ("{f}/text.wav", "not a readable audio file"), ("//server/share/x.wav", "outside"), ("{f}/\0", "not an absolute")],
)  # fmt: skip
def test_clips_outside_or_unreadable_are_refused(front, name, why):
    clip(front.folder)
    (front.folder / "text.wav").write_text("no sound")
    assert why in front.post("/api/separations", {"clip": name.format(f=front.folder), "stems": ["sax"]}, 422)


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
    assert {"dx7", "faust", "sfz"} <= {one["name"] for one in front.get("/api/formats").json()}
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
    assert "faust takes patches of modal" in front.post(f"/api/jobs/{job}/exports", {"format": "faust"}, 422)
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


TRAVERSALS = [
    "%2e%2e%2f%2e%2e%2fjobs.sqlite", "..%2f..%2fjobs.sqlite", "%2e%2e/%2e%2e/jobs.sqlite", "....//jobs.sqlite", "..\\..\\jobs.sqlite",
    "/etc/passwd", "//etc/passwd", "%00", "preview.wav%00.txt", ".steps.part", ".previews/1.wav", "exports%2f..%2f..%2f1%2f..%2f..%2fjobs.sqlite",
    "out", "out/passwd", "x" * 5000, "%ff%fe", "%2e", "%2e%2e", "",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_file_outside_the_jobs_folder_is_read(front, name):
    job = front.tuned()
    folder = front.folder / "jobs" / str(job)
    (folder / "out").symlink_to("/etc")
    (folder / "passwd").symlink_to("/etc/passwd")
    front.get(f"/api/jobs/{job}/files/{name}", 404)
    front.get(f"/api/jobs/{job}/files/passwd", 404)


@pytest.mark.parametrize(
    "name", ["%2e%2e/app.py", "%2e%2e%2fapp.py", "js%2f..%2f..%2fapp.py", "/etc/passwd", "..\\app.py"]
)
def test_the_page_gives_nothing_else(front, name):
    front.get(f"/{name}", 404)
    front.get(f"/static/{name}", 404)


def test_an_uploaded_clip_can_be_separated(front, tmp_path):
    body = clip(tmp_path).read_bytes()
    chunks = (body[at : at + 1000] for at in range(0, len(body), 1000))
    taken = front.ask("POST", "/api/clips?name=../../My mix!.wav", 201, content=chunks).json()
    assert taken["clip"].startswith(str(front.folder / "uploads")) and taken["clip"].endswith("-My-mix.wav")
    assert (taken["seconds"], taken["rate"], taken["channels"]) == (1.0, 8000, 1)
    front.post("/api/separations", {"clip": taken["clip"], "stems": ["sax"]})


def lying_wav(frames=500_000_000):
    """100 bytes whose header promises 2 GB."""
    head = b"RIFF" + struct.pack("<I", 36 + 4 * frames & 0xFFFFFFFF) + b"WAVEfmt "
    head += (
        struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16) + b"data" + struct.pack("<I", 4 * frames & 0xFFFFFFFF)
    )
    return head + bytes(100 - len(head))


def wide_flac(folder):
    """A small file that would be 600 MB as float32: 8 channels of silence."""
    soundfile.write(folder / "wide.flac", np.zeros((20_000_000, 8), np.int16), 48_000)
    return (folder / "wide.flac").read_bytes()


def test_headers_that_lie_end_in_an_error_or_in_what_is_there(front):
    answer = front.client.post("/api/clips", content=lying_wav())
    if answer.status_code == 201:  # libsndfile believes the file's size rather than its header
        assert answer.json()["seconds"] < 0.01
    else:
        assert answer.status_code == 422


def test_a_small_file_that_would_fill_memory_is_refused(front, tmp_path):
    body = wide_flac(tmp_path)
    assert len(body) < 3_000_000
    assert "at most 115200000 samples" in front.ask("POST", "/api/clips?name=wide.flac", 422, content=body)


@pytest.mark.parametrize("body", [b"", b"no sound", b"RIFF\0\0\0\0WAVE", bytes(10_000)])
def test_what_is_no_clip_is_refused_and_not_kept(front, body):
    error = front.ask("POST", "/api/clips?name=a/b/broken.wav", 422, content=body)
    assert error.startswith("broken.wav: ")
    assert list((front.folder / "uploads").iterdir()) == []


def test_uploads_are_bounded(front):
    assert "larger" in front.ask("POST", "/api/tunes", 413, content=(bytes(1 << 16) for _ in range(40)))
    assert f"at most {LARGEST_BODY}" in front.ask("POST", "/api/tunes", 413, content=bytes(LARGEST_BODY + 1))
    huge = {"content-length": str(uploads.LARGEST_UPLOAD + 1)}
    assert "at most" in front.ask("POST", "/api/clips", 413, content=b"x", headers=huge)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evil.example:9080"},
        {"host": "10.0.0.1:9080"},
        {"host": ""},
        {"host": "127.0.0.1@evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api", "/api/jobs", "/static/js/main.js"])
def test_other_sites_are_refused(front, headers, path):
    front.get(path, 403, headers=headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9080", "localhost:9080", "[::1]:9080", "LOCALHOST"])
def test_our_own_names_are_taken(front, host):
    front.get("/api", headers={"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"})


def test_every_answer_forbids_what_the_page_does_not_need(front):
    for path in ("/", "/api", "/static/js/main.js"):
        headers = front.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert "access-control-allow-origin" not in headers


def test_a_token_is_asked_for_where_one_is_set(tmp_path):
    (tmp_path / "jobs").mkdir()
    with TestClient(make_app(tmp_path, Access([tmp_path]), token="s3cret"), base_url=HOST) as client:
        assert client.get("/api").status_code == 401
        assert client.get("/api", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/api", headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert client.get("/?token=wrong").status_code == 401
        assert "HttpOnly" in client.get("/?token=s3cret").headers["set-cookie"]
        assert client.get("/api").status_code == 200


def test_the_page_asks_no_other_host():
    texts = [
        file for file in STATIC.rglob("*") if file.suffix in (".html", ".css", ".js") and "vendor" not in file.parts
    ]
    assert len(texts) > 8
    for file in texts:
        assert "http://" not in file.read_text() and "https://" not in file.read_text(), file


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


def test_half_a_clip_of_a_killed_daemon_is_removed(tmp_path):
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / ".half.part").write_bytes(b"RIFF")
    with TestClient(make_app(tmp_path, Access([tmp_path])), base_url=HOST):
        assert list((tmp_path / "uploads").iterdir()) == []


def test_a_full_queue_is_told(front):
    for number in range(100):
        front.store.create("tune", {"prompt": str(number)})
    assert "jobs wait" in front.post("/api/tunes", {"prompt": "kick"}, 409)
    assert len(front.store.with_status(Status.QUEUED)) == 100
