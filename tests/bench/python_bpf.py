"""PythonBPF, in an environment of its own in our cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# As the scripts import each other: an exception that they raise is then the one that is caught.
import archive
import environment
import project
import pythons

#: PythonBPF 0.2.0 says 3.10, but has syntax of 3.12; of the newer ones Debian has this.
_PYTHON = "3.13"
_FILES = ("pythonbpf_biolatency.py", "pythonbpf_object.py")
#: What its program sees of the kernel's types. It is relocated, so only names must be right.
_VMLINUX = """\
from ctypes import Structure, c_int, c_ubyte, c_uint, c_ulong, c_ushort

DEVICE = {dev}

class struct_trace_entry(Structure):
    _fields_ = [
        ("type", c_ushort), ("flags", c_ubyte), ("preempt_count", c_ubyte), ("pid", c_int)
    ]

class struct_trace_event_raw_block_rq(Structure):
    _fields_ = [("ent", struct_trace_entry), ("dev", c_uint), ("sector", c_ulong)]

class struct_trace_event_raw_block_rq_completion(Structure):
    _fields_ = [("ent", struct_trace_entry), ("dev", c_uint), ("sector", c_ulong)]
"""


@dataclass(frozen=True)
class PythonBPF:
    """PythonBPF in an environment of its own.

    Attributes:
        python: of that environment.
        llvm: the folder with the ``opt`` and the ``llc`` that it runs.
        versions: of its distributions and its Python, by their names.
    """

    python: Path
    llvm: Path
    versions: Mapping[str, str]

    @property
    def called(self) -> str:
        """Return what it is called in the report."""
        return f"PythonBPF {self.versions['pythonbpf']}"

    def environment(self, kept: Mapping[str, str], folder: Path) -> dict[str, str]:
        """Return what it runs with: each start leaves an object among temporary files."""
        return {**kept, "PATH": f"{self.llvm}:{kept['PATH']}", "TMPDIR": str(folder)}

    def program(self, folder: Path, dev: int) -> list[str]:
        """Write the program for a disk into a folder; return the words that start it."""
        for name in _FILES:
            shutil.copy(Path(__file__).with_name(name), folder)
        (folder / "vmlinux.py").write_text(_VMLINUX.format(dev=dev), encoding="ascii")
        return [str(self.python), str(folder / _FILES[0])]

    def compile(self, folder: Path, kept: Mapping[str, str], times: int = 1) -> list[float]:
        """Compile the program that is in a folder; return the seconds that each time took."""
        words = [str(self.python), str(folder / _FILES[0]), "compile", str(times)]
        env = self.environment(kept, folder)
        try:
            done = subprocess.run(words, env=env, check=True, capture_output=True, text=True)
        finally:  # it writes that there, whatever is called temporary
            Path("/tmp", _FILES[0]).with_suffix(".ll").unlink(missing_ok=True)
        return [float(line) for line in done.stdout.split()]

    def loader(self, folder: Path) -> list[str]:
        """Return the words that load what was compiled."""
        compiled = (folder / _FILES[0]).with_suffix(".o")
        return [str(self.python), str(folder / _FILES[1]), str(compiled)]


def get(llc: str) -> PythonBPF:
    """Return PythonBPF, which is installed into our cache if it is not there.

    Args:
        llc: LLVM's, with its ``opt`` beside it. LLVM 14 cannot read what PythonBPF writes.

    Raises:
        SetupError: it cannot be had.
    """
    own = sys.version_info >= (3, 12)
    python = sys.executable if own else pythons.find(_PYTHON)
    wanted = project.group("peers")
    try:
        with archive.alone("pythonbpf"):
            inside = environment.provide(archive.cache() / "pythonbpf", python, wanted)
    except subprocess.CalledProcessError as err:
        raise archive.SetupError(f"PythonBPF could not be installed: {err}") from None
    code = (
        "import sys, importlib.metadata as m;"
        "print(*map(m.version, ('pythonbpf', 'pylibbpf')), sys.version.split()[0])"
    )
    words = [str(inside), "-c", code]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    names = ("pythonbpf", "pylibbpf", "CPython of PythonBPF")
    return PythonBPF(inside, Path(llc).resolve().parent, dict(zip(names, said, strict=True)))
