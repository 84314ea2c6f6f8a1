"""How a map's keys and values lie in memory, in both directions.

Shapes below: ``n`` entries, ``c`` possible CPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi.maps import MAP_KINDS
from pyebpf.host.cpus import possible_count
from pyebpf.spec.bitfields import has_bits
from pyebpf.spec.dtype import (
    converter,
    decoded,
    decoded_dtype,
    encoded,
    numpy_dtype,
    pack,
    padding,
    unpack,
)
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import Array, DataType

PER_CPU_KINDS = frozenset(row.name for row in MAP_KINDS.values() if row.per_cpu)


def round_up(size: int) -> int:
    """Round up to 8: the kernel starts each array element and each CPU's value there."""
    return -(-size // 8) * 8


def _strides(shape: tuple[int, ...], step: int) -> tuple[int, ...]:
    """Return bytes from one element to the next for each dimension, ``step`` for the last."""
    strides = []
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


class Half:
    """The keys or the values of a map: one type, or plain bytes where the object names none.

    Attributes:
        shape: of one value: empty, except for arrays.
        dtype: of one value, or of its elements if it is an array.
        has_bits: whether there are bit-fields in it: memory is not what numpy shows then.
    """

    def __init__(self, kind: DataType | None, size: int, what: str) -> None:
        if kind is not None and kind.size != size:
            raise ValueError(f"{what} is of {size} bytes, but its type {kind} is of {kind.size}")
        self.kind = kind
        self.size = size
        self.what = what
        whole = np.dtype(f"V{size}") if kind is None else numpy_dtype(kind)
        self.shape: tuple[int, ...] = whole.shape
        self.dtype: np.dtype[Any] = whole.base
        self._strides = _strides(self.shape, self.dtype.itemsize)
        self.has_bits = kind is not None and has_bits(kind)
        self._convert = None if kind is None else converter(kind)

    def pack(self, value: object) -> bytes:
        """Return the bytes of one Python value."""
        if self.kind is not None:
            return pack(self.kind, value, self.what)
        data = value.tobytes() if isinstance(value, np.void) else value
        if not isinstance(data, bytes | bytearray):
            raise TypeError(f"{self.what} has no known type: give its {self.size} bytes")
        if len(data) != self.size:
            raise ValueError(f"{self.what} is of {self.size} bytes, not {len(data)}")
        return bytes(data)

    def unpack(self, data: bytes) -> Any:
        """Return the Python value of the kernel's bytes."""
        return data if self.kind is None else unpack(self.kind, data)

    def pythonic(self, array: NDArray[Any]) -> list[Any]:
        """Return the elements of an array as Python values."""
        if self.kind is None:
            return [item.tobytes() for item in array]
        values: list[Any] = array.tolist()
        return values if self._convert is None else [self._convert(value) for value in values]

    def over(self, memory: Any, lead: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[Any]:
        """Look at memory as values, without a copy; a bit-field is the word that it lies in.

        Args:
            memory: anything with a buffer.
            lead: the shape in front of the shape of one value.
            strides: bytes from one to the next, for each dimension of ``lead``.
        """
        shape, steps = (*lead, *self.shape), (*strides, *self._strides)
        return np.ndarray(shape, self.dtype, memory, strides=steps)

    def need_view(self) -> None:
        """Refuse what can only be copied.

        Raises:
            TypeError: there are bit-fields.
        """
        if self.has_bits:
            why = f"{self.kind} has bit-fields, which numpy cannot show in place: use a copy"
            raise TypeError(f"{self.what}: {why}")

    def copied(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return what :meth:`over` gave as users see it: a copy if there are bit-fields."""
        return decoded(self.kind, array) if self.kind is not None and self.has_bits else array

    def packed(self, values: Any, lead: tuple[int, ...]) -> NDArray[Any]:
        """Return ``values`` as one contiguous array of shape ``lead`` and the shape of one value.

        Raises:
            ValueError: there are more or fewer values, or one does not fit.
            TypeError: they are of another kind.
        """
        if isinstance(values, np.ndarray):
            values = self._unpadded(self._same_dtype(values))
        else:
            flat = b"".join(map(self.pack, values))
            values = np.frombuffer(flat, self.dtype).reshape(-1, *self.shape)
        if values.shape != (*lead, *self.shape):
            wanted = (*lead, *self.shape)
            raise ValueError(f"{self.what}: the shape is {values.shape}, and {wanted} is needed")
        return np.ascontiguousarray(values)

    def _unpadded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a copy whose bytes between fields are 0, as those of single values are."""
        unused = padding(self.dtype)
        if not unused.any():
            return values
        raw = np.frombuffer(bytearray(values.tobytes()), np.uint8).reshape(-1, len(unused))
        raw[:, unused] = 0
        return raw.view(self.dtype).reshape(values.shape)

    def _same_dtype(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.kind is not None and self.has_bits:
            if values.dtype == decoded_dtype(self.kind).base:
                return encoded(self.kind, values)
        elif values.dtype == self.dtype:
            return values
        if values.dtype.kind == self.dtype.kind == "S" and values.itemsize <= self.dtype.itemsize:
            return values.astype(self.dtype)
        if values.dtype.kind not in "iub" or self.dtype.kind not in "iu":
            message = f"{self.what}: an array of {values.dtype} is not one of {self.dtype}"
            raise TypeError(message)
        cast = values.astype(self.dtype)
        if values.size:  # the two ends decide whether all fit
            self._check_fits(int(values.min()), int(values.max()))
        return cast

    def _check_fits(self, low: int, high: int) -> None:
        limits = np.iinfo(self.dtype)
        if low < limits.min or high > limits.max:
            message = f"{self.what}: {low} to {high} do not all fit {self.dtype}, which holds "
            raise ValueError(message + f"{limits.min} to {limits.max}")


class Layout:
    """The layout of one map. ``cpus`` is 0 where all CPUs share a value.

    Of a map that is in no kernel, it is said how many CPUs there are.
    """

    def __init__(self, spec: MapSpec, cpus: int = 0) -> None:
        self.key = Half(spec.key, spec.key_size, f"key of map {spec.name!r}")
        self.value = Half(spec.value, spec.value_size, f"value of map {spec.name!r}")
        self.cpus = (cpus or possible_count()) if spec.kind in PER_CPU_KINDS else 0
        self.stride = round_up(spec.value_size)
        #: Bytes that the kernel copies for one value.
        self.value_bytes = self.stride * self.cpus if self.cpus else spec.value_size

    def keys(self, memory: Any, n: int) -> NDArray[Any]:
        """Look at ``n`` keys, one after the other."""
        return self.key.copied(self.key.over(memory, (n,), (self.key.size,)))

    def values(self, memory: Any, n: int) -> NDArray[Any]:
        """Look at ``n`` values as the kernel copies them: ``(n,)`` or ``(n, c)``."""
        return self.value.copied(self._places(memory, n))

    def _places(self, memory: Any, n: int) -> NDArray[Any]:
        if self.cpus:
            return self.value.over(memory, (n, self.cpus), (self.value_bytes, self.stride))
        return self.value.over(memory, (n,), (self.value_bytes,))

    def pack_value(self, value: Any) -> bytes:
        """Return the bytes of one entry's value; for a per-CPU map one for each CPU, or for all.

        A list, or an array of ``c`` values, has one for each CPU; anything else reaches every CPU.
        """
        if not self.cpus:
            return self.value.pack(value)
        values = value if self._is_per_cpu(value) else [value] * self.cpus
        if len(values) != self.cpus:
            message = f"{self.value.what}: {len(values)} values for {self.cpus} possible CPUs"
            raise ValueError(message)
        return b"".join(self.value.pack(one).ljust(self.stride, b"\0") for one in values)

    def _is_per_cpu(self, value: object) -> bool:
        if isinstance(value, np.ndarray):
            return value.ndim > len(self.value.shape)
        if not isinstance(value, list):
            return False
        # A list of numbers may be one value of an array type.
        of_arrays = isinstance(self.value.kind, Array)
        return not of_arrays or (bool(value) and isinstance(value[0], Sequence | np.ndarray))

    def unpack_value(self, data: bytes) -> Any:
        """Return one entry's value: Python's, or for a per-CPU map an array ``(c,)``."""
        return self.values(bytearray(data), 1)[0] if self.cpus else self.value.unpack(data)

    def python_values(self, values: NDArray[Any]) -> list[Any]:
        """Return what :meth:`unpack_value` would, for each entry of a snapshot."""
        return list(values) if self.cpus else self.value.pythonic(values)

    def pack_values(self, values: Any, n: int) -> NDArray[np.uint8]:
        """Return the bytes of ``n`` entries' values."""
        if not self.cpus:
            return _bytes(self.value.packed(values, (n,)), n, self.value_bytes)
        rows = np.zeros((n, self.value_bytes), np.uint8)
        if isinstance(values, np.ndarray):
            if values.ndim == 1 + len(self.value.shape):  # one value for all CPUs of each entry
                values = np.repeat(values[:, np.newaxis], self.cpus, axis=1)
            self._places(rows, n)[...] = self.value.packed(values, (n, self.cpus))
            return rows
        packed = b"".join(map(self.pack_value, values))
        return np.frombuffer(packed, np.uint8).reshape(n, self.value_bytes)


def _bytes(array: NDArray[Any], n: int, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8).reshape(n, size)
