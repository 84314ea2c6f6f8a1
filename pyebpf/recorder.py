"""Recording streams: what they give goes to a file as it comes, until somebody wants to end.

The format is described in :mod:`pyebpf.recordings`.
"""

from __future__ import annotations

import io
import json
import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyebpf.errors import RecordingError
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.plain import to_tuples
from pyebpf.progress import doing
from pyebpf.recordings import FORMAT, TAGS, About
from pyebpf.stopping import Wish

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pyebpf.recordings import Path
    from pyebpf.runtime import batches
    from pyebpf.runtime.stream import EventStream
    from pyebpf.spec.events import EventShape
else:
    batches = lazy("pyebpf.runtime.batches")
    np = lazy("numpy")

#: How long to wait for records before looking whether somebody wants to end; and how long to let
#: them gather in a buffer that has room, so that batches are large. Seconds.
_PATIENCE, _GATHERING = 0.25, 0.05
_ROOM = 0.25


def record(
    path: Path, about: About, streams: Sequence[EventStream], seconds: float = float("inf")
) -> int:
    """Record streams; Ctrl-C or SIGTERM ends it, once everything that was read is in the file.

    Args:
        path: of a file that does not exist yet.
        about: what to say of it.
        streams: what to record.
        seconds: for how long.

    Returns:
        how many records that were.

    Raises:
        RecordingError: the file cannot be written, or not on.
        KeyboardInterrupt: the recording is complete.
    """
    end = time.monotonic() + seconds
    shapes = {stream.name: stream.shape for stream in streams}
    with Wish() as wish, Recorder(path, about, shapes) as out, doing("recording; Ctrl-C ends it"):
        while True:
            is_last = wish.is_over or time.monotonic() >= end
            for stream in streams:
                batch = stream.read()
                if len(batch):
                    out.write(stream.name, batch, stream.lost)
            if is_last:
                break
            _wait(streams, min(end - time.monotonic(), _PATIENCE))
        out.note_lost({stream.name: stream.lost for stream in streams})
    wish.fulfil()
    return out.written


def _wait(streams: Sequence[EventStream], seconds: float) -> None:
    poll = select.poll()
    for stream in streams:
        poll.register(stream.fileno(), select.POLLIN)
    came = poll.poll(max(seconds, 0) * 1000)
    if came and all(stream.fill < _ROOM for stream in streams):
        time.sleep(min(max(seconds, 0), _GATHERING))


class Recorder(Owner):
    """Writes a recording. Closing writes how it ended.

    Attributes:
        path: of the file.
        written: how many records are in the file.
    """

    def __init__(self, path: Path, about: About, shapes: Mapping[str, EventShape]) -> None:
        """Start a recording.

        Args:
            path: of a file that does not exist yet.
            about: what to say of it.
            shapes: of the streams, by name.

        Raises:
            RecordingError: the file is there already, or cannot be written.
        """
        self.path, self.written = os.fspath(path), 0
        self._fd = _created(self.path)
        self._is_whole = True
        self._lost: dict[str, int | None] = dict.fromkeys(shapes)
        self._received = dict.fromkeys(shapes, 0)
        streams = {name: to_tuples(shape) for name, shape in shapes.items()}
        try:
            self._write({"format": FORMAT, "about": about.__dict__, "streams": streams})
        except RecordingError:
            os.close(self._fd)
            os.remove(self.path)  # noqa: PTH107 - pathlib costs a start milliseconds
            raise

    def write(self, name: str, batch: Any, lost: int | None) -> None:
        """Add a batch of a stream.

        Args:
            name: of the stream.
            batch: an array or a :class:`~pyebpf.runtime.batches.Batch`.
            lost: how many records found no room until then; None if that is not known.

        Raises:
            RecordingError: the disk is full, or something else; what was written before stays.
        """
        several = isinstance(batch, batches.Batch)
        arrays = {TAGS: batch.tags, **dict(batch.items())} if several else {"": batch}
        self._lost[name] = lost
        text = {"stream": name, "arrays": list(arrays), "time": time.time(), "lost": lost}
        self._write(text, *arrays.values(), records=len(batch))
        self._received[name] += len(batch)

    def note_lost(self, lost: Mapping[str, int | None]) -> None:
        """Say how many records were lost in the end, by stream."""
        self._lost |= lost

    def _write(self, text: object, *arrays: NDArray[Any], records: int = 0) -> None:
        out = io.BytesIO()
        said = np.frombuffer(json.dumps(text).encode(), np.uint8)
        for array in (said, *arrays):
            np.lib.format.write_array(out, _describable(array), allow_pickle=False)
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        try:
            _write_all(self._fd, memoryview(out.getvalue()))
        except OSError as err:
            self._is_whole = False
            os.ftruncate(self._fd, end)
            os.lseek(self._fd, end, os.SEEK_SET)
            raise RecordingError(
                f"{self.path}: {err.strerror}: it has {self.written:,} records, all until then; "
                f"the next {records:,} were read and are not in it"
            ) from err
        self.written += records

    def close(self) -> None:
        """Write how it ended, unless something is missing, and close the file. Idempotent.

        Raises:
            RecordingError: there is no room for that; what was written before stays.
        """
        fd = self._fd
        if fd < 0:
            return
        try:
            if self._is_whole:
                self._write({"end": time.time(), "received": self._received, "lost": self._lost})
        finally:
            self._fd = -1
            os.close(fd)


def _describable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that numpy's format can describe: fields that overlap make mere bytes."""
    try:
        known = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(array.dtype))
    except ValueError:
        known = None
    return array if known == array.dtype else array.view(f"V{array.dtype.itemsize}")


def _created(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise RecordingError(f"{path} is there already: a recording overwrites nothing") from None
    except OSError as err:
        raise RecordingError(f"{path}: {err.strerror}") from err


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
