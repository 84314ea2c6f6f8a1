"""What a machine boots: a kernel unpacked from its packages, and a first file system for it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scripts import archive, debian
from scripts.archive import SetupError, Suite
from tests.vm.kernels import Row, newest

GUEST = Path(__file__).parent / "guest"
#: What the first file system needs to reach the second: the devices, then the file systems.
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")


class Kernel(NamedTuple):
    """An unpacked kernel.

    Attributes:
        row: it is the newest of.
        release: as ``uname -r`` says.
        folder: with ``vmlinux`` and ``usr/lib/modules/<release>``.
    """

    row: Row
    release: str
    folder: Path

    @property
    def vmlinux(self) -> Path:
        """Return the file to boot, which decompresses nothing under emulation."""
        return self.folder / "vmlinux"


def get(row: Row) -> Kernel:
    """Return the newest kernel of a row, downloaded unless it is in the cache.

    Raises:
        SetupError: the suite has none, or cannot be reached.
    """
    suite = Suite(row.suite, row.arch)
    release = newest(row, suite.packages("linux-image-"))
    if release is None:
        raise SetupError(f"{row.suite} has no kernel {row.name} any more: "
                         f"change its row in tests/vm/kernels.py")  # fmt: skip
    kernel = Kernel(row, release, archive.cache() / "kernels" / release)
    with archive.alone(f"kernel-{release}"):
        if not kernel.vmlinux.exists():
            _unpack(kernel, suite)
            _drop_older(kernel)
    return kernel


def _unpack(kernel: Kernel, suite: Suite) -> None:
    shutil.rmtree(kernel.folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=archive.cache()) as scratch:
        suite.unpack(_packages(suite, kernel.release), Path(scratch))
        # In /boot, or among the modules since Linux 7.
        images = [path for path in Path(scratch).glob("**/vmlinuz*") if path.is_file()]
        trees = [path.parent for path in Path(scratch).glob(f"**/lib/modules/{kernel.release}")]
        if not images or not trees:
            raise SetupError(f"the packages of {kernel.release} hold no kernel, or no modules")
        bootable = bootable_of(images[0].read_bytes())
        (kernel.folder / "usr/lib").mkdir(parents=True)
        shutil.move(trees[0], kernel.folder / "usr/lib/modules")
    words = [_program("depmod"), "-b", kernel.folder / "usr", kernel.release]
    subprocess.run(words, check=True)
    partial = kernel.folder / "vmlinux.part"
    partial.write_bytes(bootable)
    partial.rename(kernel.vmlinux)


def _packages(suite: Suite, release: str) -> list[str]:
    """Name the packages with a kernel's files: one up to Linux 6.19, three others since."""
    parts = [f"linux-{part}-{release}" for part in ("binary", "modules", "base")]
    there = [name for name in parts if name in suite.packages(name)]
    return there or [f"linux-image-{release}"]


def _drop_older(kernel: Kernel) -> None:
    for other in kernel.folder.parent.iterdir():
        found = newest(kernel.row, [f"linux-image-{other.name}"])
        if found is not None and found != kernel.release:
            shutil.rmtree(other)


def _program(name: str) -> str:
    (row,) = (row for row in debian.VM if row.name == name)
    path = debian.find(row)
    if path is None:
        raise SetupError(f"needs a working {name} (Debian package {row.packages[0]}): "
                      "python3 scripts/debian.py vm installs it as root")  # fmt: skip
    return path


def bootable_of(image: bytes) -> bytes:
    """Return what QEMU boots of a kernel's image: all of it, or the ELF file in that of x86-64.

    Source: ``Documentation/arch/arm64/booting.rst``.
    """
    image = decompress(image)
    is_arm64 = image[0x38:0x3C] == b"ARM\x64"
    return image if is_arm64 else vmlinux_of(image)


def vmlinux_of(image: bytes) -> bytes:
    """Return the ELF kernel inside a bzImage (Documentation/arch/x86/boot.rst)."""
    setup = ((image[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)  # payload_offset, payload_length
    payload = image[setup + offset : setup + offset + length]
    (size,) = struct.unpack("<I", payload[-4:])
    elf = decompress(payload[:-4])[:size]
    if not elf.startswith(b"\x7fELF") or len(elf) != size:
        raise SetupError("the kernel's image does not hold an ELF file")
    return elf


def decompress(data: bytes) -> bytes:
    """Decompress what kernels and modules are compressed with; anything else is left as it is."""
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        words = [_program("zstd"), "-dcq"]
        return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=False).stdout
    return data


def initial_files(kernel: Kernel) -> bytes:
    """Return the first file system: busybox, the modules to reach the second one, our init."""
    busybox = _busybox(kernel.row.arch)
    files = {
        "init": (GUEST / "first.sh").read_bytes(),
        "second": (GUEST / "second.sh").read_bytes(),
        "bin/busybox": busybox.read_bytes(),
    }
    modules = _modules(kernel)
    files.update({f"modules/{path.name.split('.')[0]}": decompress(path.read_bytes())
                  for path in modules})  # fmt: skip
    order = "".join(f"{path.name.split('.')[0]}\n" for path in modules)
    return pack({**files, "modules/order": order.encode()})


def _modules(kernel: Kernel) -> list[Path]:
    """List the files of the modules needed, each after what it depends on."""
    found: dict[Path, None] = {}
    for name in MODULES:
        words = [_program("modprobe"), "-d", kernel.folder / "usr", "-S", kernel.release]
        done = subprocess.run([*words, "--show-depends", name], capture_output=True, text=True,
                              check=False)  # fmt: skip
        # Prints "builtin NAME" for what needs no file, and "insmod FILE" for the others.
        lines = [line.split() for line in done.stdout.splitlines()]
        if done.returncode or not lines:
            raise SetupError(f"Linux {kernel.release} has no module {name}: {done.stderr.strip()}")
        found.update({Path(line[1]): None for line in lines if line[0] == "insmod"})
    return list(found)


def _busybox(arch: str) -> Path:
    """Return a busybox that needs no library, from its package: not every machine has one."""
    with archive.alone("busybox"):
        folder = archive.cache() / f"busybox-{arch}"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=archive.cache()) as scratch:
                suite = Suite(archive.codename(), arch)
                suite.unpack(["busybox-static"], Path(scratch) / "busybox")
                (Path(scratch) / "busybox").rename(folder)
    return next(path for path in folder.glob("**/bin/busybox") if not path.is_symlink())


def pack(files: Mapping[str, bytes]) -> bytes:
    """Make a cpio archive that kernels unpack at boot; several may follow one another."""
    folders = {str(parent): None for name in files for parent in reversed(Path(name).parents)}
    entries = [(name, 0o40755, b"") for name in folders if name != "."]
    entries += [(name, 0o100755, data) for name, data in files.items()]
    packed = b"".join(_entry(*entry) for entry in [*entries, ("TRAILER!!!", 0, b"")])
    return packed + bytes(-len(packed) % 512)


def _entry(name: str, mode: int, data: bytes) -> bytes:
    # The "newc" format: inode, mode, uid, gid, links, mtime, size, device twice, name, checksum.
    # An inode number of 0 and one link: no two entries are the same file.
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
