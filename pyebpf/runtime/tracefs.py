"""The tracing file system: which tracepoints there are, their numbers and their fields.

Where it is not mounted, a detached mount is opened: a mount that has no place in any directory
tree, that only this process sees, and that is gone when it is closed.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError, FormatError, KernelError, NotSupportedError
from pyebpf.owner import Owner
from pyebpf.runtime import call
from pyebpf.runtime.refusal import refusal
from pyebpf.spec.target import TracepointField

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FSOPEN_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1


class Tracefs(Owner):
    """The tracepoints of the running kernel. Nothing is opened before the first question.

    Implements :class:`pyebpf.spec.target.Tracepoints`. Answers are kept: tracepoints come and go
    only with modules.

    Raises:
        NotSupportedError: (any method) the kernel was built without tracefs.
        KernelError: (any method) it is not mounted, and this process may not open it.
    """

    def __init__(self, places: tuple[str, ...] = _PLACES) -> None:
        self._places = places
        self._fd = -1
        self._names: tuple[str, ...] = ()
        self._fields: dict[tuple[str, str], tuple[TracepointField, ...]] = {}

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory; it is opened again when needed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def event_id(self, category: str, name: str) -> int:
        """Return the number of a tracepoint, as ``perf_event_open(2)`` takes it.

        Raises:
            AttachError: there is no such tracepoint; the message names the nearest.
        """
        text = self._read(category, name, "id")
        if text is None:
            raise self.unknown(f"{category}:{name}")
        return int(text)

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        """Return every field of a tracepoint's record, ``common_type`` and its like included.

        Raises:
            KeyError: there is no such tracepoint.
            FormatError: its description cannot be understood.
        """
        known = self._fields.get((category, name))
        if known is None:
            text = self._read(category, name, "format")
            if text is None:
                raise KeyError(f"{category}:{name}")
            known = self._fields[category, name] = parse_format(text)
        return known

    def names(self) -> tuple[str, ...]:
        """Return every tracepoint as ``category:name``, sorted.

        Cost: one small read; the kernel walks its list.
        """
        if not self._names:
            text = self._text("available_events") or ""
            self._names = tuple(sorted(text.split()))
        return self._names

    def functions(self) -> tuple[str, ...]:
        """Return every function of the kernel that can be traced; none without ftrace.

        Cost: reads a list of some 3 MB.
        """
        text = self._text("available_filter_functions") or ""
        # A line is "name", with the module's name behind it in brackets.
        names = dict.fromkeys(word for word in text.split() if word[0] != "[")
        return tuple(name for name in names if not name.startswith("__ftrace_invalid_address"))

    def unknown(self, event: str) -> AttachError:
        """Make the exception for a tracepoint that does not exist; the caller raises it."""
        return AttachError(
            f"there is no tracepoint {event!r} in this kernel; {self.nearest(event)}", target=event
        )

    def nearest(self, event: str) -> str:
        """Say which tracepoints have a name most like ``event``, with or without a category."""
        names = self.names()
        pool = names if ":" in event else tuple({n.partition(":")[2] for n in names})
        near = nearest(event, pool)
        bare = event.partition(":")[2]
        near += [n for n in names if bare and n.endswith(f":{bare}") and n not in near][:3]
        if not near:
            return f"none of its {len(names)} has a similar name"
        return f"the nearest: {', '.join(near)}"

    def _read(self, category: str, name: str, file: str) -> str | None:
        """Return a file of a tracepoint's directory, or None if there is no such tracepoint."""
        if not category or not name or "/" in category + name or "\0" in category + name:
            return None
        return self._text(f"events/{category}/{name}/{file}")

    def _text(self, path: str) -> str | None:
        directory = self._directory()
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(error, path) from None
        with os.fdopen(fd, encoding="utf-8", errors="replace") as text:
            return text.read()

    def _directory(self) -> int:
        if self._fd < 0:
            fd, denied = _open_mounted(self._places)
            if fd >= 0:
                self._fd = fd
                return fd
            try:
                self._fd = _open_detached()
            except KernelError:
                if denied:
                    raise _closed(denied) from None
                raise
        return self._fd


def _unreadable(error: OSError, path: str) -> KernelError:
    return refusal(
        error.errno or errno.EIO, f"reading {path!r} of tracefs", needs=("CAP_DAC_READ_SEARCH",),
        denials=(errno.EACCES, errno.EPERM),
    )  # fmt: skip


