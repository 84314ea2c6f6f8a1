"""A histogram for each key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any, Literal, TypeAlias

from pyebpf.present import codec, drawing, jsonl, otlp, prometheus
from pyebpf.present.escape import printable
from pyebpf.present.hist import Hist

Order: TypeAlias = Literal["key", "count", "busiest", "total", "seen"] | Callable[[Any], Any]

#: How many drawings a notebook shows before it says how many more there are.
_DRAWN = 12
#: How long their bars are, in pixels.
_BARS = 200


def _by_key(item: tuple[Any, Hist]) -> Any:
    return item[0]


_ORDERS: dict[str, tuple[Callable[[tuple[Any, Hist]], Any], bool]] = {
    "key": (_by_key, False),
    "count": (lambda item: item[1].count, False),
    "busiest": (lambda item: item[1].count, True),
    "total": (lambda item: item[1].total or 0, False),
}


class KeyedHist(Mapping[Any, Hist]):
    """Histograms of one shape, by key: a value, like :class:`Hist`.

    Attributes:
        empty: a histogram of this shape that has seen nothing.
        section: what a key is, for the line above each histogram: ``"disk"``.
        format_key: makes text of a key. What it gives is made safe to print.
    """

    def __init__(
        self,
        hists: Mapping[Any, Hist],
        empty: Hist,
        *,
        section: str = "key",
        format_key: Callable[[Any], object] = str,
    ) -> None:
        for key, hist in hists.items():
            _check_shape(key, hist, empty)
        self._hists: dict[Any, Hist] = dict(hists)
        self.empty = empty
        self.section = section
        self.format_key = format_key

    def __getitem__(self, key: Any) -> Hist:
        return self._hists[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._hists)

    def __len__(self) -> int:
        return len(self._hists)

    def __repr__(self) -> str:
        return f"<KeyedHist {len(self)} keys, count={self.count}>"

    @property
    def count(self) -> int:
        """How many values were seen, over all keys."""
        return sum(hist.count for hist in self.values())

    def total(self) -> Hist:
        """Return all keys' histograms merged into one."""
        merged: Hist = reduce(add, self.values(), self.empty)
        return merged

    def top(self, n: int) -> KeyedHist:
        """Keep the ``n`` keys that have seen the most values, the busiest first."""
        return self._like(dict(self._sorted("busiest")[:n]))

    def __add__(self, other: KeyedHist) -> KeyedHist:
        """Merge key by key, losing nothing."""
        if not isinstance(other, KeyedHist):
            return NotImplemented
        merged = dict(self._hists)
        for key, hist in other.items():
            merged[key] = merged[key] + hist if key in merged else self.empty + hist
        return self._like(merged)

    def named(self, section: str, format_key: Callable[[Any], object] | None = None) -> KeyedHist:
        """Return the same histograms with other words above them.

        Args:
            section: what the keys are, ``"disk"``.
            format_key: makes the text of a key; by default what it prints as.
        """
        return KeyedHist(
            self._hists, self.empty, section=section, format_key=format_key or self.format_key
        )

    def _like(self, hists: Mapping[Any, Hist]) -> KeyedHist:
        return KeyedHist(hists, self.empty, section=self.section, format_key=self.format_key)

    def _sorted(self, order: Order) -> list[tuple[Any, Hist]]:
        items = list(self._hists.items())
        if order == "seen":
            return items
        if callable(order):
            return sorted(items, key=lambda item: order(item[0]))
        if order not in _ORDERS:
            known = ", ".join([*_ORDERS, "seen"])
            message = f"histograms are not sorted by {order!r}: one of {known}, or a function"
            raise ValueError(message)
        by, down = _ORDERS[order]
        return sorted(items, key=by, reverse=down)

    def _head(self, key: Any) -> str:
        return f"{printable(self.section)} = {printable(self.format_key(key))}"

    def render(self, label: str | None = None, *, order: Order = "key") -> str:
        """Draw with stars, as BCC does: an empty line and ``section = key`` before each histogram.

        Args:
            label: head of the value column; the unit by default.
            order: ``"key"``; ``"count"`` or ``"total"``, the largest last, where a terminal ends;
                ``"busiest"``, the most values first; ``"seen"``, as they came; or a function of the
                key, as for ``sorted``.
        """
        sections = (
            f"\n{self._head(key)}\n{hist.render(label)}".removesuffix("\n")
            for key, hist in self._sorted(order)
        )
        return "\n".join(sections)

    def to_dict(self, label: str | None = None, *, ts: str | None = None) -> list[dict[str, Any]]:
        """Return each histogram's form (:meth:`.Hist.to_dict`) with its ``section: key`` put in."""
        return [
            {**hist.to_dict(label, ts=ts), self.section: printable(self.format_key(key))}
            for key, hist in self._sorted("key")
        ]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows of all histograms (:meth:`.Hist.to_rows`), each with its key before."""
        return [
            {self.section: printable(self.format_key(key)), **row}
            for key, hist in self._sorted("key")
            for row in hist.to_rows()
        ]

    def to_json_lines(self, label: str | None = None, *, ts: str | None = None) -> str:
        """Return :meth:`to_dict` as JSON, one key in each line."""
        return "\n".join(map(jsonl.line, self.to_dict(label, ts=ts)))

    def to_json(self) -> str:
        """Return all of it as a line of JSON, for :meth:`from_json` on another machine.

        Raises:
            TypeError: a key has no form in JSON that can be read back.
        """
        hists = [[codec.key_out(key), hist.to_data()] for key, hist in self.items()]
        data = {"section": self.section, "empty": self.empty.to_data(), "hists": hists}
        return codec.dumps("hists", data)

    @classmethod
    def from_json(cls, text: str) -> KeyedHist:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """

        def made(data: dict[str, Any]) -> KeyedHist:
            hists = {codec.key_in(key): Hist.from_data(one) for key, one in data["hists"]}
            return cls(hists, Hist.from_data(data["empty"]), section=data["section"])

        return codec.loads("hists", text, made)

    def prometheus(
        self, name: str, labels: Mapping[str, object] | None = None, *, to: str | None = None
    ) -> str:
        """Return all in Prometheus' text format, the key a label: as :meth:`.Hist.prometheus`."""
        return prometheus.histogram(name, self._labelled(labels), to=to)

    def otlp(
        self,
        name: str,
        attributes: Mapping[str, object] | None = None,
        *,
        form: otlp.Form = "explicit",
        **times: int,
    ) -> dict[str, Any]:
        """Return all as one metric of OTLP's JSON, the key an attribute: as :meth:`.Hist.otlp`."""
        return otlp.histogram(name, self._labelled(attributes), form=form, **times)

    def _labelled(
        self, labels: Mapping[str, object] | None
    ) -> list[tuple[dict[str, object], Hist]]:
        own = labels or {}
        items = self._sorted("key")
        return [({**own, self.section: printable(self.format_key(k))}, hist) for k, hist in items]

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        shown = self._sorted("busiest")
        label = self.empty.label()
        drawings = [
            drawing.histogram(*hist.bars(), label, title=self._head(key), bars=_BARS)
            for key, hist in shown[:_DRAWN]
        ]
        more = len(shown) - _DRAWN
        return drawing.figure(drawings, f"and {more} more, less busy" if more > 0 else "")


def _check_shape(key: Any, hist: Hist, empty: Hist) -> None:
    try:
        empty.check_mergeable(hist)
    except ValueError as err:
        raise ValueError(f"the histogram of {key!r} has another shape: {err}") from None
