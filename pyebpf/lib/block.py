"""Block I/O requests: which disk they are for, and what their flags say.

The first functions are for probes, which expand them in place; the others are for reports.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Enum, Kind
from pyebpf.dsl.builtins import has_field
from pyebpf.dsl.scalars import Ptr, u32
from pyebpf.errors import NotSupportedError
from pyebpf.kernel import request, request_queue

H = TypeVar("H")


def disk_dev(rq: Ptr[request]) -> u32:
    """Return the kernel's number of a request's disk, as ``pyebpf.host.disks`` has it.

    0 where there is no disk, as for a command to a tape drive.
    """
    # Since Linux kernel commit f3fa33acca9f ("block: remove the ->rq_disk field in struct request")
    # (in v5.17), the disk is reached through the queue. Before that, the request pointed at it.
    if has_field(request_queue, "disk"):
        disk = rq.q.disk
        dev: u32 = disk.major << 20 | disk.first_minor
        return dev
    if has_field(request, "rq_disk"):
        disk = rq.rq_disk
        dev_before_5_17: u32 = disk.major << 20 | disk.first_minor
        return dev_before_5_17
    return 0


def bytes_left(rq: Ptr[request]) -> u32:
    """Return how much of a request is still to be done; all of it, when it is issued.

    Units:  bytes.
    """
    left: u32 = rq.__data_len  # noqa: SLF001 - the kernel's name
    return left


#: What an operation is called, by its name in ``enum req_op`` without ``REQ_OP_``.
_OPERATIONS = {
    "READ": "Read",
    "WRITE": "Write",
    "FLUSH": "Flush",
    "DISCARD": "Discard",
    "SECURE_ERASE": "SecureErase",
    "WRITE_SAME": "WriteSame",
    "WRITE_ZEROES": "WriteZeros",
    "ZONE_RESET": "ZoneReset",
    "ZONE_RESET_ALL": "ZoneResetAll",
    "ZONE_APPEND": "ZoneAppend",
    "ZONE_OPEN": "ZoneOpen",
    "ZONE_CLOSE": "ZoneClose",
    "ZONE_FINISH": "ZoneFinish",
    "DRV_IN": "DriverIn",
    "DRV_OUT": "DriverOut",
}
#: What a flag is called, by its name in ``enum req_flag_bits`` without ``__REQ_``; the last that is
#: set is said first.
_FLAGS = {
    "SYNC": "Sync",
    "META": "Metadata",
    "FUA": "ForcedUnitAccess",
    "PRIO": "Priority",
    "NOMERGE": "NoMerge",
    "IDLE": "Idle",
    "RAHEAD": "ReadAhead",
    "BACKGROUND": "Background",
    "NOWAIT": "NoWait",
}
_OPERATION_MASK = 0xFF  # REQ_OP_MASK of include/linux/blk_types.h


def flag_words(cmd_flags: int) -> str:
    """Say a request's ``cmd_flags`` in words: ``"Sync-Write"``.

    Flags that BCC has no word for are left out.

    Raises:
        NotSupportedError: the kernel's BTF does not say what the bits mean.
    """
    operations, flags = _meanings()
    words = [word for bit, word in flags if cmd_flags >> bit & 1]
    return "-".join([*reversed(words), operations.get(cmd_flags & _OPERATION_MASK, "Unknown")])


@cache
def _meanings() -> tuple[dict[int, str], list[tuple[int, str]]]:
    # The numbers differ between kernels; the names do not. Before Linux kernel commit ff07a02e9e8e
    # ("treewide: Rename enum req_opf into enum req_op") (in v6.0), the enum had another name.
    operations = _enum("REQ_OP_", "req_op", "req_opf")
    bits = _enum("__REQ_", "req_flag_bits")
    named = {operations[name]: word for name, word in _OPERATIONS.items() if name in operations}
    return named, [(bits[name], word) for name, word in _FLAGS.items() if name in bits]


def _enum(prefix: str, *names: str) -> dict[str, int]:
    btf = kernel_btf()
    for name in names:
        for number in btf.find_all(name, Kind.ENUM):
            node = btf.type(number)
            assert isinstance(node, Enum)
            return {v.name.removeprefix(prefix): v.value for v in node.values}
    raise NotSupportedError(f"the kernel's BTF has no enum {' or '.join(names)}", feature="btf")


def regrouped(hists: Any, section: str, words: Any) -> Any:
    """Return a keyed histogram whose keys are what ``words`` says of the old ones.

    Keys of which it says the same become one.
    """
    merged: dict[str, Any] = {}
    for key, hist in hists.items():
        word = words(key)
        merged[word] = merged[word] + hist if word in merged else hist
    return type(hists)(merged, hists.empty, section=section)
