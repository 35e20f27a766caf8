"""Page: the playground's files, and the training report. They load nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from unisono.report.colours import variables

FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_OWN = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)


async def answer(name: str, _: Request) -> Response:
    """One of the page's files."""
    content = (files("unisono.serve") / "static" / name).read_text(encoding="utf-8")
    if name == "page.css":
        content = variables() + content
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(content, media_type=f"{kind}; charset=utf-8", headers={"Content-Security-Policy": _OWN})


def report(content: str) -> Response:
    """The training report, which may run its own scripts but reach nothing of the server's."""
    return Response(content, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _REPORT})
