"""Who may ask: requests by a loopback name, from our own page or from no page."""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "sds-bridge-token"
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?")
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' blob:; "
    "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware; what it refuses is answered with ``{"error": …}`` and never reaches a route.

    A page elsewhere can't reach the daemon: a name that was rebound to 127.0.0.1 is refused by ``Host``, a form or
    script by ``Origin`` and ``Sec-Fetch-Site``.

    Args:
        largest: bytes that a body to a path may declare.
        token: what ``Authorization: Bearer …`` or the cookie must hold; None asks for nothing. ``/?token=…`` sets
            the cookie.
        hosts: names and addresses besides loopback by which this machine may be asked.
    """

    def __init__(
        self,
        app: ASGIApp,
        largest: Callable[[str], int],
        token: str | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._app, self._largest, self._token, self._hosts = app, largest, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.update(HEADERS)
                answered.setdefault("cache-control", "no-cache")
                if self._token is not None and self._by_link(scope):
                    answered.append("set-cookie", f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(sending, *refusal)
            return
        await self._app(scope, receive, sending)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._known(host, scope):
            return 403, f"host {_plain(host)!r} isn't this daemon's. Ask it at 127.0.0.1 or localhost."
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}".lower():
            return 403, f"origin {_plain(origin)!r} isn't this daemon's page. Open the page of the daemon itself."
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign and headers.get("sec-fetch-mode") != "navigate":
            return 403, "another site's page may not ask this daemon. Open the page of the daemon itself."
        if self._token is not None and not self._admitted(scope, headers):
            return 401, "the daemon needs its token. Send it as 'Authorization: Bearer TOKEN', or open /?token=TOKEN."
        length, largest = headers.get("content-length", "0"), self._largest(scope["path"])
        if length.isdecimal() and int(length[:30]) > largest:
            return 413, f"the body has {length[:30]} bytes; at most {largest} are taken. Send less."
        return None

    def _known(self, host: str, scope: Scope) -> bool:
        """A loopback name, one of ``hosts``, or the address that the request came in by: no rebound name is any."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].strip("[]").lower()
        try:
            return (
                ipaddress.ip_address(name).is_loopback
                or name in self._hosts
                or name == (scope.get("server") or ("",))[0]
            )
        except ValueError:
            return name == "localhost" or name in self._hosts

    def _admitted(self, scope: Scope, headers: Headers) -> bool:
        given = [headers.get("authorization", "").removeprefix("Bearer ")]
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        given.append(cookie.value if cookie else "")
        return self._by_link(scope) or any(self._right(one) for one in given)

    def _by_link(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        return scope["path"] == "/" and self._right(given[0])

    def _right(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self._token or "").encode())


def _plain(text: str) -> str:
    return text[:100].encode("ascii", "replace").decode()


async def _answer(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
