"""One run of a machine: boot a kernel, run a command there as root, end.

The machine is emulated: a host that is itself a guest rarely offers more, and a stock kernel boots
in three seconds all the same. It sees this machine's files, or those of another architecture
(``userspace.py``), read-only with a layer of memory on top, and nothing of its /proc, /sys, /dev.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from scripts.archive import SetupError
from tests.vm import emulator, image, userspace
from tests.vm.architectures import architecture
from tests.vm.image import Kernel
from tests.vm.native import OWN_MACHINE

TIMED_OUT = 124  # as timeout(1) says it
FAILED = 125
#: Quiet, no self-tests: what an emulator need not spend time on. Of security modules only the one
#: that runs programs, which not every release of Debian makes active.
ARGUMENTS = "quiet panic=-1 mitigations=off cryptomgr.notests audit=0 lsm=bpf"
#: Carried over from the environment of the caller.
VARIABLES = ("HOME", "PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
#: Binds a root alone to a directory that no other process sees, and what else is needed to places
#: in there, then becomes QEMU. The mounts end with it.
_ENTER = """
root=$1
mount --bind "$2" "$root" || exit
shift 2
while [ "$1" != -- ]; do
  [ -e "$root$2" ] || mkdir -p "$root$2" || exit
  mount --bind "$1" "$root$2" || exit
  shift 2