def _closed(place: str) -> KernelError:
    """Make the exception for a file system that is mounted, but not for this user."""
    plain = refusal(
        errno.EACCES, f"opening {place}", needs=("CAP_DAC_READ_SEARCH",), denials=(errno.EACCES,)
    )
    text = (
        f"{plain}; or let a group in: mount -o remount,gid=GROUP,mode=750 {place}. "
        "@raw_tracepoint and @tp_btf need no tracefs"
    )
    return KernelError(errno.EACCES, text, capability=plain.capability)


def _open_mounted(places: tuple[str, ...]) -> tuple[int, str]:
    """Return a descriptor of the first place where tracefs is mounted and may be entered.

    Returns:
        -1 if there is none; then also the first place that may not be entered, if there is one.
    """
    denied = ""
    for place in places:
        try:
            fd = os.open(place, _FLAGS)
        except OSError as error:
            # The second place is below a directory that is closed even where nothing is mounted.
            if error.errno == errno.EACCES and place == places[0]:
                denied = place
            continue
        if _has_events(fd):
            return fd, ""
        os.close(fd)
    return -1, denied


def _has_events(directory: int) -> bool:
    try:
        os.stat("events", dir_fd=directory)
    except OSError:
        return False
    return True


def _open_detached() -> int:
    context = call.words(call.NUMBERS.fsopen, call.address_of(b"tracefs\0"), _FSOPEN_CLOEXEC)
    if context == -errno.ENODEV:
        raise NotSupportedError("this kernel was built without tracefs (CONFIG_FTRACE)")
    if context < 0:
        raise _no_mount(-context)
    try:
        result = call.words(call.NUMBERS.fsconfig, context, _FSCONFIG_CMD_CREATE)
        if result >= 0:
            result = call.words(call.NUMBERS.fsmount, context, _FSMOUNT_CLOEXEC)
        if result < 0:
            raise _no_mount(-result)
        return result
    finally:
        os.close(context)


def _no_mount(number: int) -> KernelError:
    error = refusal(
        number,
        "tracefs is not mounted, and opening it unseen",
        needs=("CAP_SYS_ADMIN",),
    )
    return KernelError(
        number,
        f"{error}; or mount it: mount -t tracefs tracefs /sys/kernel/tracing",
        capability=error.capability,
    )


def parse_format(text: str) -> tuple[TracepointField, ...]:
    """Return the fields that the text of a ``format`` file describes, in its order.

    Raises:
        FormatError: a field's line is not as the kernel writes it.
    """
    return tuple(_parse_fields(text))


def _parse_fields(text: str) -> Iterator[TracepointField]:
    for line in text.split("\n"):
        head, colon, rest = line.strip().partition(":")
        if head == "field" and colon:
            yield _parse_field(rest, line)


def _parse_field(text: str, line: str) -> TracepointField:
    # " unsigned short common_type;<tab>offset:0;<tab>size:2;<tab>signed:0;"
    declaration, *rest = text.split(";")
    values = dict(_pair(part) for part in rest if part.strip())
    c_type, name = _split_declaration(declaration.strip())
    try:
        offset, size = int(values["offset"]), int(values["size"])
        signed = int(values.get("signed", "0"))
    except (KeyError, ValueError):
        raise FormatError(f"no field of a tracepoint: {line!r}") from None
    if not name or not c_type or offset < 0 or size < 0:
        raise FormatError(f"no field of a tracepoint: {line!r}")
    return TracepointField(name, c_type, offset, size, bool(signed))


def _pair(part: str) -> tuple[str, str]:
    key, _, value = part.strip().partition(":")
    return key, value


def _split_declaration(text: str) -> tuple[str, str]:
    """Split ``char prev_comm[16]`` into ``("char[16]", "prev_comm")``."""
    bracket = text.find("[")
    if text.endswith("]") and bracket > 0 and not text.startswith(("__data_loc", "__rel_loc")):
        head, array = text[:bracket].rstrip(), text[bracket:]
    else:
        head, array = text, ""
    c_type, _, name = head.rpartition(" ")
    while name.startswith("*"):
        c_type, name = c_type + " *", name[1:]
    return (c_type.strip() + array) if c_type.strip() else "", name
