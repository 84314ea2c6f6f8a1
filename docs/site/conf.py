"""The site: every page of the repository, and a reference made from docstrings (``make site``).

Sphinx reads the pages where they lie, so that a link means the same here and on a code host. The
README is the front page: what it names under "Read on" is the navigation, in its order.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from pyebpf.version import __version__
from scripts.reference import is_for_users

#: The pages of the reference, in the order of the navigation. Sphinx fails if one is left out.
REFERENCE = (
    "session", "hooks", "language", "maps", "reading", "symbols", "testing", "net", "errors", "cli",
)  # fmt: skip

project = "pyebpf"
author = "the authors of pyebpf"
project_copyright = "Apache License 2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/adding/*.md",
    "examples/*.md",
    "docs/site/reference/*.rst",
]
# A role that leads nowhere fails the build. Names in annotations may: not all of them are public.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]

myst_heading_anchors = 4

add_module_names = False  # each page says where its names come from
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    name: name
    for name in ("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "be16", "be32", "be64")
} | {"Decorator": "Decorator"}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
#: Napoleon would take what stands before a colon for a type.
napoleon_custom_sections = [("Returns", "notes_style"), ("Yields", "notes_style")]

html_theme = "furo"
html_title = f"pyebpf {__version__}"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


_ENTRY = re.compile(r"\]\(([\w./-]+)\.md\)")


def navigation(readme: str) -> str:
    """Return the table of contents: the groups of "Read on", in order, then the reference."""
    groups = re.split(r"^### ", readme.partition("\n## Read on\n")[2], flags=re.MULTILINE)[1:]
    listed = [
        (title, _ENTRY.findall(text)) for title, _, text in (g.partition("\n") for g in groups)
    ]
    listed.append(("Reference", [f"docs/site/reference/{name}" for name in REFERENCE]))
    parts = (
        f"```{{toctree}}\n:hidden:\n:caption: {title}\n:titlesonly:\n\n"
        + "\n".join(names)
        + "\n```\n"
        for title, names in listed
    )
    return "\n".join(parts)


def _add_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += "\n" + navigation(source[0])


#: How a page says which of two pictures is for readers who prefer dark pages.
_PICTURE = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">'
    r'<img src="([^"]+)" alt="([^"]*)"></picture>'
)


def _choose_pictures(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Let pictures follow the switch on the site's pages: a code host has none."""
    source[0] = _PICTURE.sub(
        r'<img class="only-light" src="\2" alt="\3"><img class="only-dark" src="\1" alt="\3">',
        source[0],
    )


def _copy_rest(app: Sphinx, failure: Exception | None) -> None:
    """Put beside the pages what Sphinx does not: the front page's other name, and pictures."""
    if failure is None and app.builder.name == "html":
        out = Path(app.outdir)
        shutil.copyfile(out / "README.html", out / "index.html")
        pictures = Path(app.srcdir, "docs", "pictures")
        if pictures.is_dir():
            shutil.copytree(pictures, out / "docs" / "pictures", dirs_exist_ok=True)


def _is_left_out(_app: Sphinx, what: str, name: str, thing: Any, skip: bool, _options: Any) -> bool:
    """Leave out what classes have for the compiler, or inherit from Python's own."""
    return skip or (what == "class" and not is_for_users(name.rpartition(".")[2], thing))


def _without_making(_app: Sphinx, what: str, name: str, *_rest: Any) -> tuple[str, None] | None:
    """Leave out how classes are made that only a session makes."""
    given = name.startswith(_MADE_FOR_USERS) or name.endswith("Context")
    return ("", None) if what == "class" and given else None


#: Where classes are that users get and never make.
_MADE_FOR_USERS = (
    "pyebpf.runtime.", "pyebpf.streams.", "pyebpf.Session", "pyebpf.PinnedProgram", "pyebpf.Probe",
)  # fmt: skip


#: The lines of a contract, in our docstrings.
_CONTRACT = re.compile(r"(Shape|Units|Unit|Since|Cost|C type|Source|Output|Needs): +(?=\S)")


def _lay_out(
    _app: Sphinx, what: str, _name: str, _thing: Any, _options: Any, lines: list[str]
) -> None:
    """Make fields of the lines of a contract, before napoleon reads the rest."""
    if what in {"property", "attribute"} and lines:
        # Napoleon takes what stands before the first colon for a type: that is now nothing.
        lines[0] = f": {lines[0]}"
    laid: list[str] = []
    inside = False
    for line in lines:
        begins = _CONTRACT.match(line)
        if begins:
            laid += ([] if inside else [""]) + [f":{begins[1]}: {line[begins.end() :]}"]
        else:
            laid.append(f"    {line.strip()}" if inside and line.strip() else line)
        inside = bool(begins) or (inside and bool(line.strip()))
    lines[:] = laid


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", _add_navigation)
    app.connect("source-read", _choose_pictures)
    app.connect("build-finished", _copy_rest)
    app.connect("autodoc-skip-member", _is_left_out)
    app.connect("autodoc-process-signature", _without_making)
    app.connect("autodoc-process-docstring", _lay_out, priority=400)
