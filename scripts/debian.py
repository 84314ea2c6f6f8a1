"""Debian packages: what the tests use besides Python, and how to get one.

``python3 scripts/debian.py`` installs what is missing when run as root, and says what is missing
otherwise; the tests that would use it are then skipped with that reason. With ``peers`` it does so
for what ``make bench`` measures beside ours, with ``vm`` for what ``make test-vm`` boots other
kernels with, with ``languages`` for compilers of hundreds of megabytes, with ``browser`` for what
``make pictures`` and the tests of notebooks look with; nothing else installs those. It never
fails: nothing here is needed to use pyebpf.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A program that tests run.

    Attributes:
        name: of the program.
        check: what to ask it, to know that it works; several words with spaces.
        packages: where it is, the first that exists being taken.
        why: what cannot be done without it.
    """

    name: str
    check: str
    packages: tuple[str, ...]
    why: str


COMMANDS = (
    Command("clang", "--version", ("clang",), "tests of what clang compiles against ours"),
    Command("bpftool", "version", ("bpftool", "linux-tools-generic"), "tests of objects in libbpf"),
    Command("losetup", "--version", ("util-linux",), "tests of block devices of our own"),
    Command("mkfs.ext4", "-V", ("e2fsprogs",), "tests of tools for ext4"),
    Command("mkfs.xfs", "-V", ("xfsprogs",), "tests of tools for xfs"),
    Command("mkfs.btrfs", "-V", ("btrfs-progs",), "tests of tools for btrfs"),
    Command("ip", "-V", ("iproute2",), "tests of network devices of our own"),
    Command(
        "dtrace",
        "-h -s /dev/null -o /dev/null",
        ("systemtap-sdt-dev",),
        "tests of probes in programs of our own",
    ),
)

PEERS = (
    Command("bpftrace", "--version", ("bpftrace",), "figures of a tracing language"),
    Command("opensnoop-bpfcc", "--help", ("bpfcc-tools",), "counts of the tools of BCC"),
    Command("biolatency", "--version", ("libbpf-tools",), "figures of a tool compiled from C"),
    Command("clang-22", "--version", ("clang-22",), "figures of code that C compiles to"),
    Command("llc-22", "--version", ("llvm-22",), "figures of PythonBPF, which runs opt and llc"),
)

LANGUAGES = (
    Command("go", "version", ("golang-go",), "tests of probes in programs in Go"),
    Command("rustc", "--version", ("rustc",), "tests of probes in programs in Rust"),
)

VM = (
    Command("qemu-system-x86_64", "--version", ("qemu-system-x86",), "tests on other kernels"),
    Command("qemu-system-aarch64", "--version", ("qemu-system-arm",), "tests on arm64"),
    Command("depmod", "--version", ("kmod",), "tests on other kernels"),
    Command("modprobe", "--version", ("kmod",), "tests on other kernels"),
    Command("zstd", "--version", ("zstd",), "tests on other kernels"),
)

BROWSER = (Command("chromium", "--version", ("chromium",), "pictures, and tests in a browser"),)

#: What is asked for by name; the rest is what `make test` uses.
GROUPS = {"peers": PEERS, "vm": VM, "languages": LANGUAGES, "browser": BROWSER}


def find(command: Command) -> str | None:
    """Return the path of a program that is there and works, or None."""
    for path in _candidates(command.name):
        words = [path, *command.check.split()]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return path
    return None


def _candidates(name: str) -> Iterator[str]:
    folders = [*os.get_exec_path(), "/usr/sbin", "/sbin"]
    plain = shutil.which(name, path=os.pathsep.join(folders))
    if plain:
        yield plain
    # `clang-14` without `clang`. And Ubuntu's `bpftool` refuses any kernel but its own, though the
    # programs behind it do not care.
    versioned = [path for folder in folders for path in _matches(folder, f"{name}-[0-9]*")]
    for path in [*versioned, *_matches("/usr/lib/linux-tools", f"*/{name}")]:
        if os.access(path, os.X_OK):
            yield str(path)


def _matches(folder: str, pattern: str) -> list[Path]:
    # The path of a user who became another one by sudo may name folders closed to the other.
    return sorted(Path(folder).glob(pattern)) if os.access(folder, os.R_OK | os.X_OK) else []


def can_install() -> bool:
    """Tell whether this is a Debian, and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str) -> bool:
    """Install a package if we can; say why when it fails."""
    if not can_install():
        return False
    print(f"installing Debian package {package}", flush=True)
    # A fresh image has no package lists, an old one has lists of packages long gone.
    if _apt("install", package) is None:
        return True
    refusal = _apt("update") or _apt("install", package)
    if refusal is not None:
        print(refusal, file=sys.stderr)
    return refusal is None


def _apt(verb: str, *packages: str) -> str | None:
    """Run apt-get; return what it said if it failed."""
    words = ["apt-get", "-qq", "-y", "--no-install-recommends", verb, *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"apt-get {verb} failed" if done.returncode else None


def unpack(package: str, folder: Path) -> Path | None:
    """Fetch a package and unpack it below ``folder``; needs no root, changes nothing else."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    lists, cache = folder / "lists", folder / "cache"
    for path in (lists / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True)
    own = ["-qq", "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
    own += ["-o", "APT::Sandbox::User="]
    for words in (["update"], ["download", package]):
        if subprocess.run(["apt-get", *own, *words], cwd=folder, check=False).returncode:
            return None
    (archive,) = folder.glob(f"{package}_*.deb")
    root = folder / "root"
    done = subprocess.run(["dpkg-deb", "-x", archive, root], check=False)
    return root if done.returncode == 0 else None


def main(words: list[str]) -> None:
    """Install what is missing, or name it."""
    for row in [row for word in words for row in GROUPS[word]] or COMMANDS:
        if find(row) or any(install(package) and find(row) for package in row.packages):
            continue
        print(
            f"no working {row.name} (Debian package {row.packages[0]}): {row.why} are skipped",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
