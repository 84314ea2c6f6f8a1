"""The peers that Debian has: the installed ones, and those of its newest suite beside them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

# As the scripts import each other: an exception that they raise is then the one that is caught.
import unpacked

BPFTRACE, LIBBPF, BCC = "bpftrace", "libbpf-tools", "BCC"
#: The Debian package of each.
PACKAGES = {BPFTRACE: "bpftrace", LIBBPF: "libbpf-tools", BCC: "bpfcc-tools"}


@dataclass(frozen=True)
class Release:
    """The peers of one release of Debian.

    Attributes:
        versions: of the peers that are there, by their names.
        root: where their files are.
        loading: the words before each program.
        bpftrace_path: where that is, seen from there.
    """

    versions: Mapping[str, str]
    root: Path = Path("/")
    loading: tuple[str, ...] = ()
    bpftrace_path: str = "usr/bin/bpftrace"

    def __contains__(self, peer: str) -> bool:
        """Tell whether a peer is there."""
        return peer in self.versions

    def called(self, peer: str) -> str:
        """Return what a peer is called in the report."""
        return f"{peer} {self.versions[peer]}"

    def bpftrace(self) -> list[str]:
        """Return the words that start bpftrace."""
        return self._program(self.bpftrace_path)

    def tool(self, name: str) -> list[str]:
        """Return the words that start a tool of libbpf-tools."""
        newer = f"usr/sbin/{name}-libbpf"
        return self._program(newer if (self.root / newer).exists() else f"usr/sbin/{name}")

    def bcc(self, program: str | Path) -> list[str]:
        """Return the words that run a program with BCC: a path, or the name of a tool of BCC's."""
        path = program if isinstance(program, Path) else self.root / f"usr/sbin/{program}-bpfcc"
        return [*self.python(), str(path)]

    def python(self) -> list[str]:
        """Return the words that start the Python that BCC is for."""
        return self._program("usr/bin/python3")

    def _program(self, path: str) -> list[str]:
        return [*self.loading, str(self.root / path)]


def newest(installed: Mapping[str, str]) -> tuple[Release, unpacked.Tree]:
    """Return the peers of the newest suite, less those that are installed in the same version.

    Raises:
        SetupError: they cannot be had.
    """
    tree = unpacked.newest("peers", list(PACKAGES.values()), _work)
    found = _of(tree)
    others = {peer: text for peer, text in found.versions.items() if installed.get(peer) != text}
    return replace(found, versions=others), tree


def _work(tree: unpacked.Tree) -> bool:
    release = _of(tree)
    starts = (
        [*release.bpftrace(), "--version"],
        [*release.tool("biolatency"), "--version"],
        [*release.python(), "-c", "import bcc"],
    )
    return all(subprocess.run(w, capture_output=True, check=False).returncode == 0 for w in starts)


def _of(tree: unpacked.Tree) -> Release:
    versions = {peer: upstream(tree.versions[package]) for peer, package in PACKAGES.items()}
    return Release(versions, tree.root, tuple(unpacked.loading(tree.root)))


def upstream(version: str) -> str:
    """Return what the authors call a version of Debian's: ``0.26.0`` of ``0.26.0+ds-1``."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return found[1] if found else version
