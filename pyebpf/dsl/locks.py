"""Fields of map values that the kernel itself works with: locks."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar

from pyebpf.errors import PyebpfError
from pyebpf.spec.kernel_fields import SPIN_LOCK
from pyebpf.spec.types import Record


class SpinLock:
    """A lock in a record that is a map's value: ``lock: SpinLock``, then ``with entry.lock: …``.

    Only one program at a time is in such a block of one entry. It is left by every way out. No
    function of the kernel can be called inside, so nothing can be looked up, printed or sent there,
    and no second lock taken. Tracing programs other than ``tp_btf`` cannot use maps with locks, and
    of the maps only ``Hash`` and ``Array`` can have them.

    Since:  Linux 5.1.
    """

    __pyebpf_record__: ClassVar[Record] = SPIN_LOCK

    def __enter__(self) -> None:
        raise PyebpfError("a SpinLock works in a probe only")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise PyebpfError("a SpinLock works in a probe only")
