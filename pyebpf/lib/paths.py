"""Paths that a program names, with the folders that relative ones begin in."""

from __future__ import annotations

from pyebpf.dsl.access import addressof, cast, container_of, view
from pyebpf.dsl.builtins import current_task
from pyebpf.dsl.maps import PerCpuArray
from pyebpf.dsl.records import chars, record
from pyebpf.dsl.scalars import Char, Ptr, i32, i64, u8, u32, u64
from pyebpf.kernel import dentry, mount, vfsmount
from pyebpf.kernel import path as Path  # noqa: N812 - `path` is what parameters are called

#: The number that stands for the current folder where a descriptor of a folder may be.
AT_FDCWD = -100  # include/uapi/linux/fcntl.h
#: How long a path with all folders may be, and one name, and how many folders are followed.
ROOM, NAME, DEEPEST = 4096, 256, 32
_SLASH = 47


@record
class _Name:
    text: Char = chars(NAME)


@record
class _Byte:
    value: u8


@record
class Located:
    """A path and the folders that it begins in: for :func:`whole`.

    Attributes:
        length: of the path with its NUL.
        is_whole: the folders up to the root are there.
        text: the path, and after a ``/`` the names of the folders, the innermost first.
    """

    length: u32
    is_whole: bool
    text: Char = chars(ROOM)


_room = PerCpuArray[Located](max_entries=1)


def located(path: u64, folder: i32) -> Located | None:
    """Read a path that the current process names, and the folders that a relative one begins in.

    Args:
        path: its address.
        folder: the descriptor of the folder that it begins in, or :data:`AT_FDCWD`.

    Returns:
        memory of this CPU, to be copied at once; None if the path cannot be read.
    """
    found = _room.get(0)
    if found is None:
        return None
    length = found.text.read_user_str(path)
    if length <= 0:
        return None
    found.length = length
    found.is_whole = True
    if not found.text.startswith("/"):
        # As numbers: the verifier trusts one of these pointers, and one instruction reads both.
        if folder == AT_FDCWD:
            where = cast(u64, addressof(current_task().fs.pwd))
        else:
            where = cast(u64, addressof(current_task().files.fdt.fd[folder].f_path))
        begin = cast(Ptr[Path], where)
        found.is_whole = _add_folders(found, length, begin.dentry, begin.mnt)
    return found


def _add_folders(found: Located, begin: i64, entry: Ptr[dentry], where: Ptr[vfsmount]) -> bool:
    at = begin
    for _ in range(DEEPEST):
        if at <= 0 or at > ROOM - NAME:
            return False
        if entry == where.mnt_root:
            here = container_of(where, mount, "mnt")
            above = here.mnt_parent
            if above == here:
                return entry is not None
            entry, where = here.mnt_mountpoint, addressof(above.mnt)
            continue
        view(_Byte, found.text, at - 1).value = _SLASH
        room = view(_Name, found.text, at)
        length = room.text.read_kernel_str(entry.d_name.name)
        if length <= 0:
            return False
        at += length
        entry = entry.d_parent
    return False


def whole(text: str, length: int, *, is_whole: bool) -> str:
    """Return a path with all its folders, from what :class:`Located` says.

    Where not all of them are known, it begins with ``.../``.
    """
    data = text.encode("utf-8", "surrogateescape")
    own, folders = data[: length - 1], data[length:]
    if not own.startswith(b"/"):
        begin = [b"" if is_whole else b"..."]
        own = b"/".join([*begin, *reversed(folders.split(b"/") if folders else []), own])
    return own.decode("utf-8", "surrogateescape")
