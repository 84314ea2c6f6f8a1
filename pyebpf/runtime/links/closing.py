"""Many links closed beside each other, since the kernel lets each of them wait."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pyebpf.lazy import lazy
from pyebpf.progress import doing

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pyebpf.progress import Step
    from pyebpf.runtime.links.base import Link
else:
    threading = lazy("threading")

#: How many links wait at once. Behind that wait is one for the perf event, which the kernel lets
#: only one closer do at a time (``event_mutex``): more threads would stand in that queue.
_AT_ONCE = 8


def close_all(links: Iterable[Link]) -> None:
    """Close links: first those that close at once, in their order, then all others.

    The kernel takes a program off a perf event at once, and then waits until no CPU can be running
    it, some ten milliseconds (``synchronize_rcu_tasks_trace`` in ``perf_event_detach_bpf_prog``,
    ``kernel/trace/bpf_trace.c``). Who waits at the same time waits for the same.

    Raises:
        Exception: the first that closing one raised; all are closed.
    """
    with doing("detaching probes") as step:
        _close_all(links, step)


def _close_all(links: Iterable[Link], step: Step) -> None:
    waiting: deque[Link] = deque()
    errors: list[Exception] = []
    for link in links:
        if link.waits:
            waiting.append(link)
        else:
            _close(link, errors)
    step.total = len(waiting)

    def work() -> None:
        while waiting:
            try:
                link = waiting.popleft()
            except IndexError:  # another thread took it
                return
            _close(link, errors)
            step.done = step.total - len(waiting)

    helpers = _started(work, min(len(waiting), _AT_ONCE) - 1)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def _close(link: Link, errors: list[Exception]) -> None:
    try:
        link.close()
    except Exception as error:  # noqa: BLE001 - the caller raises it when all are closed
        errors.append(error)


def _started(work: Callable[[], None], count: int) -> list[threading.Thread]:
    helpers = []
    for _ in range(count):
        helper = threading.Thread(target=work)
        try:
            helper.start()
        except RuntimeError:  # no more threads here, or the interpreter ends: the caller does it
            break
        helpers.append(helper)
    return helpers
