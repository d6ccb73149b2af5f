"""Who is answered, and that nothing outside the folders is read, written or believed."""

import os
import struct

import numpy as np
import pytest
import soundfile
from http_front import HOST, clip, opened
from starlette.testclient import TestClient

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.http import uploads
from sds_bridge.daemon.http.app import STATIC, make_app
from sds_bridge.daemon.http.service import LARGEST_BODY


@pytest.fixture
def front(tmp_path):
    with opened(tmp_path / "bridge") as made:
        yield made


@pytest.mark.parametrize(
    ("name", "why"),
    [("/etc/passwd", "outside"), ("clip.wav", "not an absolute path"), ("{f}/no.wav", "no such file"), ("{f}", "is a folder"), ("{f}/../bridge/clip.wav", "'..'"), ("{f}/text.wav", "not a readable audio file"), ("//server/share/x.wav", "network or device"), ("{f}/\0", "not an absolute")],
)  # fmt: skip
def test_clips_outside_or_unreadable_are_refused(front, name, why):
    clip(front.folder)
    (front.folder / "text.wav").write_text("no sound")
    assert why in front.post("/api/separations", {"clip": name.format(f=front.folder), "stems": ["sax"]}, 422)


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


def test_no_file_is_written_through_a_link(front, tmp_path):
    job = front.tuned()
    (tmp_path / "elsewhere").mkdir()
    (front.folder / "jobs" / str(job) / "exports").symlink_to(tmp_path / "elsewhere")
    error = front.ask("POST", f"/api/jobs/{job}/exports", 409, json={"format": "faust"})
    assert "is a link" in error
    assert "is a link" in front.ask("POST", "/api/tunes", 409, json={"prompt": "x", "start_job": job, "start_step": 1})
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("make", ["folder", "pipe", "large"])
def test_a_start_that_is_no_patch_file_is_refused_before_it_is_read(front, make):
    start = front.folder / "start.json"
    if make == "folder":
        start.mkdir()
    elif make == "pipe":
        os.mkfifo(start)
    else:
        with start.open("wb") as sparse:
            sparse.truncate(1 << 40)
    assert "start: " in front.post("/api/tunes", {"prompt": "kick", "start": str(start)}, 422)


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


def test_half_a_clip_of_a_killed_daemon_is_removed(tmp_path):
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / ".half.part").write_bytes(b"RIFF")
    with TestClient(make_app(tmp_path, Access([tmp_path])), base_url=HOST):
        assert list((tmp_path / "uploads").iterdir()) == []
