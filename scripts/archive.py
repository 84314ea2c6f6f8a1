"""Debian packages of any suite, from the archive that apt is configured with.

apt's own lists stay as they are: each suite has lists of its own in our cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_FRESH_S = 6 * 3600  # how old the lists of a suite may be


class SetupError(Exception):
    """What tests need cannot be had, or not started; the message says what to do about it."""


def cache() -> Path:
    """Return where packages are kept: ``$PYEBPF_VM_CACHE``, or below the user's cache."""
    if own := os.environ.get("PYEBPF_VM_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "pyebpf-vm" if base else Path.home() / ".cache" / "pyebpf-vm"


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes out while something in the cache is made."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Suite:
    """One suite of the Debian archive, such as ``bookworm-security``."""

    def __init__(self, name: str, arch: str = "") -> None:
        """Get the list of its packages, unless a fresh one is there.

        Args:
            name: of the suite.
            arch: as Debian calls it; this machine's if none is given.

        Raises:
            SetupError: this is no Debian, or the archive does not have the suite.
        """
        self.name = name
        self._arch = arch = "" if arch == architecture() else arch
        own = f"{name}-{arch}" if arch else name
        self._folder = cache() / "suites" / own
        with alone(f"suite-{own}"):
            self._update()

    def packages(self, prefix: str) -> list[str]:
        """List the packages whose names begin so."""
        return self._run("apt-cache", "pkgnames", prefix).split()

    def version(self, package: str) -> str | None:
        """Return the newest version of a package, or None if the suite does not have it."""
        shown = self._run("apt-cache", "--no-all-versions", "show", package, check=False)
        found = [line for line in shown.splitlines() if line.startswith("Version: ")]
        return found[0].removeprefix("Version: ") if found else None

    def unpack(self, packages: list[str], folder: Path, *, with_dependencies: bool = False) -> None:
        """Download packages and unpack them below a folder; nothing is installed.

        Args:
            packages: their names.
            folder: where their files go.
            with_dependencies: and what they need, as if nothing were installed anywhere.

        Raises:
            SetupError: that failed.
        """
        names = self._needed(packages) if with_dependencies else packages
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            self._run("apt-get", "download", *names, cwd=scratch)
            for archive in sorted(Path(scratch).glob("*.deb")):
                _unpack(archive, folder)

    def _needed(self, packages: list[str]) -> list[str]:
        """List packages and what they depend on."""
        words = ["-o", "Dir::State::status=/dev/null", "--no-install-recommends", "--simulate"]
        told = self._run("apt-get", *words, "install", *packages).splitlines()
        return [line.split()[1] for line in told if line.startswith("Inst ")]

    def _update(self) -> None:
        stamp = self._folder / "updated"
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < _FRESH_S:
            return
        source = f"deb [signed-by={KEYRING}] {_address(self.name)} {self.name} main\n"
        for path in ("lists/partial", "cache/archives/partial"):
            (self._folder / path).mkdir(parents=True, exist_ok=True)
        (self._folder / "sources.list").write_text(source, encoding="ascii")
        # A list that cannot be had is a mere warning to apt.
        self._run("apt-get", "-o", "APT::Update::Error-Mode=any", "update")
        stamp.touch()

    def _run(self, *words: str, cwd: str | None = None, check: bool = True) -> str:
        own: dict[str, object] = {
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "",
        }
        if self._arch:
            own |= {"APT::Architecture": self._arch, "APT::Architectures::": self._arch}
        options = [word for key, value in own.items() for word in ("-o", f"{key}={value}")]
        command = [words[0], "-qq", *options, *words[1:]]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise SetupError(f"{' '.join(words)} failed for {self.name}: {done.stderr.strip()}")
        return done.stdout


def _unpack(package: Path, folder: Path) -> None:
    """Unpack a package, through links to directories: `dpkg-deb -x` would put its own there."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
        words = ["tar", "-x", "--keep-directory-symlink", "--warning=no-timestamp"]
        subprocess.run([*words, "-C", folder], stdin=files.stdout, check=True)
    if files.returncode:
        raise SetupError(f"{package.name} cannot be unpacked")


def codename() -> str:
    """Return what this machine's Debian release is called.

    Raises:
        SetupError: it is no Debian.
    """
    known = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        if "=" in line
    )
    if known.get("ID", "").strip('"') != "debian" or not shutil.which("apt-get"):
        raise SetupError("packages come from the Debian archive that apt is configured with: "
                         "this needs a machine with Debian")  # fmt: skip
    return known["VERSION_CODENAME"].strip('"')


@functools.cache
def architecture() -> str:
    """Return this machine's, as Debian calls it.

    Raises:
        SetupError: it is no Debian.
    """
    codename()
    words = ["dpkg", "--print-architecture"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _address(suite: str) -> str:
    """Return the address of the archive with a suite: where apt gets this machine's own from."""
    security = suite.endswith("-security")
    own = f"{codename()}-security" if security else codename()
    words = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        release, _, address = line.partition(" ")
        if release == own:
            return address
    raise SetupError(f"apt is not configured with {own}, so the address of {suite} is not known")
