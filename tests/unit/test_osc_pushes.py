"""What is pushed while jobs run: progress, remarks, ends; and to a monitor."""

import pytest
from osc_front import ME, Front

from sds_bridge.daemon.osc import Message
from sds_bridge.daemon.store import Store


@pytest.fixture
def front(tmp_path):
    return Front(tmp_path)


def test_pushes_tell_progress_remarks_and_the_end(front):
    front.one("/sds/tune", "mine", "kick", "fm")
    assert front.tick() == []
    front.store.claim("w")
    front.store.progress(1, "w", 1, 9, 4.0, "unknown words: x")
    assert front.tick() == [
        Message("/sds/job/message", [1, "unknown words: x"]),
        Message("/sds/job/progress", [1, 1, 9, 4.0]),
    ]
    for step in range(2, 9):
        front.store.progress(1, "w", step, 9, 1.0)
        front.time += 0.03
        front.tick()
    assert front.tick() == []
    front.store.progress(1, "w", 9, 9, 0.0)
    front.store.finish(1, "w", {})
    folder = str(front.folder / "jobs/1")
    assert front.tick() == [Message("/sds/job/progress", [1, 9, 9, 0.0]), Message("/sds/job/done", [1, "done", folder])]
    assert front.tick() == []


def test_progress_comes_at_most_ten_times_a_second(front):
    front.one("/sds/tune", 1, "kick", "fm")
    front.store.claim("w")
    pushed = 0
    for step in range(1, 501):
        front.store.progress(1, "w", step, 500, 1.0)
        front.time += 0.01
        pushed += len(front.tick())
    assert 40 <= pushed <= 51


def test_a_failed_job_is_an_error_to_the_request_and_a_done(front):
    front.one("/sds/tune", "mine", "kick", "fm")
    front.store.claim("w")
    front.store.fail(1, "w", "no\nsuch luck")
    assert [m.values[:2] for m in front.tick()] == [["mine", "no such luck"], [1, "failed"]]


def test_after_a_pause_progress_comes_once_and_not_in_a_flood(front):
    front.one("/sds/tune", 1, "kick", "fm")
    front.store.claim("w")
    for step in range(1, 200):
        front.store.progress(1, "w", step, 500, 1.0)
    front.time += 3600
    assert [m.values[1] for m in front.tick()] == [199]


def test_states_are_never_older_than_the_store(front):
    front.one("/sds/tune", 1, "kick", "fm")
    other = Store(front.folder / "jobs.sqlite")
    other.claim("w")
    for step in range(1, 20):
        other.progress(1, "w", step, 20, 1.0)
        assert front.one("/sds/job/status", "q", 1).values[2:4] == ["running", step]
    assert front.one("/sds/job/list", "q").values[1] == "1 running tune kick"
    other.close()


def test_a_monitor_sees_requests_answers_errors_and_pushes(front):
    watcher = ("127.0.0.1", 50_009)
    assert front.ask("/sds/monitor", "m", 10, sender=watcher)[-1][1].values == ["m", 10]
    front.ask("/sds/tune", 7, "kick\n", "fm")
    front.ask_more("/sds/nothing", 8)
    front.commands.handle(b"junk", ME)
    front.store.claim("w")
    front.store.progress(1, "w", 3, 9, 4.0)
    front.announcer.tick()
    packets = [m.values for to, m in front.sent if to == watcher]
    assert all(m.address == "/sds/monitor/packet" for to, m in front.sent if to == watcher)
    assert [p[:3] for p in packets] == [
        ["in", "127.0.0.1:50000", "/sds/tune"],
        ["out", "127.0.0.1:50000", "/sds/tune"],
        ["in", "127.0.0.1:50000", "/sds/nothing"],
        ["out", "127.0.0.1:50000", "/sds/error"],
        ["in", "127.0.0.1:50000", ""],
        ["out", "127.0.0.1:50000", "/sds/error"],
        ["out", "127.0.0.1:50000", "/sds/job/progress"],
    ]
    assert packets[0][3] == '7 "kick\\n" "fm"' and packets[6][3] == "1 3 9 4"
    front.ask("/sds/monitor", "m", 0, sender=watcher)
    assert [to for to, _ in front.ask("/sds/ping", 1)] == [ME]
