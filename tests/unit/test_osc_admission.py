"""Who may ask over OSC: with a token only who has said hello."""

import pytest
from osc_front import ME, Front

from sds_bridge.daemon.admission import Admission


@pytest.fixture
def front(tmp_path):
    return Front(tmp_path)


TOKEN = "a-token-of-this-test"


def test_with_a_token_only_hello_is_answered(tmp_path):
    front = Front(tmp_path, admission=Admission(TOKEN))
    for request in (("/sds/ping", 7), ("/sds/tune", 7, "kick", "fm"), ("/sds/job/list", 7), ("/sds/monitor", 7, 9)):
        answer = front.one(*request)
        assert (answer.address, answer.values[0]) == ("/sds/error", 7)
        assert "/sds/hello" in answer.values[1]
    assert front.store.newest() == []
    assert "not this daemon's" in front.one("/sds/hello", 7, "wrong-token-wrong-token").values[1]
    assert front.one("/sds/ping", 7).address == "/sds/error"
    assert front.one("/sds/hello", 7, TOKEN).values[0] == 7
    assert front.one("/sds/ping", 7).address == "/sds/ping"


def test_hello_takes_the_token_alone_and_echoes_it_to_nobody(tmp_path):
    front = Front(tmp_path, admission=Admission(TOKEN))
    refused = front.one("/sds/hello", "wrong-" + TOKEN)
    assert refused.values[0] == "" and TOKEN not in refused.values[1]
    assert front.one("/sds/hello", TOKEN).values[0] == ""
    assert front.one("/sds/ping", 1).address == "/sds/ping"


def test_hello_binds_the_address_not_the_socket_and_no_other_address(tmp_path):
    front = Front(tmp_path, admission=Admission(TOKEN))
    front.ask("/sds/hello", 1, TOKEN, sender=("192.168.1.5", 40_000))
    ((_, again),) = front.ask("/sds/ping", 1, sender=("192.168.1.5", 40_001))
    ((_, other),) = front.ask("/sds/ping", 1, sender=("192.168.1.6", 40_000))
    assert (again.address, other.address) == ("/sds/ping", "/sds/error")


def test_strangers_get_few_answers_however_much_they_send(tmp_path):
    front = Front(tmp_path, admission=Admission(TOKEN, lambda: 0.0))
    heard = sum(len(front.ask("/sds/ping", n, sender=(f"10.0.0.{n % 250}", 5))) for n in range(1000))
    assert heard == 20
    assert front.ask("/sds/hello", 1, "wrong" * 5) == []


def test_a_monitor_ends_by_itself_is_bounded_and_shows_no_token(front):
    watcher = ("127.0.0.1", 50_009)
    front.ask("/sds/monitor", "m", 10, sender=watcher)
    hello = front.ask("/sds/hello", 1, TOKEN)
    assert TOKEN not in str([m for to, m in hello if to == watcher])
    mirrored = sum(to == watcher for _ in range(1000) for to, _ in front.ask("/sds/ping", 1))
    assert 400 < mirrored <= 500
    front.time += 1.0
    left_out = [m.values[-1] for to, m in front.ask("/sds/ping", 1) if to == watcher]
    assert left_out == [2000 - mirrored, 0]
    front.time += 10.0
    assert [to for to, _ in front.ask("/sds/ping", 1)] == [ME]
    for port in range(8):
        front.ask("/sds/monitor", "m", 10, sender=("127.0.0.1", port + 1))
    assert "8 watch already" in str(front.ask("/sds/monitor", "m", 10))
