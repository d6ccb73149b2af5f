"""Requests over OSC against a store: answers and refusals."""

import random
import time

import numpy as np
import pytest
import soundfile
from osc_datagrams import FOO, PING, SOAK, bundle, mutated
from osc_front import ME, Front
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from sds_bridge.daemon.addresses import TABLE
from sds_bridge.daemon.osc import Message, encode
from sds_bridge.daemon.store import Status


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


SEEDS = [
    FOO,
    PING,
    bundle(PING, FOO),
    bundle(bundle(PING), PING),
    encode("/sds/tune", 1, "kick", "fm", "steps=3", "lock=op1.ratio"),
    encode("/sds/separate", 1, "/etc/passwd", "sax", "traffic"),
    encode("/sds/job/status", 1, 1),
    encode("/sds/job/cancel", 1, 1),
    encode("/sds/job/list", 1),
    encode("/sds/help", "h"),
    encode("/sds/client/reply_port", 1, 7000),
    encode("/sds/hello", 1, "x" * 20),
    encode("/sds/monitor", 1, 1),
]


@pytest.mark.timeout(60 + 5 * SOAK)
def test_mutated_datagrams_and_still_there(front):
    draw = random.Random(0)
    answered = 0
    for _ in range(int(2000 * SOAK)):
        front.sent.clear()
        front.commands.handle(mutated(draw, SEEDS), ME)
        assert len(front.sent) < 200
        answered += bool(front.sent)
        for _, message in front.sent:
            assert message.address != "/sds/error" or "internal error" not in message.values[1]
    assert answered > 1000 * SOAK
    assert front.ask("/sds/ping", "still")[0][1].values[0] == "still"


def test_a_session_of_fifty_clips_in_one_bundle(front):
    for number in range(50):
        soundfile.write(front.folder / f"{number}.wav", np.zeros(100), 8000)
    requests = [
        encode("/sds/separate", f"clip-{number}", str(front.folder / f"{number}.wav"), "sax", f"token=session-{number}")
        for number in range(50)
    ]
    for _ in range(2):  # sent again, since UDP tells nobody that it arrived
        front.sent.clear()
        front.commands.handle(bundle(*requests, tag=b"\xff" * 8), ME)
        assert [m.values[0] for _, m in front.sent] == [f"clip-{number}" for number in range(50)]
        assert [m.values[1] for _, m in front.sent] == list(range(1, 51))
    assert [job.request["clip"] for job in front.store.newest(50)][::-1] == [
        str(front.folder / f"{number}.wav") for number in range(50)
    ]


def test_a_flood_of_bad_requests_is_answered_but_not_all_logged(front, caplog):
    for number in range(500):
        assert front.one("/sds/nothing", number).values[0] == number
    assert 1 <= len(caplog.records) < 100


def test_a_priority_goes_before_age(front):
    for options in ((), ("priority=3",), ("priority=-1",), ("priority=3",)):
        front.one("/sds/tune", "x", "kick", "fm", *options)
    assert [front.store.claim("w").id for _ in range(4)] == [2, 4, 1, 3]
    for wrong, why in (("much", "is not a whole number"), ("101", "-100 to 100 is allowed")):
        refused = front.one("/sds/tune", "x", "kick", "fm", f"priority={wrong}")
        assert refused.address == "/sds/error" and why in refused.values[1]
