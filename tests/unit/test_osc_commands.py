"""Whole commands against a store: answers, pushes, refusals."""

import random
import time

import numpy as np
import pytest
import soundfile
from osc_datagrams import FOO, PING, bundle
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.addresses import TABLE
from sds_bridge.daemon.announce import Announcer
from sds_bridge.daemon.commands import Commands
from sds_bridge.daemon.osc import Message, Socket, decode, encode
from sds_bridge.daemon.store import Status, Store
from sds_bridge.errors import InputError

ME = ("127.0.0.1", 50_000)


class Front:
    """Commands on a store, with what was sent kept."""

    def __init__(self, folder, reply_port=None):
        self.folder = folder
        self.sent: list[tuple] = []
        self.store = Store(folder / "jobs.sqlite")
        self.time = 0.0
        send = lambda to, *message: self.sent.append((to, decode(encode(*message))[0]))  # noqa: E731
        self.commands = Commands(self.store, Access([folder]), folder, 9000, reply_port, send)
        self.announcer = Announcer(self.store, folder, send, lambda: self.time)

    def ask(self, address, *values, sender=ME):
        self.sent.clear()
        self.commands.handle(encode(address, *values), sender)
        return list(self.sent)

    def one(self, address, *values):
        ((to, message),) = self.ask(address, *values)
        assert to == ME
        return message

    def tick(self):
        self.sent.clear()
        self.announcer.tick()
        return [message for _, message in self.sent]


@pytest.fixture
def front(tmp_path):
    return Front(tmp_path)


def test_tune_is_queued_with_its_options(front):
    answer = front.one(
        "/sds/tune", 7, "kick drum", "fm", "steps=6", "lock=op1.ratio, op2.*", "guidance=12.5", "negative=hiss"
    )
    assert answer == Message("/sds/tune", [7, 1, str(front.folder / "jobs/1")])
    job = front.store.get(1)
    assert (job.status, job.reply, job.client_id) == (Status.QUEUED, (ME,), 7)
    wanted = {"prompt": "kick drum", "steps": 6, "lock": ["op1.ratio", "op2.*"], "guidance": 12.5, "negative": "hiss"}
    assert wanted.items() <= job.request.items()


def test_a_token_gives_the_same_job(front):
    first = front.one("/sds/tune", 1, "kick", "fm", "token=x")
    assert front.one("/sds/tune", 1, "kick", "fm", "token=x") == first
    assert len(front.store.newest()) == 1


def test_separate_stores_the_real_path(front):
    soundfile.write(front.folder / "clip.wav", np.zeros(100), 8000)
    (front.folder / "link.wav").symlink_to(front.folder / "clip.wav")
    front.one("/sds/separate", "a", str(front.folder / "link.wav"), "sax", "traffic", "sds_weight=0")
    request = front.store.get(1).request
    assert (request["clip"], request["stems"], request["sds_weight"]) == (
        str(front.folder / "clip.wav"),
        ["sax", "traffic"],
        0,
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (("/sds/tune", 1, "", "fm"), "prompt: is empty"),
        (("/sds/tune", 1, "x" * 501, "fm"), "prompt: has 501 characters"),
        (("/sds/tune", 1, "kick", "zither"), "synth: .*'fm', 'modal' or 'dx7'.*'zither'"),
        (("/sds/tune", 1, "kick", "fm", "steps=many"), "steps: .*'many'"),
        (("/sds/tune", 1, "kick", "fm", "guidance=nan"), "guidance: "),
        (("/sds/tune", 1, "kick", "fm", "seed=-1"), "seed: "),
        (("/sds/tune", 1, "kick", "fm", "start=/etc/passwd"), "start: /etc/passwd is outside"),
        (("/sds/tune", 1, "kick", "fm", "prior=/etc"), "prior: /etc is outside"),
        (("/sds/separate", 1, "/etc/passwd", "sax"), "clip: /etc/passwd is outside"),
        (("/sds/separate", 1, "clip.wav", "sax"), "clip: 'clip.wav' is not an absolute path"),
        (("/sds/separate", 1, "{folder}", "sax"), "is a folder"),
        (("/sds/separate", 1, "{folder}/no.wav", "sax"), "no such file"),
        (("/sds/separate", 1, "{folder}/text.wav", "sax"), "not a readable audio file"),
        (("/sds/separate", 1, "{folder}/clip.wav", ""), r"stems: is empty"),
        (("/sds/separate", 1, "{folder}/clip.wav", *["s"] * 9), "stems: "),
        (("/sds/job/status", 1, 5), "job 5: no such job"),
        (("/sds/job/cancel", 1, 5), "job 5: no such job"),
        (("/sds/client/reply_port", 1, 70000), "port: 70000"),
        (("/sds/client/reply_port", 1, 9000), "port: 9000"),
        (("/nonsense", 1), "unknown address"),
    ],
)
def test_refusals_echo_the_id_in_one_line(front, message, why):
    soundfile.write(front.folder / "clip.wav", np.zeros(100), 8000)
    (front.folder / "text.wav").write_bytes(b"no sound")
    values = [v.replace("{folder}", str(front.folder)) if isinstance(v, str) else v for v in message]
    answer = front.one(*values)
    assert (answer.address, answer.values[0]) == ("/sds/error", 1)
    assert "\n" not in answer.values[1]
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(answer.values[1])
    assert front.store.newest() == []