done
shift
exec "$@"
"""


class LimitError(SetupError):
    """The job was not done in time."""


class Job(NamedTuple):
    """What to run, and with what.

    Attributes:
        command: the program and its arguments.
        folder: where it runs.
        writable: directories whose changes outlive the machine; all others are forgotten.
        limit: in seconds.
        memory: in MiB.
    """

    command: Sequence[str]
    folder: Path = Path("/")
    writable: tuple[Path, ...] = ()
    limit: float = 300
    memory: int = 1536
    environment: Mapping[str, str] = {}


class Result(NamedTuple):
    """How a job ended.

    Attributes:
        code: the exit status of the command.
        console: what the kernel said meanwhile.
        seconds: from start to end, booting included.
    """

    code: int
    console: str
    seconds: float


def run(kernel: Kernel, job: Job, out: IO[bytes] | None = None, err: IO[bytes] | None = None,
        ) -> Result:  # fmt: skip
    """Boot a kernel and run a job; its output goes to two files, else to our own.

    Raises:
        SetupError: the machine did not come so far, or ended without telling how the command did.
    """
    if os.geteuid():
        raise SetupError(
            "needs root: the files of this machine are bound to another place for QEMU"
        )
    with tempfile.TemporaryDirectory(prefix="pyebpf-vm-") as scratch:
        return _Machine(kernel, job, Path(scratch)).run(
            out or sys.stdout.buffer, err or sys.stderr.buffer
        )


class _Machine:
    def __init__(self, kernel: Kernel, job: Job, folder: Path) -> None:
        self.kernel, self.job, self.folder = kernel, job, folder
        self.root = folder / "root"
        self.console = folder / "console"

    def run(self, out: IO[bytes], err: IO[bytes]) -> Result:
        self.root.mkdir()
        files = image.initial_files(self.kernel) + self._job_files()
        (self.folder / "initrd").write_bytes(files)
        status: list[bytes] = []
        sinks = {"out": out, "err": err, "status": status}
        begin = time.monotonic()
        said = self.folder / "qemu"
        with _Streams(sinks) as streams, said.open("wb") as errors:
            process = subprocess.Popen(
                self._command(streams.ends),
                pass_fds=streams.ends.values(),
                stdin=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            timed_out = _end(process, self.job.limit, streams)
        seconds = time.monotonic() - begin
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        if timed_out:
            raise LimitError(f"not done after {self.job.limit:g} s (--limit)\n{console}")
        code = b"".join(status).strip()
        if not code:
            console += said.read_text(errors="replace")
            raise SetupError(f"the machine ended without an exit status\n{console}".strip())
        return Result(int(code), console, seconds)

    def _job_files(self) -> bytes:
        settings = {
            "MODULES": str(self.kernel.folder.resolve() / "usr/lib/modules"),
            "WRITABLE": " ".join(map(str, self.job.writable)),
            "NOW": str(int(time.time())),
        }
        known = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        exports = {
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            OWN_MACHINE: "1",
            **known,
            **self.job.environment,
        }
        script = [
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            "ulimit -l unlimited",
            f"cd {shlex.quote(str(self.job.folder))}",
            f"exec {shlex.join(self.job.command)}",
        ]
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
        command = "\n".join(script) + "\n"
        return image.pack({"job/settings": lines.encode(), "job/command": command.encode()})

    def _command(self, ends: Mapping[str, int]) -> list[str]:
        # QEMU ends with us, however we end.
        ours = ["setpriv", "--pdeathsig", "KILL"]
        private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"]
        files = userspace.get(self.kernel, self.job.folder)
        places = [str(path) for mount in files.mounts for path in mount]
        return [*ours, *private, str(self.root), str(files.root), *places, "--", *self._qemu(ends)]

    def _qemu(self, ends: Mapping[str, int]) -> list[str]:
        arch = architecture(self.kernel.row.arch)
        words = [*emulator.command(arch), "-nodefaults", "-no-user-config", "-display", "none"]
        words += ["-no-reboot", *arch.hardware, "-smp", "2", "-m", str(self.job.memory)]
        words += ["-accel", "tcg,thread=multi", "-kernel", str(self.kernel.vmlinux)]
        words += ["-initrd", str(self.folder / "initrd")]
        words += ["-append", f"{arch.arguments} {ARGUMENTS}"]
        words += ["-serial", f"file:{self.console}", "-device", "virtio-serial-pci"]
        for name, end in ends.items():
            words += ["-chardev", f"file,id={name},path=/dev/fd/{end}"]
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        words += _share("root", self.root, ",readonly=on")
        for number, path in enumerate(self.job.writable):
            words += _share(f"writable{number}", path, "")
        return words


def _share(tag: str, path: Path, more: str) -> list[str]:
    options = f"local,id={tag},path={path},security_model=none,multidevs=remap{more}"
    return ["-fsdev", options, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _end(process: subprocess.Popen[bytes], limit: float, streams: _Streams) -> bool:
    """Wait for QEMU, which is gone afterwards; tell whether the limit was reached."""
    streams.hand_over()
    _running.add(process)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        return True
    finally:
        process.kill()
        process.wait()
        _running.discard(process)
    return False


#: What `stop` ends: only the main thread sees an interrupt, and others may wait for machines.
_running: set[subprocess.Popen[bytes]] = set()


def stop() -> None:
    """End the machines that other threads wait for."""
    for process in list(_running):
        process.kill()


class _Streams:
    """Pipes from the machine, each copied as it comes to a file or a list."""

    def __init__(self, sinks: Mapping[str, IO[bytes] | list[bytes]]) -> None:
        pipes = {name: os.pipe() for name in sinks}
        self.ends = {name: write for name, (_, write) in pipes.items()}
        self._threads = [
            threading.Thread(target=_copy, args=(read, sinks[name]))
            for name, (read, _) in pipes.items()
        ]

    def __enter__(self) -> _Streams:
        for thread in self._threads:
            thread.start()
        return self

    def hand_over(self) -> None:
        """Close our ends, so that the copying ends with the machine."""
        for end in self.ends.values():
            os.close(end)
        self.ends = {}

    def __exit__(self, *_: object) -> None:
        self.hand_over()
        for thread in self._threads:
            thread.join()


def _copy(end: int, sink: IO[bytes] | list[bytes]) -> None:
    while data := os.read(end, 1 << 16):
        if isinstance(sink, list):
            sink.append(data)
        else:
            sink.write(data)
            sink.flush()
    os.close(end)
