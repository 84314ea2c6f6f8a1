"""The BPF file system, where maps, programs and links have names and outlive their process.

What is pinned stays until its file is removed or the machine is restarted: a crash of whoever
pinned it changes nothing.

Source: ``kernel/bpf/inode.c``.
"""

# pathlib costs a warm start milliseconds.
# ruff: noqa: PTH103, PTH112, PTH115, PTH118, PTH120

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from pyebpf.errors import KernelError, PinError
from pyebpf.runtime import call, syscall

if TYPE_CHECKING:
    from typing import NoReturn

#: ``BPF_FS_MAGIC`` of ``include/uapi/linux/magic.h``.
MAGIC = 0xCAFE4A11
#: Where it is mounted by convention.
USUAL = "/sys/fs/bpf"
_OBJECT = re.compile(r"bpf[-_](map|prog|link)")


def is_bpffs(path: str) -> bool:
    """Tell whether a path that exists is in a BPF file system."""
    return call.file_system(path) == MAGIC


def pin(fd: int, path: str) -> None:
    """Give the object at ``fd`` the name ``path``; directories that are missing are made.

    Raises:
        PinError: the path is in no BPF file system, something is there already, or its name cannot
            be.
        KernelError: the kernel refuses for another reason, such as permissions.
    """
    if not path or "\0" in path:  # the kernel would end it there
        raise PinError(f"{path!r} is no path", path=path)
    try:
        make_folder(os.path.dirname(path) or os.curdir)
        syscall.obj_pin(fd, path)
    except OSError as error:
        _explain(error, path)


def pin_all(fds: list[int], folder: str) -> None:
    """Make a directory with a numbered name for each of the objects at ``fds``; all or none.

    Raises:
        PinError, KernelError: as :func:`pin`.
    """
    if os.path.lexists(folder):
        raise PinError(_exists(folder), path=folder)
    done: list[str] = []
    try:
        for number, fd in enumerate(fds):
            pin(fd, f"{folder}/{number}")
            done.append(f"{folder}/{number}")
    except BaseException:
        for path in done:
            os.unlink(path)  # noqa: PTH108
        if os.path.isdir(folder):
            os.rmdir(folder)  # noqa: PTH106
        raise


def make_folder(folder: str) -> None:
    """Make a directory and those above it, in a BPF file system and nowhere else.

    Raises:
        PinError: it would be elsewhere.
        OSError: it cannot be made.
    """
    above = folder
    while not os.path.lexists(above) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    if not is_bpffs(above):
        raise PinError(_not_bpffs(folder), path=folder)
    if not os.path.isdir(above):
        raise PinError(f"{above} is no directory: nothing can be pinned below it", path=above)
    # As libbpf makes them: who is root here may be trusted, others only if they are let in.
    os.makedirs(folder, mode=0o700, exist_ok=True)


def _not_bpffs(folder: str) -> str:
    mount = "mount -t bpf bpf /sys/fs/bpf"
    if folder.startswith(USUAL) and not is_bpffs(USUAL):
        return f"no BPF file system is mounted at {USUAL}: {mount}"
    where = f"a path below {USUAL}" if is_bpffs(USUAL) else f"{mount}, then a path below it"
    return f"{folder} is in no BPF file system, where alone things can be pinned: {where}"


def _explain(error: OSError, path: str) -> NoReturn:
    if error.errno == errno.EEXIST:
        raise PinError(_exists(path), path=path) from None
    dots = [part for part in path.split("/") if "." in part]
    if error.errno == errno.EPERM and dots:
        text = f"a BPF file system has no names with dots, such as {dots[-1]!r} in {path}"
        raise PinError(text, path=path) from None
    if error.errno == errno.EACCES:
        text = (
            f"pinning to {path!r} failed: permission denied; this needs to write to its directory: "
            "run it as the directory's owner, or let this user in with chown or chmod"
        )
        raise KernelError(errno.EACCES, text) from None
    raise error


def _exists(path: str) -> str:
    return f"{path} exists already: remove it with unpin({path!r}), or pin elsewhere"


def open_pinned(path: str, side: int = 0) -> tuple[str, int]:
    """Open what is pinned: return ``"map"``, ``"prog"`` or ``"link"``, and its descriptor.

    Args:
        path: its name.
        side: ``BPF_F_RDONLY`` or ``BPF_F_WRONLY`` for a map that is only read or only written.

    Raises:
        PinError: nothing is pinned there.
        KernelError: the kernel refuses, for example because the file is somebody else's.
    """
    try:
        fd = syscall.obj_get(path, side)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise PinError(f"nothing is pinned at {path}", path=path) from None
        if error.errno == errno.EACCES and os.path.lexists(path) and not is_bpffs(path):
            raise PinError(f"{path} is in no BPF file system", path=path) from None
        if error.errno == errno.EACCES:
            text = f"{error}; the owner of the file lets others in with chown or chmod"
            raise KernelError(errno.EACCES, text) from None
        raise
    return kind_of(fd), fd


def kind_of(fd: int) -> str:
    """Return ``"map"``, ``"prog"`` or ``"link"`` for a descriptor of one; "" for another."""
    found = _OBJECT.search(os.readlink(f"/proc/self/fd/{fd}"))
    return found[1] if found else ""


def unpin(path: str) -> None:
    """Remove the name of what is pinned, or a directory of numbered links.

    What had the name ends when nobody else holds it: a link detaches then.

    Raises:
        PinError: nothing is pinned there, or it is another directory.
        OSError: the file cannot be removed.
    """
    if not os.path.lexists(path):
        raise PinError(f"nothing is pinned at {path}", path=path)
    if not is_bpffs(path):
        raise PinError(f"{path} is no pinned object, and is left as it is", path=path)
    if not os.path.isdir(path):
        os.unlink(path)  # noqa: PTH108
        return
    names = os.listdir(path)  # noqa: PTH208
    if not names or not all(name.isdigit() for name in names):
        raise PinError(f"{path} is a directory: unpin what is in it, one by one", path=path)
    for name in names:
        os.unlink(os.path.join(path, name))  # noqa: PTH108
    os.rmdir(path)  # noqa: PTH106
