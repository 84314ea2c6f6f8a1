"""Run biolatency on a disk of its own, with a workload of its own: what ``make demo`` shows.

As root it makes a loop device in memory, traces known reads and writes of it, draws the histogram.
Without root it shows the compiled program instead.
"""

import errno
import sys

from pyebpf import load
from pyebpf.errors import KernelError, PyebpfError
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biolatency

READS, WRITES, SIZE = 229, 311, 16 << 10
NEEDS = """\
Running it needs root, or these capabilities:
  CAP_BPF and CAP_PERFMON   to load and attach the program
  CAP_SYS_ADMIN             for the loop device that the demo does its I/O on
"""


def trace() -> int:
    with LoopDevice() as disk:
        options = {biolatency.only_dev: disk.dev, biolatency.extended: True}
        with load(*biolatency.tool.probes, options=options) as session:
            print(
                f"Tracing block I/O of {disk.path}: {READS} reads and {WRITES} writes, 16 KiB each"
            )
            disk.write(WRITES, SIZE)
            disk.read(READS, SIZE)
            session.detach()
            seen = biolatency.report(session)
            print(f"\n{biolatency.show(session, seen)}")
    matches = seen.count == READS + WRITES
    verdict = "they match" if matches else "they differ, see docs/known-limits.md"
    print(f"{seen.count} requests counted, {READS + WRITES} made: {verdict}")
    return 0 if matches else 1


def main() -> int:
    try:
        return trace()
    except PyebpfError as error:
        if isinstance(error, KernelError) and error.errno in (errno.EPERM, errno.EACCES):
            print(f"This process may not trace: {error}\n")
            print("The program that would run, compiled from tools/biolatency.py:\n", flush=True)
            biolatency.tool.main(["--ebpf"])
            print(f"\n{NEEDS}", end="")
            return 0
        print(f"The demo cannot run on this kernel: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
