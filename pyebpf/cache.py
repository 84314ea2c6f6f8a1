"""A private directory for what is dear to compute: indexes of kernel BTF, compiled objects.

The directory is ``$PYEBPF_CACHE_DIR``, else ``$XDG_CACHE_HOME/pyebpf``, else ``~/.cache/pyebpf``;
``PYEBPF_CACHE=off`` turns it off. What is read here is loaded into the kernel by root, so a
directory or a file that somebody else owns or may write is treated as absent, and so is one that
somebody else could put another in place of, because a directory above it is theirs. A cache never
fails: where it cannot be read or written, there is nothing in it.
"""

# pathlib costs a warm start milliseconds and cannot work below an open directory.
# ruff: noqa: PTH116, PTH118, PTH123

from __future__ import annotations

import errno
import os
import pwd
import stat
import struct
import zlib
from contextlib import suppress

from pyebpf.lazy import lazy

TYPE_CHECKING = False  # a head start cannot wait for typing
if TYPE_CHECKING:
    import grp
else:
    grp = lazy("grp")

#: Entries are removed, the oldest first, when the directory holds more than this. In bytes.
LIMIT = 64 << 20

_HEADER = struct.Struct("<8sII")  # magic, CRC-32 of the data, length of the data
_MAGIC = b"pyebpf\0\1"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | _DIRECTORY


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
    temporary = (
        f".{name}.{os.urandom(6).hex()}"  # two processes, of two containers, may have one id
    )
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
    """Open the directory, step by step, and check the very things that were opened.

    A way there may lead through links, but not to the directory itself. Nothing is made in a place
    that is not trusted.
    """
    where = path()
    if where is None:
        return None
    parent, name = os.path.split(os.path.abspath(where))  # noqa: PTH100
    try:
        above = [step for step in os.path.realpath(parent).split("/") if step]
        fd = os.open("/", _STEP)
        for step in above:
            fd = _below(fd, step, _STEP, create=create)
        fd = _below(fd, name, os.O_RDONLY | _DIRECTORY, create=create)
    except (OSError, ValueError):
        return None
    if _is_private(os.fstat(fd)):
        return fd
    os.close(fd)
    return None


def _below(above: int, name: str, flags: int, *, create: bool) -> int:
    """Open a directory in another one, which is closed; make it where that is asked for."""
    try:
        if not _keeps_names(os.fstat(above)):
            raise PermissionError(errno.EPERM, "others may put something in its place", name)
        try:
            return os.open(name, flags, dir_fd=above)
        except FileNotFoundError:
            if not create:
                raise
        with suppress(FileExistsError):  # another process was quicker
            os.mkdir(name, mode=0o700, dir_fd=above)
        return os.open(name, flags, dir_fd=above)
    finally:
        os.close(above)


def _keeps_names(info: os.stat_result) -> bool:
    """Tell whether nobody else can rename what is in a directory, or put something there instead.

    In one such as ``/tmp`` everybody may add, but only owners rename.
    """
    if info.st_uid not in (0, os.geteuid()):
        return False
    if not info.st_mode & _OTHERS_WRITE or info.st_mode & stat.S_ISVTX:
        return True
    return not info.st_mode & stat.S_IWOTH and _is_own_group(info.st_gid)


def _is_own_group(gid: int) -> bool:
    """Tell whether a group is the user's alone: homes are often writable to one."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return (
        gid == user.pw_gid
        and user.pw_name == group.gr_name
        and not {*group.gr_mem} - {user.pw_name}
    )


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
