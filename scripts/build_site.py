"""Build the site in ``build/site``, and check what was built: ``build_site.py``.

Sphinx fails for a page that the navigation lacks, a link of a page or a role of a docstring that
leads nowhere. What is left to check is in the pages that came of it: that each address in them is
there, and that none loads anything from elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "site"


class Page(HTMLParser):
    """What a page refers to, loads, and can be referred to by."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what one tag says."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in {"next", "prev"}:
            self.loaded.append(given.get("href", ""))
        else:
            self.loaded += [given[name] for name in ("src", "srcset") if name in given]


def read(folder: Path) -> dict[Path, Page]:
    """Return the pages below a folder."""
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        pages[path] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return pages


def faults(pages: dict[Path, Page]) -> list[str]:
    """Return what is wrong with the addresses in the pages."""
    found = []
    for path, page in pages.items():
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            elsewhere = parts.netloc or parts.scheme not in {"", "data"}
            if elsewhere and address in page.loaded:
                found.append(f"{path}: loads {address}")
            elif not (
                elsewhere or parts.scheme or _is_there(path, parts.path, parts.fragment, pages)
            ):
                found.append(f"{path}: nothing is at {address}")
    return found


def _is_there(page: Path, file: str, anchor: str, pages: dict[Path, Page]) -> bool:
    target = (page.parent / unquote(file)).resolve() if file else page
    known = pages.get(target)
    return target.exists() and (not anchor or known is None or unquote(anchor) in known.anchors)


def main() -> None:
    """Build and check."""
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--fresh-env",
               "--doctree-dir", str(BUILT.with_name("site-doctrees")),
               "--conf-dir", "docs/site", ".", str(BUILT)]  # fmt: skip
    built = subprocess.run(command, cwd=ROOT, check=False)
    if built.returncode:
        raise SystemExit(built.returncode)
    pages = read(BUILT)
    if found := faults(pages):
        raise SystemExit("\n".join(found))
    print(f"{len(pages)} pages: {BUILT.relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    main()
