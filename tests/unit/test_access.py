"""A client reads inside the allowed folders only, and a job writes only where nothing is."""

import os

import pytest

from sds_bridge.daemon.access import Access, defaults, free_job_id, is_unc_or_device, job_folder
from sds_bridge.errors import InputError


@pytest.fixture
def place(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "clip.wav").write_bytes(b"x")
    (outside / "secret.wav").write_bytes(b"x")
    (tmp_path / "inside-not").mkdir()
    (tmp_path / "inside-not" / "a.wav").write_bytes(b"x")
    (inside / "good-link.wav").symlink_to(inside / "clip.wav")
    (inside / "bad-link.wav").symlink_to(outside / "secret.wav")
    (inside / "bad-folder").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    (inside / "dev").symlink_to("/dev/zero")
    (inside / "secret").write_text("token")
    (inside / "loop").symlink_to(inside / "loop")
    return tmp_path


def test_files_inside_are_readable(place):
    access = Access([place / "in"])
    assert access.readable(str(place / "in/clip.wav"), "clip") == place / "in/clip.wav"
    assert access.readable(str(place / "in/good-link.wav"), "clip") == place / "in/clip.wav"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "not an absolute path"),
        ("clip.wav", "not an absolute path"),
        ("~/clip.wav", "not an absolute path"),
        ("in/clip.wav\0", "not an absolute path"),
        ("{place}/in/../out/secret.wav", "has '..' in it"),
        ("{place}/in/../in/clip.wav", "has '..' in it"),
        ("{place}/out/secret.wav", "outside the folders"),
        ("{place}/inside-not/a.wav", "outside the folders"),
        ("{place}/in/bad-link.wav", "outside the folders"),
        ("{place}/in/bad-folder/secret.wav", "outside the folders"),
        ("/etc/passwd", "outside the folders"),
        ("//server/share/a.wav", "a network or device path"),
        ("\\\\server\\share\\a.wav", "a network or device path"),
        ("\\\\.\\pipe\\x", "a network or device path"),
        ("\\\\?\\C:\\a.wav", "a network or device path"),
        ("/dev/stdin", "outside the folders"),
        ("{place}/in/pipe", "a device or a pipe"),
        ("{place}/in/dev", "outside the folders"),
        ("{place}/in/secret", "outside the folders"),
        ("{place}/in/missing.wav", "no such file"),
        ("{place}/in/clip.wav/x", "no such file"),
        ("{place}/in/loop", "can't be opened|no such file"),
        ("{place}/in/" + "a" * 5000, "can't be opened"),
    ],
)
def test_all_else_is_refused_with_a_reason(place, name, why):
    with pytest.raises(InputError, match=why) as caught:
        Access([place / "in"], [place / "in/secret"]).readable(name.replace("{place}", str(place)), "clip")
    assert str(caught.value).startswith("clip: ")
    assert "\n" not in str(caught.value)


def test_an_outside_file_looks_the_same_whether_it_exists_or_not(place):
    access = Access([place / "in"])
    texts = []
    for name in ("secret", "nothing"):
        with pytest.raises(InputError) as caught:
            access.readable(str(place / f"out/{name}.wav"), "clip")
        texts.append(str(caught.value).replace(name, "NAME"))
    assert texts[0] == texts[1]


def test_priors_by_name_pass_and_folders_are_checked(place, monkeypatch):
    monkeypatch.chdir(place)
    access = Access([place / "in"])
    (place / "in/model").mkdir()
    assert access.prior("starter") == "starter"
    assert access.prior("stabilityai/stable-audio-open-1.0") == "stabilityai/stable-audio-open-1.0"
    assert access.prior(str(place / "in/model")) == str(place / "in/model")
    for name in ("../out", "./in", "out/../in", "/etc", "in/model", "", "~/model", "a//b"):
        with pytest.raises(InputError):
            access.prior(name)


def test_defaults_leave_out_the_root_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert defaults(tmp_path / "d") == [tmp_path / "d", tmp_path]
    monkeypatch.chdir("/")
    assert defaults(tmp_path / "d") == [tmp_path / "d"]


def test_job_ids_start_above_the_folders_that_exist(tmp_path):
    assert free_job_id(tmp_path) == 1
    for name in ("3", "17", "x", "²"):
        (tmp_path / "jobs" / name).mkdir(parents=True)
    assert free_job_id(tmp_path) == 18
    assert job_folder(tmp_path, 18) == tmp_path / "jobs" / "18"


def test_who_allows_the_whole_disk_allows_no_devices():
    access = Access([os.sep])
    for name in (
        "/dev/zero",
        "/dev/fd/0",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/sys/kernel/uevent_seqnum",
    ):
        try:
            found = access.readable(name, "clip")
        except InputError as error:
            assert "device" in str(error) or "no such file" in str(error)
        else:
            assert name == "/proc/self/root/etc/passwd" and str(found) == "/etc/passwd"


@pytest.mark.parametrize(
    "name",
    ["C:\\x\\NUL", "C:/x/con.wav", "C:\\x\\Com1", "C:\\lpt9.txt\\x", "C:\\a.wav:stream", "/\\server\\share", "\\??\\C:\\a", "C:\\aux .wav"],
)  # fmt: skip
def test_windows_devices_streams_and_shares(name):
    assert is_unc_or_device(name, windows=True)


def test_what_only_sounds_like_a_device():
    for name in ("C:\\console\\nullify.wav", "C:/com10/a.wav", "D:\\auxiliary.wav"):
        assert not is_unc_or_device(name, windows=True)
    assert not is_unc_or_device("/home/me/aux/con.wav", windows=False)
