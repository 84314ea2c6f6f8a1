"""Summarise how long xfs's reads, writes, opens and syncs take, as log2 histograms.

Time runs from where a function of the file system is called to its end, so it includes waiting for
the disk and for locks, and what the page cache answers.

Output:   histograms for each interval, in microseconds or with -m in milliseconds.
Cost:     two probes, and one hash insert and delete, for each operation; on kernels that let nobody
          into functions, 32 tracepoints of system calls (--explain says which).
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's xfsdist (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf.cli.filesystems import dist, milliseconds, notimestamp
from pyebpf.lib.filesystems import XFS

__all__ = ["milliseconds", "notimestamp", "tool"]

tool = dist(__name__, XFS)

if __name__ == "__main__":
    raise SystemExit(tool.main())
