"""What is wrong with a built site: links that lead nowhere, and files that a browser would fetch from elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORIGIN = "http://site.invalid/"
# What a browser fetches without being asked; `a` it follows when somebody clicks.
FETCHED = {"img": "src", "script": "src", "iframe": "src", "video": "src", "audio": "src"}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
STYLE_URL = re.compile(r"(?:url\(|@import)\s*[\"']?(https?:)?//")


@dataclass(slots=True)
class Page(HTMLParser):
    """What a page names and what it asks for."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note names, links and files."""
        told = {name: value or "" for name, value in attrs}
        self.ids.update(told[name] for name in ("id", "name") if name in told)
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag in FETCHED and told.get(FETCHED[tag]):
            self.fetched.append(told[FETCHED[tag]])
        elif tag == "source" and "srcset" in told:
            self.fetched.extend(choice.split()[0] for choice in told["srcset"].split(",") if choice.strip())
        elif tag == "link" and FETCHED_LINKS & set(told.get("rel", "").split()):
            self.fetched.append(told.get("href", ""))


def faults(site: Path) -> Iterator[str]:
    """Each in a line: the page, what it refers to, and what is wrong with that."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        own = path.relative_to(site).as_posix()
        for link in page.links + page.fetched:
            if wrong := _wrong(link, path, pages, site):
                yield f"{own}: {link}: {wrong}"
        for file in page.fetched:
            if urlsplit(urljoin(ORIGIN, file)).netloc != urlsplit(ORIGIN).netloc:
                yield f"{own}: {file}: is fetched from elsewhere"
    for style in sorted(site.rglob("*.css")):
        if STYLE_URL.search(style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)}: fetches from elsewhere"


def count_links(site: Path) -> int:
    """How many links within the site there are."""
    pages = (_read(path) for path in site.rglob("*.html"))
    return sum(not urlsplit(link).scheme for page in pages for link in page.links)


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _wrong(link: str, path: Path, pages: dict[Path, Page], site: Path) -> str | None:
    """None for a link that leads somewhere, or out of the site."""
    url = urlsplit(urljoin(ORIGIN + path.relative_to(site).as_posix(), link))
    if url.scheme not in {"http", "https"} or url.netloc != urlsplit(ORIGIN).netloc:
        return None
    target = site / unquote(url.path).lstrip("/")
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "is not there"
    fragment = unquote(url.fragment)
    if fragment and not fragment.startswith("__") and target in pages and fragment not in pages[target].ids:
        return "has no such heading"
    return None
