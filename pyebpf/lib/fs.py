"""Files: what is read and written, opened, made, removed, synced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf.dsl.access import cast, offsetof, read_kernel
from pyebpf.dsl.builtins import current_task, tid
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives, first_of
from pyebpf.dsl.probes.tracing import fentry, fexit, kprobe, kretprobe, tracepoint
from pyebpf.dsl.scalars import Ptr, TracepointContext, i32, i64, u32, u64
from pyebpf.kernel import dentry, folio, inode, mnt_idmap, page, user_namespace
from pyebpf.kernel import file as File  # noqa: N812 - `file` is what parameters are called
from pyebpf.lib.sources import at_entry, source

#: What is called with a file.
OnFile = Callable[[Ptr[File]], None]
#: What is called with a file and a result.
OnTransfer = Callable[[Ptr[File], i64], None]
#: What is called with a number of pages.
OnPages = Callable[[u32], None]
#: What is called with a directory and an entry in it.
OnEntry = Callable[[Ptr[inode], Ptr[dentry]], None]

#: Threads that may be inside a read or a write at once, where this must be remembered.
_INSIDE = 10_240
_MAPPING_ANON = 1  # PAGE_MAPPING_ANON of include/linux/page-flags.h
_S_IFMT, _S_IFREG, _S_IFSOCK = 0o170000, 0o100000, 0o140000  # include/uapi/linux/stat.h


def read(*, when: Any = True) -> Callable[[OnTransfer], Alternatives]:
    """Run when a program has read from a file: ``(file: Ptr[file], ret: i64)``.

    ``ret`` is the number of bytes, or a negative error number. What the kernel reads for itself,
    and what goes by other calls (``mmap``, ``splice``, ``readv``) is not seen.
    """
    return _transfer("vfs_read", when)


def written(*, when: Any = True) -> Callable[[OnTransfer], Alternatives]:
    """Run when a program has written to a file: ``(file: Ptr[file], ret: i64)``.

    As :func:`read`.
    """
    return _transfer("vfs_write", when)


def _transfer(function: str, when: Any) -> Callable[[OnTransfer], Alternatives]:
    def ways(run: OnTransfer) -> Iterable[Probe | tuple[Probe, ...]]:
        @fexit(function, when=when)
        def by_exit(file: Ptr[File], ret: i64) -> None:
            run(file, ret)

        inside = Hash[u32, Ptr[File]](max_entries=_INSIDE)

        @kprobe(function, when=when)
        def enter(file: Ptr[File]) -> None:
            inside[tid()] = file

        @kretprobe(function, when=when)
        def leave(ret: i64) -> None:
            file = inside.pop(tid())
            if file is not None:
                run(file, ret)

        return by_exit, (enter, leave)

    return source(ways)


def opened(*, when: Any = True) -> Callable[[OnFile], Alternatives]:
    """Run when a file is opened, before this is allowed: ``(file: Ptr[file])``."""
    return first_of(
        fentry("security_file_open", when=when), kprobe("security_file_open", when=when)
    )


def synced(*, when: Any = True) -> Callable[[OnFile], Alternatives]:
    """Run when a program wants a file on its disk: ``(file: Ptr[file])``."""
    return first_of(fentry("vfs_fsync_range", when=when), kprobe("vfs_fsync_range", when=when))


def created(*, when: Any = True) -> Callable[[OnEntry], Alternatives]:
    """Run when a file is made: ``(dir: Ptr[inode], entry: Ptr[dentry])``."""
    return _entry("vfs_create", when)


def unlinked(*, when: Any = True) -> Callable[[OnEntry], Alternatives]:
    """Run when a file is removed from its directory: ``(dir: Ptr[inode], entry: Ptr[dentry])``."""
    return _entry("vfs_unlink", when)


def _entry(function: str, when: Any) -> Callable[[OnEntry], Alternatives]:
    def probes(run: OnEntry) -> Iterable[Probe]:
        # Since Linux kernel commit abf08576afe3 ("fs: port vfs_*() helpers to struct mnt_idmap")
        # (in v6.3), the mount's mapping comes first; from commit 6521f8917082 ("namei: prepare for
        # idmapped mounts") (in v5.12), its user namespace did.
        def by_idmap(_: Ptr[mnt_idmap], folder: Ptr[inode], entry: Ptr[dentry]) -> None:
            run(folder, entry)

        def by_namespace(_: Ptr[user_namespace], folder: Ptr[inode], entry: Ptr[dentry]) -> None:
            run(folder, entry)

        def by_folder(folder: Ptr[inode], entry: Ptr[dentry]) -> None:
            run(folder, entry)

        ways = [at_entry(function, call, when) for call in (by_idmap, by_namespace, by_folder)]
        return [probe for pair in zip(*ways, strict=True) for probe in pair]

    return source(probes)


def page_accessed(*, when: Any = True) -> Callable[[OnPages], Alternatives]:
    """Run when something that the page cache has is used: ``(pages: u32)``.

    Where functions of the kernel can be entered, ``pages`` is 1: a page, or a folio of several.
    Otherwise (Linux 6.13) it is what a read asks for, and what is written is not seen.
    """

    def ways(run: OnPages) -> Iterable[Probe]:
        def by_folio(used: Ptr[folio]) -> None:
            if _is_of_a_file(cast(u64, used) + offsetof(folio, "mapping")):
                run(1)

        def by_page(used: Ptr[page]) -> None:
            if _is_of_a_file(cast(u64, used) + offsetof(page, "mapping")):
                run(1)

        @tracepoint("filemap:mm_filemap_get_pages", when=when)
        def by_read(ctx: TracepointContext) -> None:
            run(ctx.last_index - ctx.index + 1)

        # Since v5.16 pages are in folios; the function for pages calls the other one.
        return (
            *at_entry("folio_mark_accessed", by_folio, when),
            *at_entry("mark_page_accessed", by_page, when),
            by_read,
        )

    return source(ways)


def _is_of_a_file(mapping: u64) -> bool:
    """Tell of a page from where its ``mapping`` is whether the page cache has it.

    Memory without a file is marked as used too, on Linux 7.3 each time that a page of it is made.
    """
    return read_kernel(u64, mapping) & _MAPPING_ANON == 0


def file_of(fd: i32) -> Ptr[File] | None:
    """Return the file of a descriptor of the current process; None if there is none."""
    table = current_task().files.fdt
    if fd < 0 or fd >= table.max_fds:
        return None
    opened: Ptr[File] | None = table.fd[fd]
    return opened


def is_regular(file: Ptr[File]) -> bool:
    """Tell whether a file is a plain one: no directory, pipe, socket, device."""
    mode: u32 = file.f_inode.i_mode
    return mode & _S_IFMT == _S_IFREG


def is_socket(file: Ptr[File]) -> bool:
    """Tell whether a file is a socket."""
    mode: u32 = file.f_inode.i_mode
    return mode & _S_IFMT == _S_IFSOCK
