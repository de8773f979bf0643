"""Who may ask, and what browsers may do with the answers: other sites and other machines get nothing."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost")
"""Names under which a browser on this machine reaches it."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: nothing of it is kept, and the address with its token is told to nobody."""


class Headers:
    """Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, told)


def guarded(app: ASGIApp, host: str) -> ASGIApp:
    """The application, which answers only those who call it by the name of `host`: a site elsewhere whose name suddenly leads here
    (DNS rebinding) is refused.
    """
    names = LOOPBACK if host in LOOPBACK else (host,)
    return Headers(TrustedHostMiddleware(app, allowed_hosts=list(names), www_redirect=False))
