"""A place of our own for tests of packets and cgroups: nothing else on the machine is in it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MNT_DETACH = 2


def in_own_network(code: str, *arguments: str) -> str:
    """Run Python in a network namespace of its own, whose loopback device is up; return its output.

    The namespace ends with the process.
    """
    script = _UP + code
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=False, timeout=120, cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


#: SIOCSIFFLAGS with IFF_UP for ``lo``.
_UP = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as _s:
    fcntl.ioctl(_s, 0x8914, struct.pack("16sH14x", b"lo", 1))
"""


@contextmanager
def own_cgroup() -> Iterator[Path]:
    """Make a cgroup (version 2), mounted for this test alone; remove both afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.TemporaryDirectory() as folder:
        if libc.mount(b"none", folder.encode(), b"cgroup2", 0, None):
            raise OSError(ctypes.get_errno(), "mounting cgroup2")
        group = Path(folder) / f"pyebpf-test-{os.getpid()}"
        try:
            group.mkdir()
            yield group
        finally:
            if group.exists():
                group.rmdir()
            libc.umount2(folder.encode(), _MNT_DETACH)