def test_status_list_help_ping_cancel(front):
    front.one("/sds/tune", 1, "kick", "fm")
    assert front.one("/sds/job/status", "q", 1.0).values == [
        "q",
        1,
        "queued",
        0,
        0,
        -1.0,
        str(front.folder / "jobs/1"),
        "",
    ]
    assert front.one("/sds/job/list", "q").values == ["q", "1 queued tune kick"]
    assert front.one("/sds/job/cancel", "q", 1).values == ["q", 1, "cancelled"]
    assert front.one("/sds/ping", 0.5).values[0] == 0.5
    rows = [message.values for _, message in front.ask("/sds/help", "h")]
    assert [row[3] for row in rows] == list(TABLE)


def test_a_long_list_still_fits_a_datagram(front):
    for _ in range(30):
        front.one("/sds/tune", 1, "€" * 500, "fm")
    assert 5 < len(front.one("/sds/job/list", 1).values) <= 21


def test_reply_ports(front):
    other, third = ("127.0.0.1", 50_001), ("127.0.0.1", 50_002)
    tells = lambda sender: [to[1] for to, _ in front.ask("/sds/ping", 1, sender=sender)]  # noqa: E731
    front.ask("/sds/client/reply_port", 1, 7001)
    front.ask("/sds/client/reply_port", 1, 7002, sender=other)
    assert tells(ME) == [50_000, 7001]
    assert tells(other) == [50_001, 7002]
    assert tells(third) == [50_002, 7002]
    front.ask("/sds/client/reply_port", 1, 0)
    assert tells(ME) == [50_000]
    front.ask("/sds/tune", 1, "kick", "fm", sender=other)
    assert front.store.get(1).reply == (other, ("127.0.0.1", 7002))


def test_a_servers_reply_port_counts_for_all(tmp_path):
    front = Front(tmp_path, reply_port=7005)
    assert [to for to, _ in front.ask("/sds/ping", 1)] == [ME, ("127.0.0.1", 7005)]


def test_pushes_from_outside_are_never_answered(front):
    for address in ("/sds/error", "/sds/job/done", "/sds/startup"):
        assert front.ask(address, "a", "b") == []


def test_bundles_dated_ahead_are_done_now(front):
    builder = OscBundleBuilder(time.time() + 3600)
    inner = OscBundleBuilder(IMMEDIATELY)
    for b in (inner, builder):
        message = OscMessageBuilder("/sds/ping")
        message.add_arg("later")
        b.add_content(message.build())
    builder.add_content(inner.build())
    front.commands.handle(builder.build().dgram, ME)
    assert [m.address for _, m in front.sent] == ["/sds/ping"] * 2


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


@pytest.mark.timeout(60)
def test_a_thousand_random_datagrams_and_still_there(front):
    draw = random.Random(0)
    seeds = [FOO, PING, bundle(PING, FOO), encode("/sds/tune", 1, "kick", "fm"), encode("/sds/job/status", 1, 1)]
    for _ in range(1000):
        if draw.random() < 0.5:
            datagram = draw.randbytes(draw.randrange(0, 200))
        else:
            broken = bytearray(draw.choice(seeds))
            for _ in range(draw.randrange(1, 6)):
                broken[draw.randrange(len(broken))] = draw.choice([0, 0, 0x2F, 0x2C, 0xFF, draw.randrange(256)])
            datagram = bytes(broken[: draw.randrange(len(broken) + 1)] if draw.random() < 0.3 else broken)
        front.sent.clear()
        front.commands.handle(datagram, ME)
        assert len(front.sent) < 20
        for _, message in front.sent:
            assert message.address != "/sds/error" or "internal error" not in message.values[1]
    assert front.one("/sds/ping", "still").values[0] == "still"


def test_a_taken_port_says_so_and_by_whom():
    first = Socket("127.0.0.1", 0)
    with pytest.raises(InputError, match=r"port \d+ at 127.0.0.1 can't be had: Address already in use.*another --port"):
        Socket("127.0.0.1", first.endpoint[1])
    first.close()


def test_a_socket_survives_answers_that_reach_nobody():
    ours, theirs = Socket("127.0.0.1", 0), Socket("127.0.0.1", 0)
    gone = theirs.endpoint
    theirs.close()
    for _ in range(3):
        ours.send(gone, "/sds/ping", "x")
    ours.send(("127.0.0.1", 0), "/sds/ping", "x")
    assert ours.receive(0.05) is None
    assert ours.receive(0) is None
    ours.send(ours.endpoint, "/sds/ping", "x")
    assert decode(ours.receive(1.0)[0]) == [Message("/sds/ping", ["x"])]
    ours.close()
