"""``bpf(2)``, ``perf_event_open(2)`` and ``ioctl(2)``: one function for each command.

Every function raises :class:`pyebpf.errors.KernelError`, whose message says what was tried with
names and sizes, and whose ``errno`` is the kernel's. Addresses are plain integers; the caller
keeps the memory alive. Descriptors are returned as integers, close-on-exec; the caller closes them.

The functions live by subject in ``map_call``, ``prog_call``, ``link_call`` and ``info``; callers
import them from here. ``call`` is the layer below, which explains nothing.
"""

from __future__ import annotations

from typing import Any

from pyebpf.abi import capability
from pyebpf.abi.names import command_name
from pyebpf.runtime import call
from pyebpf.runtime.call import address_of, buffer, object_name
from pyebpf.runtime.info import (
    BtfInfo,
    LinkInfo,
    MapInfo,
    ProgInfo,
    RunStats,
    btf_data,
    btf_info,
    link_info,
    map_info,
    prog_code,
    prog_info,
    prog_xlated,
    run_stats,
)
from pyebpf.runtime.link_call import (
    enable_stats,
    fd_by_id,
    ids,
    ioctl,
    iter_create,
    link_create,
    link_detach,
    link_update,
    next_id,
    obj_get,
    obj_pin,
    perf_event_open,
    prog_attach,
    prog_bind_map,
    prog_detach,
    raw_tracepoint_open,
)
from pyebpf.runtime.map_call import (
    map_access,
    map_create,
    map_delete,
    map_delete_batch,
    map_fill,
    map_freeze,
    map_lookup,
    map_lookup_and_delete,
    map_lookup_batch,
    map_next_key,
    map_set_slot,
    map_update,
    map_update_batch,
)
from pyebpf.runtime.prog_call import RefusedError, RunResult, btf_load, prog_load, prog_test_run
from pyebpf.runtime.refusal import ENOTSUPP, refusal

__all__ = [
    "ENOTSUPP",
    "BtfInfo",
    "LinkInfo",
    "MapInfo",
    "ProgInfo",
    "RefusedError",
    "RunResult",
    "RunStats",
    "address_of",
    "bpf",
    "btf_data",
    "btf_info",
    "btf_load",
    "buffer",
    "enable_stats",
    "fd_by_id",
    "ids",
    "ioctl",
    "iter_create",
    "link_create",
    "link_detach",
    "link_info",
    "link_update",
    "map_access",
    "map_create",
    "map_delete",
    "map_delete_batch",
    "map_fill",
    "map_freeze",
    "map_info",
    "map_lookup",
    "map_lookup_and_delete",
    "map_lookup_batch",
    "map_next_key",
    "map_set_slot",
    "map_update",
    "map_update_batch",
    "next_id",
    "obj_get",
    "obj_pin",
    "object_name",
    "perf_event_open",
    "prog_attach",
    "prog_bind_map",
    "prog_code",
    "prog_detach",
    "prog_info",
    "prog_load",
    "prog_test_run",
    "prog_xlated",
    "raw_tracepoint_open",
    "run_stats",
]


def bpf(cmd: int, attr: Any, tried: str = "", *, needs: tuple[str, ...] = ()) -> int:
    """Call ``bpf(2)`` for a command that has no function here.

    Args:
        cmd: ``BPF_*`` of ``enum bpf_cmd``.
        attr: ``bytes`` when the kernel only reads it, else a ``bytearray`` or a ctypes object.
        tried: what this is for, for the message.
        needs: the capabilities it needs, for the message; those of the command by default.
    """
    result = call.bpf(cmd, attr)
    if result < 0:
        raise refusal(
            -result, tried or command_name(cmd), needs=needs or capability.for_command(cmd)
        )
    return result
