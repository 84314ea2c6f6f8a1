"""Fields of map values that call a function later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pyebpf.dsl.scalars import i64, u64
from pyebpf.errors import PyebpfError
from pyebpf.spec.kernel_fields import TIMER
from pyebpf.spec.types import Record


class Timer:
    """A timer in a record that is a map's value: ``timer: Timer``, then ``entry.timer.start(…)``.

    It runs a plain function of the key and the entry, in the kernel, when its time has come. A
    timer lives as long as its entry, and ends with the map. Tracing programs other than the typed
    ones (``tp_btf``, ``fentry``, …) cannot use maps with timers; of the maps, ``Hash`` and
    ``Array`` can have them.

    Since:  Linux 5.15.
    """

    __pyebpf_record__: ClassVar[Record] = TIMER

    def start(self, delay_ns: u64, function: Callable[..., Any]) -> i64:
        """Call ``function(key, entry)`` in ``delay_ns`` nanoseconds; starting again moves the time.

        Returns 0, or a negative error number.
        """
        raise PyebpfError("a Timer works in a probe only")

    def cancel(self) -> i64:
        """Stop the timer, and wait for its function if that runs; 1 if it was started, 0 if not.

        In the timer's own function the answer is ``-EDEADLK``.
        """
        raise PyebpfError("a Timer works in a probe only")
