"""Print ext4's reads, writes, opens and syncs that take longer than a threshold.

Time runs from where a function of the file system is called to its end, so it includes waiting for
the disk and for locks, and what the page cache answers. File systems that ext4's driver has mounted
as ext2 and ext3 count, too.

Output:   a line for each operation. T is R (read), W (write), O (open) or S (sync). BYTES is how
          much was read or written, 0 for the others, and a negative error number if it failed.
          OFF_KB is where in the file this begins; FILENAME is without the folders.
Cost:     two probes, and one hash insert and delete, for each operation; on kernels that let nobody
          into functions, 32 tracepoints of system calls (--explain says which).
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's ext4slower (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf.cli.filesystems import csv, min_ns, slower
from pyebpf.lib.filesystems import EXT4

__all__ = ["csv", "min_ns", "tool"]

tool = slower(__name__, EXT4)

if __name__ == "__main__":
    raise SystemExit(tool.main())
