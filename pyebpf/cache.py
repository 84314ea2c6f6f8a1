"""A private directory for what is dear to compute: indexes of kernel BTF, compiled objects.

The directory is ``$PYEBPF_CACHE_DIR``, else ``$XDG_CACHE_HOME/pyebpf``, else ``~/.cache/pyebpf``;
``PYEBPF_CACHE=off`` turns it off. What is read here is loaded into the kernel by root, so a
directory or a file that somebody else owns or may write is treated as absent. A cache never fails:
where it cannot be read or written, there is nothing in it.
"""

# pathlib costs a warm start milliseconds and cannot work below an open directory.
# ruff: noqa: PTH102, PTH103, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import pwd
import stat
import struct
import zlib

#: Entries are removed, the oldest first, when the directory holds more than this. In bytes.
LIMIT = 64 << 20

_HEADER = struct.Struct("<8sII")  # magic, CRC-32 of the data, length of the data
_MAGIC = b"pyebpf\0\1"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def path() -> str | None:
    """Return where the cache should be, or None when it is turned off."""
    if os.environ.get("PYEBPF_CACHE", "").lower() == "off":
        return None
    if own := os.environ.get("PYEBPF_CACHE_DIR"):
        return own
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(_home(), ".cache")
    return os.path.join(base, "pyebpf")


def read(name: str) -> bytes | None:
    """Return what was written under ``name``; None if nothing was, or if it cannot be trusted.

    A damaged entry is removed.

    Raises:
        ValueError: ``name`` is not a plain file name.
    """
    _check_name(name)
    directory = _open_directory(create=False)
    if directory is None:
        return None
    try:
        raw = _read_file(directory, name)
        data = None if raw is None else _payload(raw)
        if raw is not None and data is None:
            _remove(directory, name)
        return data
    finally:
        os.close(directory)


def write(name: str, data: bytes) -> None:
    """Keep ``data`` under ``name``. Readers see the old entry or the new one, never a part.

    A failure (full disk, read-only file system, directory of somebody else) is no failure of the
    caller: the entry is then simply not there.

    Raises:
        ValueError: ``name`` is not a plain file name.
    """
    _check_name(name)
    directory = _open_directory(create=True)
    if directory is None:
        return
    temporary = f".{name}.{os.getpid()}"
    try:
        _write_file(directory, temporary, _HEADER.pack(_MAGIC, zlib.crc32(data), len(data)), data)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        _trim(directory)
    except OSError:
        _remove(directory, temporary)
    finally:
        os.close(directory)


def _check_name(name: str) -> None:
    if not name or "/" in name or "\0" in name or name.startswith("."):
        msg = f"a cache entry is a plain file name, not {name!r}"
        raise ValueError(msg)


def _home() -> str:
    # Under `sudo` with HOME kept, root must not leave its files in the user's home.
    home = os.environ.get("HOME", "")
    try:
        if home and os.stat(home).st_uid == os.geteuid():
            return home
        return pwd.getpwuid(os.geteuid()).pw_dir
    except (OSError, KeyError):
        return home or "/"


def _open_directory(*, create: bool) -> int | None:
    """Open the directory and check the very thing that was opened."""
    where = path()
    if where is None:
        return None
    try:
        if create:
            os.makedirs(os.path.dirname(where) or ".", mode=0o700, exist_ok=True)
            _make_directory(where)
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    if _is_private(os.fstat(fd)):
        return fd
    os.close(fd)
    return None


def _make_directory(where: str) -> None:
    try:
        os.mkdir(where, mode=0o700)
    except FileExistsError:
        return


def _is_private(info: os.stat_result) -> bool:
    return info.st_uid == os.geteuid() and not info.st_mode & _OTHERS_WRITE


def _read_file(directory: int, name: str) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        with open(os.open(name, flags, dir_fd=directory), "rb", buffering=0) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or not _is_private(info):
                return None
            return file.readall()
    except OSError:
        return None


def _payload(raw: bytes) -> bytes | None:
    if len(raw) < _HEADER.size:
        return None
    magic, checksum, length = _HEADER.unpack_from(raw)
    data = raw[_HEADER.size :]
    good = magic == _MAGIC and len(data) == length and zlib.crc32(data) == checksum
    return data if good else None


def _write_file(directory: int, name: str, *parts: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
        file.writelines(parts)


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        return  # it is gone already, or the file system is read-only


def _trim(directory: int) -> None:
    """Remove the oldest entries until the directory is below the limit."""
    with os.scandir(directory) as entries:
        files = [(info.st_mtime_ns, info.st_size, name) for name, info in _regular(entries)]
    total = sum(size for _, size, _ in files)
    for _, size, name in sorted(files)[:-1]:  # the newest is what was just written
        if total <= LIMIT:
            return
        _remove(directory, name)
        total -= size


def _regular(entries: os._ScandirIterator[str]) -> list[tuple[str, os.stat_result]]:
    found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    return [(name, info) for name, info in found if stat.S_ISREG(info.st_mode)]
