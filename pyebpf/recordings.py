"""Recordings: the records of streams in a file, to be looked at again on any machine.

A file is arrays in numpy's own format, one after the other, as ``numpy.save`` appends them and
``numpy.load`` reads them one by one from an open file. The first is text in JSON, as bytes: what
was recorded, where, and the types of all fields. Then, for each batch: text in JSON, and its
arrays, whose names the text has. The last text says how it ended.

A batch is written whole or not at all, and what is written stays as it is; so a file that was cut
off, by a full disk or by the end of its program, has all batches before that.

Shapes below: ``n`` records.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from pyebpf.errors import FormatError
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen, from_tuples
from pyebpf.rows import shown
from pyebpf.spec import types
from pyebpf.spec.events import EventShape
from pyebpf.version import __version__

if TYPE_CHECKING:
    import json

    import numpy as np
    from numpy.typing import NDArray

    from pyebpf.present import interchange
    from pyebpf.runtime import batches
    from pyebpf.spec import dtype
    from pyebpf.spec.types import DataType
else:
    batches = lazy("pyebpf.runtime.batches")
    dtype = lazy("pyebpf.spec.dtype")
    json = lazy("json")
    np = lazy("numpy")

Path: TypeAlias = "str | os.PathLike[str]"

#: What the first text calls the format; another number is another format.
FORMAT = "pyebpf recording 1"
#: The name of the array that has the types of a batch's records in order.
TAGS = "tags"
#: What comes of texts and types that are not those that were written.
_DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError)
#: What numpy raises where it cannot read an array: its header is a line of Python.
_NO_ARRAY = (ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TokenError)


class About(Frozen):
    """What a recording says of itself.

    Attributes:
        programs: each program's name, kind and hook.
        kernel: the release of the kernel.
        machine: as ``platform.machine()`` names it.
        started: when it began, in seconds since 1970.
        version: of this package.
    """

    programs: tuple[tuple[str, str, str], ...]
    kernel: str
    machine: str
    started: float
    version: str = __version__


class Recorded:
    """A stream of a recording: what a stream of a session is, but for waiting.

    Attributes:
        name: of the declaration.
        shape: what the records are.
        lost: how many records found no room; None if nothing counted them.
        times: when each batch was read, in seconds since 1970.
    """

    def __init__(self, name: str, shape: EventShape) -> None:
        self.name, self.shape = name, shape
        self.lost: int | None = None
        self.times: list[float] = []
        self._batches: list[Any] = []

    @property
    def received(self) -> int:
        """How many records there are."""
        return sum(map(len, self._batches))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one record; of several types, of the first."""
        return dtype.decoded_dtype(self.shape.kinds[0])

    def add(self, batch: Any, moment: float, lost: int | None) -> None:
        """Add a batch that was read at a moment.

        Args:
            batch: the records, ``(n,)``.
            moment: when, in seconds since the epoch.
            lost: how many had been lost by then; None if nobody knows.
        """
        self._batches.append(batch)
        self.times.append(moment)
        self.lost = lost

    def read(self) -> Any:
        """Return all records.

        Shape:  ``(n,)``; several types are a batch.
        """
        if not self.shape.is_tagged:
            return np.concatenate([np.empty(0, self.dtype), *self._batches])
        none = batches.empty(self.shape)
        return batches.joined(self.shape, [none, *self._batches])

    def table(self, kind: object = None) -> interchange.Table:
        """Return all records in columns, for pandas, polars, pyarrow; addresses are texts.

        Args:
            kind: of records of several types, which: the class, or its name.

        Raises:
            TypeError: there are several types, and none was said.
            KeyError: there are no such records.
        """
        return batches.table(self.shape, self.read(), kind)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Give all records of the one type that there is to who reads Arrow: :meth:`table`."""
        return self.table().__arrow_c_stream__(requested_schema)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for batch in self._batches:
            yield batch

    def each(self, call: Callable[[Any], object]) -> int:
        """Call a function with each batch; return how many records that were."""
        for batch in self._batches:
            call(batch)
        return self.received

    def rows(self) -> Iterator[Any]:
        """Yield the records one by one, as :func:`pyebpf.rows` does, of all types in order."""
        for batch in self._batches:
            yield from map(shown, batches.values(self.shape, batch))

    def summary(self) -> str:
        """Say in a line what came and what was lost."""
        lost = "" if self.lost is None else f", {self.lost:,} lost"
        return f"{self.received:,} received{lost}"

    def __repr__(self) -> str:
        return f"<Recorded {self.name!r} of {self.shape.name()}: {self.summary()}>"


class Recording:
    """What is in a file that ``Session.record`` wrote.

    ``recording[declaration]`` or ``recording["name"]`` is what ``session[declaration]`` was.

    Attributes:
        path: of the file.
        about: what was recorded, and where.
        streams: by name.
        is_complete: whether it was ended, and not cut off.
    """

    def __init__(self, path: str, about: About, shapes: Mapping[str, EventShape]) -> None:
        self.path, self.about = path, about
        self.streams = {name: Recorded(name, shape) for name, shape in shapes.items()}
        self.is_complete = False

    def __getitem__(self, which: Any) -> Recorded:
        """Return a stream, by its name or by the declaration.

        Raises:
            KeyError: there is no such stream, or there are several like the declaration.
        """
        if isinstance(which, str):
            found = [self.streams[which]] if which in self.streams else []
        else:
            kinds = which.shape().kinds
            found = [one for one in self.streams.values() if one.shape.kinds == kinds]
        if len(found) != 1:
            raise KeyError(f"{self.path} has {', '.join(self.streams)}: say which by its name")
        return found[0]

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.streams.values())

    def summary(self) -> str:
        """Say in a line for each stream what came and what was lost."""
        return "\n".join(f"{one.name}: {one.summary()}" for one in self.streams.values())

    def __repr__(self) -> str:
        cut = "" if self.is_complete else ", cut off"
        return f"<Recording {self.path}{cut}: {'; '.join(self.summary().splitlines())}>"


def replay(path: Path) -> Recording:
    """Read a recording. This needs no kernel, no privileges, and nothing of what was recorded.

    Raises:
        FormatError: it is no recording.
        OSError: it cannot be read.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:  # noqa: PTH123 - numpy reads from it
        text = _text(file)
        if not isinstance(text, dict) or text.get("format") != FORMAT:
            raise FormatError(f"{name} is no recording of this version")
        try:
            about = About(**{**text["about"], "programs": _tuples(text["about"]["programs"])})
            shapes = {key: _shape(value) for key, value in text["streams"].items()}
        except _DAMAGE as err:
            raise FormatError(f"{name} is a damaged recording: {err!r}") from err
        recording = Recording(name, about, shapes)
        try:
            while (text := _text(file)) is not None and _add(recording, text, file):
                pass
        except _DAMAGE as err:
            raise FormatError(f"{name} is a damaged recording: {err!r}") from err
    return recording


