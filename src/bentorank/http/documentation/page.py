"""The page `/docs`: Swagger UI from this service's own files, under a policy that lets nothing else in."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

DOCS, DOCUMENT, ASSETS = "/docs", "/openapi.json", "/docs-assets"
ASSET_NAMES = ("swagger-ui-bundle.js", "swagger-ui.css", "page.css", "start.js", "icon.svg")
# Swagger UI comes with fastapi-offline; what starts it, and the icon, are ours.
_PACKAGES: list[str | tuple[str, str]] = [
    ("fastapi_offline", "static"),
    ("bentorank.http.documentation", "static"),
    ("bentorank.http.playground", "static"),
]

# It loads from this service, and asks no other. Swagger UI sets styles of elements, and its styles hold pictures.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bentorank: API</title>
<link rel="icon" type="image/svg+xml" href="{assets}/icon.svg">
<link rel="stylesheet" href="{assets}/swagger-ui.css">
<link rel="stylesheet" href="{assets}/page.css">
</head>
<body>
<main id="documentation" data-document="{document}"></main>
<script src="{assets}/swagger-ui-bundle.js"></script>
<script src="{assets}/start.js"></script>
</body>
</html>
"""


def add_page(app: FastAPI) -> None:
    """Serve the page and its files. They lie where this service does, whatever prefix a proxy has put in front."""
    app.mount(ASSETS, StaticFiles(packages=_PACKAGES), name="docs-assets")
    app.add_route(DOCS, _page, methods=["GET"], include_in_schema=False)


async def _page(request: Request) -> Response:
    prefix = escape(request.scope.get("root_path", ""))
    return HTMLResponse(PAGE.format(assets=prefix + ASSETS, document=prefix + DOCUMENT), headers=HEADERS)
