"""How drawings look on light and on dark pages: one sheet of styles for all of them.

Colours are custom properties of the class ``pyebpf``. Which ones hold is said by the notebook where
it says so (JupyterLab, VS Code, Colab), and else by what the reader's system prefers. Text has the
page's own colour. Each drawing brings the sheet along, so that a saved notebook needs nothing else;
where a page strips it, attributes with colours for both remain.
"""

from __future__ import annotations

from html import escape

from pyebpf.present.escape import printable

#: What a bar has where the sheet is stripped: seen on white and on black.
BAR = "#4a90d9"
#: Shades from few to many, which follow the same rule.
SHADES = ("#cfe3f6", "#a3caec", "#74aee0", "#4a90d9", "#2f73b8", "#1f5591", "#133a66")

_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
_LIGHT = {
    "bar": "#2f7fd1",
    "line": "#d5dae1",
    "stripe": "#f4f6f9",
    "mark": "#fff3c4",
    "dim": "#59636e",
    "none": "#eef1f5",
    **{f"h{at}": shade for at, shade in enumerate(SHADES, 1)},
}
_DARK = {
    "bar": "#58a6ff",
    "line": "#3a424d",
    "stripe": "#1f242c",
    "mark": "#4a3d12",
    "dim": "#9aa4b0",
    "none": "#20262e",
    # On dark ground many is bright.
    **dict(
        zip(
            (f"h{at}" for at in range(1, len(SHADES) + 1)),
            ("#16365c", "#1b4f86", "#236bb3", "#3d8ad6", "#6aa9ea", "#9fcbf7", "#dcedff"),
            strict=True,
        )
    ),
}
_DARK_PAGES = (
    "[data-jp-theme-light=false] .pyebpf",
    ".vscode-dark .pyebpf",
    "html[theme=dark] .pyebpf",
)
_LIGHT_PAGES = (
    "[data-jp-theme-light=true] .pyebpf",
    ".vscode-light .pyebpf",
    "html[theme=light] .pyebpf",
)


def _colours(of: dict[str, str]) -> str:
    return "".join(f"--pe-{name}:{value};" for name, value in of.items())


_RULES = f"""\
.pyebpf{{{_colours(_LIGHT)}}}
@media (prefers-color-scheme:dark){{.pyebpf{{{_colours(_DARK)}}}}}
{",".join(_LIGHT_PAGES)}{{{_colours(_LIGHT)}}}
{",".join(_DARK_PAGES)}{{{_colours(_DARK)}}}
.pyebpf{{font:12px/1.45 {_FONT};text-align:left}}
.pyebpf svg{{font:12px {_FONT};max-width:100%;height:auto;margin:4px 24px 4px 0;fill:currentColor}}
.pyebpf .many{{display:flex;flex-wrap:wrap;align-items:flex-start}}
.pyebpf .bar{{fill:var(--pe-bar)}}.pyebpf .line{{stroke:var(--pe-line)}}
.pyebpf .dim{{fill:var(--pe-dim);color:var(--pe-dim)}}.pyebpf .none{{fill:var(--pe-none)}}
{"".join(f".pyebpf .h{at}{{fill:var(--pe-h{at})}}" for at in range(1, len(SHADES) + 1))}
.pyebpf table{{border-collapse:collapse;margin:4px 0;font:inherit;color:inherit;border:0}}
.pyebpf th,.pyebpf td{{padding:2px 10px;border:0;vertical-align:top;white-space:pre}}
.pyebpf th{{border-bottom:1px solid var(--pe-line);font-weight:bold}}
.pyebpf tbody tr,.pyebpf tr{{background:none}}
.pyebpf tbody tr:nth-child(even){{background:var(--pe-stripe)}}
.pyebpf-program{{overflow-x:auto}}
.pyebpf-program tbody tr:hover{{background:var(--pe-mark)}}
.pyebpf-program table{{margin:2px 0 10px 16px}}.pyebpf caption{{text-align:left;padding:2px 10px}}
.pyebpf summary{{cursor:pointer;padding:2px 0}}
.pyebpf pre{{font:inherit;color:inherit;background:none;margin:4px 0;padding:0;border:0}}
"""
SHEET = f"<style>{_RULES}</style>"


def text(value: object) -> str:
    """Return a value as text for HTML and SVG: escaped, and without what acts on a terminal."""
    return escape(printable(value))


def lines(words: str) -> str:
    """Return a text of several lines for HTML, each of them as :func:`text`."""
    return "\n".join(map(text, words.split("\n")))


def page(kind: str, *parts: str) -> str:
    """Return parts as one element with the sheet of styles.

    Args:
        kind: a class for it: ``hist``, ``table``, ….
        parts: what is in it, as HTML.
    """
    inside = "".join(parts).replace(SHEET, "")  # one sheet is enough for what is in it, too
    return f'<div class="pyebpf pyebpf-{kind}">{SHEET}{inside}</div>'


def note(words: str) -> str:
    """Return a line of text under a drawing; nothing, if there are no words."""
    return f'<div class="dim">{text(words)}</div>' if words else ""


def svg(width: float, height: float, title: str, told: str, body: str) -> str:
    """Return a drawing.

    Args:
        width: in pixels, as is the height.
        height: of all of it.
        title: what it is.
        told: what is to be seen in it, for who does not see it.
        body: as SVG.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{text(title)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'fill="currentColor"><desc>{text(told)}</desc>{body}</svg>'
    )
