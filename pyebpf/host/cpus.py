"""The CPUs of this machine, as the kernel lists them."""

from __future__ import annotations

from pyebpf.errors import FormatError

_DIRECTORY = "/sys/devices/system/cpu/"


def parse_list(text: str) -> tuple[int, ...]:
    """Return the numbers in a kernel list such as ``"0-3,5"``, ascending.

    Raises:
        FormatError: it is not such a list.
    """
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        low, high = _number(first, text), _number(last if dash else first, text)
        if high < low or high > _LIMIT:
            raise FormatError(f"{text!r} is no list of CPUs: {part!r} is not a range")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


_LIMIT = 1 << 16  # CONFIG_NR_CPUS is 8192 at most today


def possible() -> tuple[int, ...]:
    """Return every CPU that may ever be online: per-CPU maps hold one value for each."""
    return _read("possible")


def online() -> tuple[int, ...]:
    """Return the CPUs that are online now."""
    return _read("online")


def possible_count() -> int:
    """Return how many values a per-CPU map holds for each key: one for each of :func:`possible`.

    Where the numbering has holes, the values follow each other without them.
    """
    return len(possible())


def online_count() -> int:
    """Return how many CPUs are online now."""
    return len(online())


def _read(name: str) -> tuple[int, ...]:
    with open(_DIRECTORY + name, "rb") as file:  # noqa: PTH123 - quick to import
        return parse_list(file.read().decode())


def _number(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FormatError(f"{whole!r} is no list of CPUs: {text!r} is not a number")
    return int(text)
