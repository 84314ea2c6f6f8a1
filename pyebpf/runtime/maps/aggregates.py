"""From an open map and what its rows are to the view that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pyebpf.runtime.maps.hist import HistView
from pyebpf.runtime.maps.series import SeriesView
from pyebpf.runtime.maps.summary import SummaryView
from pyebpf.spec.aggregates import HistogramSpec, SummarySpec

if TYPE_CHECKING:
    from pyebpf.runtime.maps.base import MapHandle
    from pyebpf.runtime.maps.series import Clock
    from pyebpf.spec.aggregates import AggregateSpec

    AggregateView: TypeAlias = HistView | SummaryView | SeriesView


def open_aggregate(
    map_: MapHandle, shape: AggregateSpec, *, totals: bool, clock: Clock | None = None
) -> AggregateView:
    """Return the view of an aggregate. It owns the map from here on.

    Args:
        map_: the open map.
        shape: what its rows are.
        totals: whether the programs keep the total of a histogram that has room for it.
        clock: of time series; the kernel's by default.
    """
    if isinstance(shape, HistogramSpec):
        return HistView(map_, shape, summed_up=totals)
    if isinstance(shape, SummarySpec):
        return SummaryView(map_, shape)
    return SeriesView(map_, shape, clock)