def _add(recording: Recording, text: dict[str, Any], file: BinaryIO) -> bool:
    """Add a batch, or how it ended; tell whether all of that was there."""
    if "end" in text:
        recording.is_complete = True
        for key, one in recording.streams.items():
            one.lost = text["lost"][key]
        return True
    stream, arrays = recording.streams[text["stream"]], {}
    for name in text["arrays"]:
        array = _array(file)
        if array is None:
            return False
        arrays[name] = array
    if not stream.shape.is_tagged:
        stream.add(_typed(arrays[""], stream.shape.kinds[0]), text["time"], text["lost"])
        return True
    parts = tuple(_typed(arrays[str(kind)], kind) for kind in stream.shape.kinds)
    batch = batches.Batch(stream.shape, arrays[TAGS], parts)
    if np.bincount(batch.tags, minlength=len(parts)).tolist() != [len(part) for part in parts]:
        raise ValueError(f"a batch of {stream.name} has other records than its {TAGS} say")
    stream.add(batch, text["time"], text["lost"])
    return True


def _typed(array: NDArray[Any], kind: DataType) -> NDArray[Any]:
    wanted = dtype.decoded_dtype(kind)
    if array.dtype != wanted.base and array.dtype == np.dtype(f"V{wanted.itemsize}"):
        array = array.view(wanted)
    if array.dtype != wanted.base or array.shape[1:] != wanted.shape:
        raise ValueError(f"{kind} is not {array.dtype}, {array.shape}")
    return array


def _array(file: BinaryIO) -> NDArray[Any] | None:
    """Read the next array; None where the file ends or was cut off."""
    try:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except _NO_ARRAY:
        return None
    return array


def _text(file: BinaryIO) -> dict[str, Any] | None:
    array = _array(file)
    if array is None or array.dtype != np.uint8:
        return None
    try:
        text = json.loads(array.tobytes())
    except ValueError:
        return None
    return text if isinstance(text, dict) else None


def _tuples(value: Any) -> Any:
    """Return what JSON made lists of as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _shape(value: Any) -> EventShape:
    shape = from_tuples(_tuples(value), _CLASSES)
    if not isinstance(shape, EventShape):
        raise TypeError(value)
    for kind in shape.kinds:
        dtype.decoded_dtype(kind)  # fields that are none fail here, not when records are read
    return shape


_CLASSES = {
    "EventShape": EventShape,
    **{
        name: value
        for name, value in vars(types).items()
        if isinstance(value, type) and issubclass(value, Frozen) and value is not Frozen
    },
}
