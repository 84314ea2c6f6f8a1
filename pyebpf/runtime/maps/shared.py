"""A global variable of a loaded program, in the memory that the program itself uses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.errors import NotSupportedError
from pyebpf.runtime.maps.array import ArrayMap, is_mmapable
from pyebpf.runtime.maps.layout import Half
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import Field


class GlobalView(ArrayMap):
    """One variable: reading and assigning :attr:`value` needs no system call.

    Since:  Linux 5.5.
    """

    def __init__(self, fd: int, spec: MapSpec, field: Field) -> None:
        super().__init__(fd, spec)
        self._half = Half(field.type, field.type.size, f"value of {field.name!r}")
        self._field = field
        if not is_mmapable(spec):
            self.close()
            message = f"global {field.name!r}: this kernel cannot map an array into memory"
            raise NotSupportedError(f"{message} (since Linux 5.5)")

    @property
    def name(self) -> str:
        """The name of its declaration."""
        return self._field.name

    @property
    def value(self) -> Any:
        """A copy of the value now: a number, bool, str, tuple or record.

        Assigning stores it: numbers at once, larger values field by field, while the program runs.
        """
        start = self._field.offset
        memory = self._opened()
        return self._half.unpack(bytes(memory[start : start + self._field.type.size]))

    @value.setter
    def value(self, value: object) -> None:
        data = self._half.pack(value)
        start = self._field.offset
        memory = self._opened()
        if len(data) in (1, 2, 4, 8):  # one store: no program sees half of it
            cell = np.ndarray((), f"u{len(data)}", memory, start)
            cell[()] = int.from_bytes(data, "little")
        else:
            memory[start : start + len(data)] = data

    def view(self) -> NDArray[Any]:
        """Return the memory itself as an array of no dimensions, live in both directions.

        Shape:  ``()`` of the value's dtype, and more if it is an array.

        Raises:
            TypeError: it has bit-fields, which numpy cannot show in place.
        """
        self._half.need_view()
        return np.ndarray(self._half.shape, self._half.dtype, self._opened(), self._field.offset)

    _exchangeable = False

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Refuse, as does what is made of it: ``take()``, ``items()``, ….

        Raises:
            TypeError: always.
        """
        raise TypeError(f"global {self.name!r} is one variable: read its value, or its view()")

    def clear(self) -> None:
        """Set the variable to zero."""
        start = self._field.offset
        self._opened()[start : start + self._field.type.size] = bytes(self._field.type.size)

    def _opened(self) -> Any:
        self.open_fd()
        return self._memory

    def __repr__(self) -> str:
        shown = repr(self.value) if self.fd >= 0 else "closed"
        return f"<GlobalView {self.name!r} {shown}>"
