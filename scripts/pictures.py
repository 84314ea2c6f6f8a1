"""``docs/pictures``: every drawing, rendered by a headless Chromium on a light and on a dark page.

What is drawn is made here, so that the pictures change only with what draws them. Chromium takes
the colours that a reader's system prefers, as a plain page does; what notebooks say of themselves
is tested by ``tests/unit/test_drawings.py``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from browser import Browser

from pyebpf import Global, HeatMap, RawTracepointContext, Table, raw_tracepoint, u64
from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist
from pyebpf.present.picture import gallery, picture
from pyebpf.present.series import Series
from pyebpf.present.stacks import CountedStack, StackCounts
from pyebpf.present.summary import SummaryTable
from pyebpf.testing import frozen

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
LARGEST = 60_000  # bytes of a picture
_NOON = 1_700_049_600  # a day's, in seconds since 1970
_PAGE = """<!doctype html><meta charset="utf-8"><style>
:root{{color-scheme:light dark}}
body{{margin:0;background:#fff;color:#1f2328}}
@media (prefers-color-scheme:dark){{body{{background:#111418;color:#e6edf3}}}}
#it{{display:inline-block;padding:12px 14px;box-sizing:border-box;max-width:100%}}
</style><div id="it">{html}</div>"""


def _bell(middle: float, width: float, total: int, slots: int = 24) -> Hist:
    """Return a histogram with one hill."""
    shares = np.exp(-(((np.arange(slots) - middle) / width) ** 2))
    return Hist.log2((shares / shares.sum() * total).astype(np.uint64), "us", total * 300)


def _hist() -> Hist:
    return _bell(7, 1.6, 18_000) + _bell(13, 1.0, 900)


def _keyed() -> KeyedHist:
    hists = {"nvme0n1": _bell(6, 1.2, 9_000), "sda": _bell(12, 1.5, 700)}
    return KeyedHist(hists, _bell(0, 1, 0), section="disk")


def _table() -> Table:
    record = np.dtype([("pid", "<u4"), ("comm", "S16"), ("file", "S40"), ("latency_us", "<f8")])
    rows = [
        (4711, b"python3", b"/etc/ld.so.cache", 12.25),
        (4711, b"python3", b"/usr/lib/python3/os.py", 48.5),
        (812, b"postgres", b"base/16384/2619", 3.125),
        (1, b"systemd", b"/proc/self/mountinfo", 90.75),
    ]
    return Table(np.array(rows, record))


def _summary() -> SummaryTable:
    calls = {
        "count": [900, 41, 7],
        "sum": [81_000, 99_120, 12],
        "min": [3, 80, 1],
        "max": [990, 9_000, 4],
    }
    columns = {name: np.array(values, np.uint64) for name, values in calls.items()}
    return SummaryTable("stats", ["read", "fsync", "ioctl"], columns, "us", section="call")


def _series() -> Series:
    counts = [int(400 + 300 * math.sin(n / 7) + n * n % 53) for n in range(60)]
    sums = np.array([n * 80 for n in counts], np.uint64)
    return Series(_NOON, np.array(counts, np.uint64), sums, 1_000_000_000, "us")


def _heat() -> HeatMap:
    hists = (
        _bell(7 + math.sin(n / 9), 1.3, 900 + 11 * n) + _bell(14, 0.8, 60 if 30 < n < 42 else 0)
        for n in range(60)
    )
    return HeatMap.of(hists, _NOON, 1)


def _flame() -> Any:
    main = ("main", "serve", "handle")
    stacks = [
        CountedStack("api", (*main, "parse_json", "scan"), (), 240),
        CountedStack("api", (*main, "query", "send"), ("sys_sendto", "tcp_sendmsg"), 130),
        CountedStack(
            "api", (*main, "query", "recv"), ("sys_recvfrom", "tcp_recvmsg", "schedule"), 310
        ),
        CountedStack("api", (*main, "render"), (), 190),
        CountedStack("api", ("main", "collect_garbage"), (), 60),
    ]
    return StackCounts(stacks, unit="ms").flame("Where a request spends its time")


last = Global[u64](0)


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    """Keep the last large number."""
    number = ctx.args[1]
    if number > 300:
        last.value = number


def _explained() -> Any:
    return enter.explain(target=frozen.target())


def _live() -> Any:
    named = [("reads", picture(_bell(8, 1.5, 4_200))), ("opened", picture(_table()))]
    return gallery(named, "7.5 s, running")


#: Of the window, in pixels, where 900 are too few.
_WIDTHS = {"explain": 1_100}
#: By the names of their pictures.
DRAWINGS: dict[str, Callable[[], Any]] = {
    "hist": _hist,
    "keyed": _keyed,
    "table": _table,
    "summary": _summary,
    "series": _series,
    "heat": _heat,
    "flame": _flame,
    "explain": _explained,
    "live": _live,
}


def pictures(names: list[str]) -> Iterator[tuple[Path, bytes]]:
    """Render some drawings, each on both pages; yield what belongs into which file."""
    with Browser() as browser:
        for name in names:
            html = DRAWINGS[name]()._repr_html_()
            for scheme in ("light", "dark"):
                browser.show(_PAGE.format(html=html), scheme=scheme, width=_WIDTHS.get(name, 900))
                yield FOLDER / f"{name}-{scheme}.png", browser.photograph()


def main(names: list[str]) -> int:
    """Render the drawings of some names, all by default; fail if one is too large to be kept."""
    FOLDER.mkdir(exist_ok=True)
    too_large = 0
    for path, data in pictures(names or list(DRAWINGS)):
        path.write_bytes(data)
        print(f"{path.relative_to(ROOT)}: {len(data):,} bytes")
        too_large += len(data) > LARGEST
    return 1 if too_large else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
