"""Programs as HTML: each line of the source beside its IR and its instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.plain import Plain
from pyebpf.present.theme import page, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyebpf.inspection.listing import Chunk, Row, Section

_LEFT = ' style="text-align:left"'  # Jupyter has cells of tables at the right


class _Line(Plain):
    """What became of a line of the source: its IR, its instructions."""

    file: str
    number: int
    source: str
    ir: list[str]
    rows: list[Row]


def page_of(sections: Iterable[Section], *, is_open: bool = True) -> str:
    """Return some programs, each of which can be folded away.

    Args:
        sections: what is known of each.
        is_open: they are unfolded at first.
    """
    return page("program", *(_program(section, is_open=is_open) for section in sections))


def _program(section: Section, *, is_open: bool) -> str:
    head = f"<b>{text(section.name)}</b>: {text(section.hook)}, {section.count:,} instructions"
    functions = dict.fromkeys(chunk.function for chunk in section.chunks)
    tables = "".join(_function(section, name, alone=len(functions) == 1) for name in functions)
    opened = ' open="open"' if is_open else ""
    return f"<details{opened}><summary>{head}</summary>{tables}</details>"


def _function(section: Section, name: str, *, alone: bool) -> str:
    lines = list(_lines(chunk for chunk in section.chunks if chunk.function == name))
    has_ir = any(line.ir for line in lines)
    heads = ["", "Python", *["IR"] * has_ir, "eBPF"]
    head = "".join(f'<th scope="col"{_LEFT}>{one}</th>' for one in heads)
    rows = "".join(_row(line, has_ir=has_ir) for line in lines)
    title = "" if alone else f"<caption>function {text(name)}</caption>"
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _lines(chunks: Iterable[Chunk]) -> Iterator[_Line]:
    """Put together what comes from one line, in the order of the source; the rest is last."""
    found: dict[tuple[str, int], _Line] = {}
    for chunk in chunks:
        place = chunk.file, chunk.line
        line = found.setdefault(place, _Line(chunk.file, chunk.line, chunk.text, [], []))
        line.ir += chunk.ir
        line.rows += chunk.rows
    files = list(dict.fromkeys(file for file, _ in found if file))
    for place in sorted(found, key=lambda one: (files.index(one[0]) if one[0] else -1, one[1])):
        if place[0]:
            yield found[place]
    yield from (line for (file, _), line in found.items() if not file)


def _row(line: _Line, *, has_ir: bool) -> str:
    place, number = (f"{line.file}:{line.number}", str(line.number)) if line.file else ("", "")
    source = text(line.source.rstrip()) if line.file else '<i class="dim">no line of its own</i>'
    ir = f'<td class="dim"{_LEFT}>{"<br/>".join(map(text, line.ir))}</td>' if has_ir else ""
    shown = [
        f"{row.number:>4}: {row.text}{f'  ; {row.note}' if row.note else ''}" for row in line.rows
    ]
    code = "<br/>".join(map(text, shown)) or '<i class="dim">needs none</i>'
    return (
        f'<tr><td class="dim" style="text-align:right" title="{text(place)}">{number}</td>'
        f"<td{_LEFT}>{source}</td>{ir}<td{_LEFT}>{code}</td></tr>"
    )
