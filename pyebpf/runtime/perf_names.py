"""The events that perf counts, by the names that ``perf list`` has for them.

Source: ``include/uapi/linux/perf_event.h`` and ``hw_breakpoint.h``; ``perf-list(1)``; for the
directories of sources, ``Documentation/ABI/testing/sysfs-bus-event_source-devices-format`` and
``-events``.
"""

from __future__ import annotations

import re
from pathlib import Path

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, FormatError
from pyebpf.host.cpus import parse_list
from pyebpf.plain import Frozen

#: Where the kernel lists the sources of events.
SOURCES = Path("/sys/bus/event_source/devices")

_HARDWARE = {
    "cpu-cycles": c.PERF_COUNT_HW_CPU_CYCLES,
    "cycles": c.PERF_COUNT_HW_CPU_CYCLES,
    "instructions": c.PERF_COUNT_HW_INSTRUCTIONS,
    "cache-references": c.PERF_COUNT_HW_CACHE_REFERENCES,
    "cache-misses": c.PERF_COUNT_HW_CACHE_MISSES,
    "branch-instructions": c.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branches": c.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branch-misses": c.PERF_COUNT_HW_BRANCH_MISSES,
    "bus-cycles": c.PERF_COUNT_HW_BUS_CYCLES,
    "stalled-cycles-frontend": c.PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
    "stalled-cycles-backend": c.PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
    "ref-cycles": c.PERF_COUNT_HW_REF_CPU_CYCLES,
}
_SOFTWARE = {
    "cpu-clock": c.PERF_COUNT_SW_CPU_CLOCK,
    "task-clock": c.PERF_COUNT_SW_TASK_CLOCK,
    "page-faults": c.PERF_COUNT_SW_PAGE_FAULTS,
    "faults": c.PERF_COUNT_SW_PAGE_FAULTS,
    "context-switches": c.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cs": c.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cpu-migrations": c.PERF_COUNT_SW_CPU_MIGRATIONS,
    "migrations": c.PERF_COUNT_SW_CPU_MIGRATIONS,
    "minor-faults": c.PERF_COUNT_SW_PAGE_FAULTS_MIN,
    "major-faults": c.PERF_COUNT_SW_PAGE_FAULTS_MAJ,
    "alignment-faults": c.PERF_COUNT_SW_ALIGNMENT_FAULTS,
    "emulation-faults": c.PERF_COUNT_SW_EMULATION_FAULTS,
    "cgroup-switches": c.PERF_COUNT_SW_CGROUP_SWITCHES,
}
#: ``enum perf_hw_cache_id``, ``…_op_id``: which cache, what is done to it.
_CACHES = {"L1-dcache": 0, "L1-icache": 1, "LLC": 2, "dTLB": 3, "iTLB": 4, "branch": 5, "node": 6}
_OPERATIONS = {"load": 0, "store": 1, "prefetch": 2}
_CACHE = re.compile(f"({'|'.join(_CACHES)})-({'|'.join(_OPERATIONS)})(s|es|-misses)")

_RAW = re.compile("r([0-9a-f]{1,16})")
_SOURCE = re.compile("([^/]+)/([^/]*)/")
_BREAKPOINT = re.compile("mem:(0x[0-9a-f]+|[0-9]+)(?:/([1248]))?(?::([rwx]+))?")
_ACCESSES = {"r": 1, "w": 2, "x": 4}
_WORDS = ("config", "config1", "config2")


class PerfEvent(Frozen):
    """What to count.

    Attributes:
        kind: ``PERF_TYPE_*``, or the number of a source.
        words: ``config``, ``config1``, ``config2``.
        access: which accesses a breakpoint is for, ``HW_BREAKPOINT_*``.
        flags: ``PERF_ATTR_*``: where it does not count.
        cpus: the CPUs that count for all, of sources outside the CPUs; None if every CPU counts.
    """

    kind: int
    words: tuple[int, int, int]
    access: int = 0
    flags: int = 0
    cpus: tuple[int, ...] | None = None


def find_event(name: str) -> PerfEvent:
    """Return the event of a name.

    Args:
        name: ``"cpu-clock"``, ``"L1-dcache-load-misses"``, ``"r01c2"``, ``"cpu/event=0x3c/"``,
            ``"msr/tsc/"``, ``"mem:0x1234/4:w"``; but for the last, ``":u"`` or ``":k"`` behind it
            counts in processes only, or in the kernel only.

    Raises:
        AttachError: there is no such event; the message says which there are.
    """
    found = _BREAKPOINT.fullmatch(name)
    if found is not None:
        return _breakpoint(found)
    plain, colon, where = name.rpartition(":")
    flags = {
        "u": layout.PERF_ATTR_EXCLUDE_KERNEL | layout.PERF_ATTR_EXCLUDE_HV,
        "k": layout.PERF_ATTR_EXCLUDE_USER | layout.PERF_ATTR_EXCLUDE_HV,
    }
    if colon and where in flags:
        return _find(plain, name).replace(flags=flags[where])
    return _find(name, name)


