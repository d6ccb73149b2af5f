"""When requests are gathered: from several clients, many in a window, and for as long as they come."""

from sds_bridge.daemon.crowd import MANY, WINDOW_SECONDS, Crowd

ONE, OTHER = ("127.0.0.1", 5001), ("127.0.0.1", 5002)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def heard(crowd, clock, senders, a_window, windows=3):
    for i in range(a_window * windows):
        crowd.heard(senders[i % len(senders)])
        clock.now += WINDOW_SECONDS / a_window


def test_many_requests_of_several_clients_are_a_crowd_until_they_end():
    clock = Clock()
    crowd = Crowd(clock)
    assert not crowd.here
    heard(crowd, clock, [ONE, OTHER], 2 * MANY)
    assert crowd.here
    clock.now += 2 * WINDOW_SECONDS
    assert not crowd.here
    crowd.heard(ONE)
    assert not crowd.here


def test_one_client_that_waits_for_its_answers_is_no_crowd_nor_are_few_requests():
    clock = Clock()
    crowd = Crowd(clock)
    heard(crowd, clock, [ONE], 50 * MANY)
    assert not crowd.here
    heard(crowd, clock, [ONE, OTHER], MANY - 2, windows=20)
    assert not crowd.here
