"""The address table: which arguments each address takes, and what it says of others."""

import pytest

from sds_bridge.daemon.addresses import TABLE, check, find, markdown, request_id
from sds_bridge.errors import InputError

ME = ("127.0.0.1", 50_000)


@pytest.mark.parametrize(
    ("path", "values", "expected"),
    [
        ("/sds/tune", [1, "kick", "fm"], {"prompt": "kick", "synth": "fm"}),
        ("/sds/separate", ["x", "/c.wav", "sax", "traffic"], {"clip": "/c.wav", "stems": ["sax", "traffic"]}),
        ("/sds/job/cancel", [1.0, 3.0], {"job": 3}),
        ("/sds/ping", ["x"], {}),
    ],
)
def test_arguments_that_fit(path, values, expected):
    call = check(find(path), values)
    assert call.values == expected
    assert call.id == values[0] and type(call.id) is type(values[0])


def test_options_may_stand_anywhere_after_the_fixed_arguments():
    call = check(find("/sds/separate"), [1, "/a=b.wav", "seed=3", "sax", "mode=latent"])
    assert (call.values, call.options) == ({"clip": "/a=b.wav", "stems": ["sax"]}, {"seed": "3", "mode": "latent"})
    assert check(find("/sds/tune"), [1, "a=b", "fm", "negative=c=d"]).options == {"negative": "c=d"}


@pytest.mark.parametrize(
    ("path", "values", "why"),
    [
        ("/sds/tune", [], "id: missing"),
        ("/sds/tune", [1, "kick"], "synth: missing. /sds/tune takes id:s|i prompt:s synth:s"),
        ("/sds/tune", [1, 2, "fm"], r"prompt: '2' \(int\) is not a string"),
        ("/sds/tune", [b"x", "kick", "fm"], "id: .* is not a string or number"),
        ("/sds/tune", [True, "kick", "fm"], "id: 'True'"),
        ("/sds/tune", [None, "kick", "fm"], "id: 'None'"),
        ("/sds/tune", [["a"], "kick", "fm"], "id: "),
        ("/sds/tune", [float("nan"), "kick", "fm"], "id: 'nan'"),
        ("/sds/tune", ["x" * 201, "kick", "fm"], "id: "),
        ("/sds/tune", [1, "kick", "fm", "extra"], "'extra': one argument too many"),
        ("/sds/tune", [1, "kick", "fm", "stepz=3"], "'stepz': unknown option. /sds/tune knows negative"),
        ("/sds/tune", [1, "kick", "fm", "prompt=x"], "'prompt': unknown option"),
        ("/sds/tune", [1, "kick", "fm", "seed=1", "seed=2"], "seed: given twice"),
        ("/sds/separate", [1, "/a.wav"], "stems: missing"),
        ("/sds/separate", [1, "/a.wav", "sax", 3], "stems: '3'"),
        ("/sds/job/cancel", [1, 2.5], r"job: '2.5' \(float\) is not a whole number"),
        ("/sds/job/cancel", [1, float("inf")], "job: 'inf'"),
        ("/sds/job/cancel", [1, float("nan")], "job: 'nan'"),
        ("/sds/job/cancel", [1, 2**40], "job: '1099511627776'"),
        ("/sds/job/cancel", [1, "2"], r"job: '2' \(str\)"),
        ("/sds/ping", [1, 2], "one argument too many"),
    ],
)
def test_arguments_that_do_not_fit(path, values, why):
    with pytest.raises(InputError, match=why):
        check(find(path), values)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/sds/tun", "Did you mean /sds/tune?"),
        ("/x", "Send /sds/help"),
        ("/sds/*", "unknown"),
        ("/sds/error", "unknown"),
    ],
)
def test_unknown_addresses(path, why):
    with pytest.raises(InputError, match=why.replace("?", r"\?")):
        find(path)


def test_request_ids_that_can_be_echoed():
    assert [request_id([x]) for x in (7, 7.5, "x", True, None, b"x", [1], float("nan"))] == [
        7,
        7.5,
        "x",
        "",
        "",
        "",
        "",
        "",
    ]
    assert request_id([]) == ""


def test_the_documentation_names_every_address():
    assert all(f"`{path}`" in markdown() for path in TABLE)