def _find(plain: str, name: str) -> PerfEvent:
    if plain in _SOFTWARE:
        return PerfEvent(c.PERF_TYPE_SOFTWARE, (_SOFTWARE[plain], 0, 0))
    if plain in _HARDWARE:
        return PerfEvent(c.PERF_TYPE_HARDWARE, (_HARDWARE[plain], 0, 0))
    if found := _CACHE.fullmatch(plain):
        cache, operation, result = found.groups()
        misses = int(result == "-misses")
        config = _CACHES[cache] | _OPERATIONS[operation] << 8 | misses << 16
        return PerfEvent(c.PERF_TYPE_HW_CACHE, (config, 0, 0))
    if found := _RAW.fullmatch(plain):
        return PerfEvent(c.PERF_TYPE_RAW, (int(found[1], 16), 0, 0))
    if found := _SOURCE.fullmatch(plain):
        return _of_source(found[1], found[2], name)
    known = ", ".join((*_SOFTWARE, *_HARDWARE))
    raise AttachError(
        f"there is no perf event {name!r}; there are {known}, those of caches "
        "('L1-dcache-load-misses'), of sources ('cpu/event=0x3c/'), raw ones ('r01c2') and "
        "breakpoints ('mem:0x1234:w'); @tracepoint is for tracepoints",
        target=name,
    )


def _breakpoint(found: re.Match[str]) -> PerfEvent:
    address, length, letters = found.groups()
    access = 0
    for letter in letters or "rw":
        access |= _ACCESSES[letter]
    size = int(length or (8 if access == _ACCESSES["x"] else 4))
    return PerfEvent(c.PERF_TYPE_BREAKPOINT, (0, int(address, 0), size), access)


def source_number(source: str) -> int:
    """Return the number of a source of events, such as ``"kprobe"``.

    Raises:
        OSError: this kernel has none of that name.
    """
    return int((SOURCES / source / "type").read_text())


def field_bits(source: str, field: str) -> tuple[int, list[int]]:
    """Return where a field of a source's events is: the number of its word, and its bits there.

    Raises:
        OSError: there is no such field, or no such source.
    """
    word, _, bits = (SOURCES / source / "format" / field).read_text().strip().partition(":")
    return _WORDS.index(word), list(parse_list(bits))


def _of_source(source: str, text: str, name: str) -> PerfEvent:
    try:
        kind = source_number(source)
    except OSError:
        known = ", ".join(_listed(SOURCES))
        why = f"this machine has no source of events {source!r}; it has {known}"
        raise AttachError(why, target=name) from None
    words = [0, 0, 0]
    for term in filter(None, text.split(",")):
        for field, value in _fields(source, term, name):
            word, bits = _place(source, field, name)
            for number, bit in enumerate(bits):
                words[word] |= (value >> number & 1) << bit
    return PerfEvent(kind, (words[0], words[1], words[2]), cpus=_counting(source))


def _fields(source: str, term: str, name: str) -> list[tuple[str, int]]:
    """Return the fields that a term sets: itself, or those of the event that it names."""
    event = SOURCES / source / "events" / term
    if "=" not in term and "." not in term and event.is_file():
        inner = event.read_text().strip().split(",")
        return [
            (field, _value(value, name)) for field, _, value in (i.partition("=") for i in inner)
        ]
    field, _, value = term.partition("=")
    return [(field, _value(value, name))]


def _value(text: str, name: str) -> int:
    try:
        return int(text or "1", 0)
    except ValueError:
        raise AttachError(f"{text!r} in the event {name!r} is no number", target=name) from None


def _place(source: str, field: str, name: str) -> tuple[int, list[int]]:
    if field in _WORDS:
        return _WORDS.index(field), list(range(64))
    try:
        return field_bits(source, field)
    except (OSError, ValueError, FormatError):
        fields = ", ".join((*_listed(SOURCES / source / "format"), *_WORDS))
        events = ", ".join(_listed(SOURCES / source / "events")) or "none"
        raise AttachError(
            f"{source!r} has no event and no field {field!r}; its fields are {fields}, its events "
            f"{events}",
            target=name,
        ) from None


def _counting(source: str) -> tuple[int, ...] | None:
    try:
        return parse_list((SOURCES / source / "cpumask").read_text())
    except OSError:
        return None


def _listed(folder: Path) -> list[str]:
    # An event's unit and scale are files beside it.
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(entry.name for entry in found if "." not in entry.name)
