"""The OSC table as OSCQuery clients read it."""

import pytest
from http_front import HOST, opened
from starlette.testclient import TestClient

from sds_bridge.daemon.access import Access
from sds_bridge.daemon.addresses import TABLE
from sds_bridge.daemon.http.app import make_app


@pytest.fixture
def front(tmp_path):
    with opened(tmp_path / "bridge") as made:
        yield made


def test_host_info_names_the_osc_port(tmp_path):
    (tmp_path / "jobs").mkdir()
    with TestClient(make_app(tmp_path, Access([tmp_path]), osc=("127.0.0.1", 4321)), base_url=HOST) as client:
        for path in ("/?HOST_INFO", "/sds/tune?HOST_INFO"):
            info = client.get(path, headers={"accept": "text/html"}).json()
            assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", 4321, "UDP")
            assert info["EXTENSIONS"]["ACCESS"] is True and info["EXTENSIONS"]["LISTEN"] is False
    with TestClient(make_app(tmp_path, Access([tmp_path]), osc=("0.0.0.0", 4321)), base_url=HOST) as client:
        assert client.get("/?HOST_INFO").json()["OSC_IP"] == "127.0.0.1"


def leaves(node):
    inner = node.get("CONTENTS", {})
    own = [node] if "DESCRIPTION" in node else []
    return own + [leaf for child in inner.values() for leaf in leaves(child)]


def test_the_tree_holds_every_address_and_every_node_answers_at_its_path(front):
    tree = front.get("/").json()
    assert tree["FULL_PATH"] == "/"
    found = {leaf["FULL_PATH"]: leaf for leaf in leaves(tree)}
    assert set(found) == set(TABLE)
    for path, leaf in found.items():
        assert front.get(path).json() == leaf
        address = TABLE[path]
        assert leaf["ACCESS"] == (0 if address.pushed else 2)
        if not address.pushed:
            assert len(leaf["TYPE"]) == len(leaf["RANGE"]) == len(address.takes) and set(leaf["TYPE"]) <= set("ifs")
    assert found["/sds/tune"]["RANGE"][2] == {"VALS": ["fm", "modal", "dx7"]}


def test_attributes(front):
    assert front.get("/sds/job/cancel?TYPE").json() == {"TYPE": "si"}
    assert front.get("/sds/job?ACCESS").json() == {"ACCESS": 0}
    assert front.get("/?FULL_PATH").json() == {"FULL_PATH": "/"}
    assert front.client.get("/sds/job?TYPE").status_code == 204
    assert "no attribute that is served" in front.get("/sds/job?LISTEN", 400)
    assert "no such OSC address" in front.get("/sds/nothing", 404)
    assert "no such OSC address" in front.get("/sds/tune/deeper", 404)


def test_a_browser_gets_the_page(front):
    html = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    assert front.get("/", headers=html).headers["content-type"].startswith("text/html")
    assert front.get("/?token=x", headers=html).headers["content-type"].startswith("text/html")
    assert front.get("/", headers={"accept": "application/json"}).headers["content-type"] == "application/json"


def test_other_sites_and_strangers_read_no_tree(front, tmp_path):
    front.get("/sds", 403, headers={"host": "evil.example"})
    (tmp_path / "other" / "jobs").mkdir(parents=True)
    app = make_app(tmp_path / "other", Access([tmp_path]), token="0123456789abcdef")
    with TestClient(app, base_url=HOST) as client:
        assert client.get("/?HOST_INFO").status_code == 401
        assert client.get("/sds", headers={"authorization": "Bearer 0123456789abcdef"}).status_code == 200
