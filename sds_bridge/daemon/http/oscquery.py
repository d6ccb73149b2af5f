"""The OSC addresses as JSON, by the OSCQuery proposal (github.com/Vidvox/OSCQueryProposal), made from the table.

The root shares ``/`` with the page: a client that asks for ``text/html``, as browsers do, gets the page.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args, get_origin

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from sds_bridge.daemon.addresses import TABLE, Address, Argument
from sds_bridge.daemon.store import Endpoint

NONE, WRITE = 0, 2
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "RANGE", "DESCRIPTION", "TAGS", "EXTENDED_TYPE")
EXTENSIONS = {
    "ACCESS": True,
    "VALUE": False,
    "RANGE": True,
    "DESCRIPTION": True,
    "TAGS": True,
    "EXTENDED_TYPE": True,
    "LISTEN": False,
    "PATH_CHANGED": False,
}

router = APIRouter(include_in_schema=False)


def host_info(osc: Endpoint, asked: str) -> dict[str, Any]:
    """``asked``: the address that this request came in by, for a daemon that listens on all of them."""
    host, port = osc
    return {
        "NAME": "SDS Bridge",
        "EXTENSIONS": EXTENSIONS,
        "OSC_IP": asked if host == "0.0.0.0" else host,
        "OSC_PORT": port,
        "OSC_TRANSPORT": "UDP",
    }


@cache
def tree() -> dict[str, Any]:
    """The root node: containers down to a node for each address of the table."""
    root = _container("/")
    for address in TABLE.values():
        node, path = root, ""
        for part in address.path.strip("/").split("/"):
            path += f"/{part}"
            node = node.setdefault("CONTENTS", {}).setdefault(part, _container(path))
        node.update(_method(address))
    return root


def node_at(path: str) -> dict[str, Any] | None:
    node: dict[str, Any] | None = tree()
    for part in path.strip("/").split("/") if path.strip("/") else ():
        node = (node or {}).get("CONTENTS", {}).get(part)
    return node


def _container(path: str) -> dict[str, Any]:
    return {"FULL_PATH": path, "ACCESS": NONE}


def _method(address: Address) -> dict[str, Any]:
    """A request can be written; a push is only told of (what it brings, in its description)."""
    options = f" Options: {', '.join(address.option_names)}." if address.options else ""
    if address.pushed:
        return {"DESCRIPTION": f"Pushed with {' '.join(map(str, address.replies))}. {address.doc}", "TAGS": ["push"]}
    return {
        "TYPE": "".join(_tag(argument) for argument in address.takes),
        "ACCESS": WRITE,
        "RANGE": [_range(address, argument) for argument in address.takes],
        "EXTENDED_TYPE": [argument.name for argument in address.takes],
        "DESCRIPTION": f"Takes {address.usage()}; answers {' '.join(map(str, address.replies))}. {address.doc}{options}",
        "TAGS": ["request"],
    }


def _tag(argument: Argument) -> str:
    return "s" if argument.type == "id" else argument.type


def _range(address: Address, argument: Argument) -> dict[str, Any] | None:
    field = address.options.model_fields.get(argument.name) if address.options else None
    if field is not None and get_origin(field.annotation) is Literal:
        return {"VALS": list(get_args(field.annotation))}
    return {"MIN": 0, "MAX": 65535} if argument.name == "port" else None


def wants_tree(request: Request) -> bool:
    """Whether ``GET /`` is OSCQuery's rather than a browser's."""
    query = request.url.query.split("&")[0]
    return query == "HOST_INFO" or query in ATTRIBUTES or "text/html" not in request.headers.get("accept", "")


@router.get("/sds", response_model=None)
@router.get("/sds/{path:path}", response_model=None)
async def describe(request: Request) -> Response:
    """A node, or one attribute of it: ``/sds/tune?TYPE``. 404 for no such node, 204 for one without the attribute."""
    query = request.url.query.split("&")[0]
    if query == "HOST_INFO":
        server = request.scope.get("server") or ("127.0.0.1", None)
        return JSONResponse(host_info(request.app.state.osc, server[0]))
    node = node_at(request.url.path)
    if node is None:
        raise HTTPException(404, f"{request.url.path[:100]!r}: no such OSC address. GET /sds names them.")
    if not query:
        return JSONResponse(node)
    if query not in ATTRIBUTES:
        raise HTTPException(400, f"{query[:50]!r}: no attribute that is served; {', '.join(ATTRIBUTES)} are.")
    return JSONResponse({query: node[query]}) if query in node else Response(status_code=204)
