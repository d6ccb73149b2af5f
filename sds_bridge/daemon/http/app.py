"""The application: routes, the page, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from sds_bridge import __version__
from sds_bridge.daemon.access import Access
from sds_bridge.daemon.http import files, harp, jobs, knowledge, oscquery, steps, uploads
from sds_bridge.daemon.http.guard import Guard
from sds_bridge.daemon.http.rendering import Renderer
from sds_bridge.daemon.http.service import LARGEST_BODY, Service, answer_errors
from sds_bridge.daemon.store import Endpoint, Store

STATIC = Path(__file__).parent / "static"


def make_app(
    folder: Path,
    access: Access,
    token: str | None = None,
    hosts: frozenset[str] = frozenset(),
    osc: Endpoint = ("127.0.0.1", 9000),
) -> FastAPI:
    """The application over the job store in ``folder``, which it opens when it starts, in the thread that runs it.

    Args:
        token, hosts: as :class:`Guard` takes them.
        osc: where OSC is listened for, as OSCQuery tells it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store, renderer = Store(folder / "jobs.sqlite"), Renderer()
        uploads.forget_halves(folder)
        app.state.service = Service(store, access, folder, renderer)
        yield
        await renderer.close()
        store.close()

    app = FastAPI(
        title="SDS Bridge",
        version=__version__,
        summary="Synth patches and stems from text, by audio score distillation.",
        description='The daemon\'s jobs over HTTP. A refusal is JSON, {"error": "one line"}, with a 4xx status.',
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(
        Guard,
        largest=lambda path: uploads.LARGEST_UPLOAD if path == uploads.PATH or harp.is_upload(path) else LARGEST_BODY,
        token=token,
        hosts=hosts,
    )
    answer_errors(app)
    app.state.osc = osc
    for room in (knowledge, jobs, steps, files, uploads, harp, oscquery):
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False, response_model=None)
    async def page(request: Request) -> Response:
        if oscquery.wants_tree(request):
            return await oscquery.describe(request)
        return FileResponse(STATIC / "index.html")

    return app
