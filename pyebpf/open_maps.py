"""What ``session[declaration]`` gives, typed for each class of declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from pyebpf.dsl.aggregates import Count, LinearHist, Log2Hist, Summarized, TimeSeries
    from pyebpf.dsl.events import Events
    from pyebpf.dsl.map_of_maps import OfMaps
    from pyebpf.dsl.maps import Array, Hash, MapDecl, PerCpuArray
    from pyebpf.dsl.perf import PerfEventArray
    from pyebpf.dsl.queues import BloomFilter, Queue
    from pyebpf.dsl.redirects import Places
    from pyebpf.dsl.shared import Global
    from pyebpf.dsl.stacks import StackTrace
    from pyebpf.dsl.storage import CgroupStorage, Storage
    from pyebpf.dsl.tail import TailCalls
    from pyebpf.dsl.tries import LpmTrie
    from pyebpf.dsl.user_ring import UserEvents
    from pyebpf.runtime.maps.array import ArrayMap
    from pyebpf.runtime.maps.hash import HashMap
    from pyebpf.runtime.maps.hist import HistView
    from pyebpf.runtime.maps.of_maps import OfMaps as OfMapsView
    from pyebpf.runtime.maps.percpu import PerCpuArrayMap
    from pyebpf.runtime.maps.places import PlaceMap
    from pyebpf.runtime.maps.programs import ProgramTable
    from pyebpf.runtime.maps.queues import BloomMap, QueueMap
    from pyebpf.runtime.maps.series import SeriesView
    from pyebpf.runtime.maps.shared import GlobalView
    from pyebpf.runtime.maps.stacks import StackTraceMap
    from pyebpf.runtime.maps.storage import ObjectMap
    from pyebpf.runtime.maps.summary import SummaryView
    from pyebpf.runtime.maps.tries import LpmMap
    from pyebpf.runtime.maps.user_ring import UserRing
    from pyebpf.runtime.stream import EventStream


class OpenMaps:
    """``[declaration]`` gives the open map of a declaration, made when it is first asked for."""

    def __init__(self) -> None:
        self._views: dict[MapDecl, Any] = {}

    @overload
    def __getitem__(self, decl: PerCpuArray[Any]) -> PerCpuArrayMap: ...
    @overload
    def __getitem__(self, decl: Array[Any]) -> ArrayMap: ...
    @overload
    def __getitem__(self, decl: LpmTrie[Any, Any]) -> LpmMap: ...
    @overload
    def __getitem__(self, decl: Hash[Any, Any]) -> HashMap: ...
    @overload
    def __getitem__(self, decl: Queue[Any]) -> QueueMap: ...
    @overload
    def __getitem__(self, decl: OfMaps[Any]) -> OfMapsView: ...
    @overload
    def __getitem__(self, decl: Places) -> PlaceMap: ...
    @overload
    def __getitem__(self, decl: PerfEventArray[Any]) -> Any: ...
    @overload
    def __getitem__(self, decl: UserEvents[Any]) -> UserRing: ...
    @overload
    def __getitem__(self, decl: CgroupStorage[Any]) -> HashMap: ...
    @overload
    def __getitem__(self, decl: BloomFilter[Any]) -> BloomMap: ...
    @overload
    def __getitem__(self, decl: Storage[Any]) -> ObjectMap: ...
    @overload
    def __getitem__(self, decl: Log2Hist[Any] | LinearHist[Any]) -> HistView: ...
    @overload
    def __getitem__(self, decl: Count[Any] | Summarized[Any]) -> SummaryView: ...
    @overload
    def __getitem__(self, decl: TimeSeries[Any]) -> SeriesView: ...
    @overload
    def __getitem__(self, decl: Events[Any]) -> EventStream: ...
    @overload
    def __getitem__(self, decl: Global[Any]) -> GlobalView: ...
    @overload
    def __getitem__(self, decl: StackTrace) -> StackTraceMap: ...
    @overload
    def __getitem__(self, decl: TailCalls) -> ProgramTable: ...
    def __getitem__(self, decl: Any) -> Any:
        """Return the open map of a declaration.

        Raises:
            KeyError: no probe here uses it.
        """
        if decl not in self._views:
            self._views[decl] = self._view(decl)
        return self._views[decl]

    def summary(self) -> str:
        """Say in a line for each stream of records what came, what was lost, how full it is."""
        streams = (view for view in self._views.values() if hasattr(view, "received"))
        return "\n".join(f"{stream.name}: {stream.summary()}" for stream in streams)

    def _view(self, decl: MapDecl) -> Any:
        raise NotImplementedError
