"""The token's file, and which hosts need one."""

import os
import stat

import pytest

from sds_bridge.daemon.admission import BOUND_SECONDS, Admission, is_loopback, token_of
from sds_bridge.errors import InputError


def test_a_token_is_made_once_long_and_for_its_owner_only(tmp_path):
    token = token_of(tmp_path, None)
    assert len(token) >= 32 and token_of(tmp_path, None) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert token_of(other, None) != token


def test_a_given_token_is_taken_and_not_written(tmp_path):
    assert token_of(tmp_path, "0123456789abcdef") == "0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 201, "0123456789 abcdef", "0123456789;abcdef", "0123456789é01234"]
)
def test_tokens_that_will_not_do(tmp_path, given):
    with pytest.raises(InputError, match="a token has 16 to 200 plain characters") as caught:
        token_of(tmp_path, given)
    assert "\n" not in str(caught.value) and (len(given) < 6 or given not in str(caught.value))


def test_a_token_file_that_others_can_read_is_refused(tmp_path):
    token_of(tmp_path, None)
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(InputError, match=r"others can read the token.*chmod 600"):
        token_of(tmp_path, None)


@pytest.mark.parametrize("make", ["link", "pipe", "folder", "empty"])
def test_a_token_file_that_is_none_is_refused(tmp_path, make):
    file = tmp_path / "token"
    if make == "link":
        (tmp_path / "there").write_text("0123456789abcdef")
        file.symlink_to(tmp_path / "there")
    elif make == "pipe":
        os.mkfifo(file, 0o600)
    elif make == "folder":
        file.mkdir(0o700)
    else:
        file.touch(0o600)
    with pytest.raises(InputError):
        token_of(tmp_path, None)


def test_an_address_that_was_silent_for_long_must_say_it_again():
    now = 0.0
    admission = Admission("0123456789abcdef", lambda: now)
    admission.hello("10.0.0.1", "0123456789abcdef")
    for _ in range(3):
        now += BOUND_SECONDS - 1
        assert admission.admitted("10.0.0.1")
    now += BOUND_SECONDS
    assert not admission.admitted("10.0.0.1")


def test_a_token_is_not_guessed_by_trying_fast():
    now = 0.0
    admission = Admission("0123456789abcdef", lambda: now)
    for number in range(20):
        with pytest.raises(InputError):
            admission.hello("10.0.0.1", f"guess-{number}")
        admission.may_refuse("10.0.0.1")
    with pytest.raises(InputError):
        admission.hello("10.0.0.1", "0123456789abcdef")
    now += 1.0
    admission.hello("10.0.0.1", "0123456789abcdef")


def test_hosts():
    assert is_loopback("127.0.0.1") and is_loopback("127.3.2.1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("192.168.1.5")
    for host in ("::1", "no.such.host.invalid", "", "1.2.3.4.5", "x" * 300):
        if host:
            with pytest.raises(InputError, match="--host"):
                is_loopback(host)
