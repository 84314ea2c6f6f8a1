"""What a machine runs besides its kernel: this machine's files, or those of another architecture.

The files of another are Debian's packages, unpacked below our cache, and wheels for its Python in a
virtual environment of its own. Nothing of it is installed, or run, here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from scripts import archive, debian, project
from scripts.archive import SetupError, Suite
from tests.vm.architectures import Architecture, architecture
from tests.vm.image import Kernel

ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = ROOT / ".venv"
#: Runs the tests and all else, on any machine.
PYTHON = str(_ENVIRONMENT / "bin/python")
#: A shell and its programs, what our init runs, Python, and compilers for programs of tests.
_BASE = (
    "base-files", "base-passwd", "bash", "dash", "coreutils", "debianutils", "findutils", "grep",
    "sed", "gzip", "hostname", "login", "mount", "procps", "kmod", "netbase", "python3",
    "libc-bin", "ncurses-base", "binutils", "gcc", "g++", "libc6-dev",
)  # fmt: skip
#: The newest C library that wheels may ask for: that of Debian 12.
_GLIBC = 36


class Userspace(NamedTuple):
    """The files that a machine sees.

    Attributes:
        root: becomes its ``/``.
        mounts: folders of this machine, and where they are there.
    """

    root: Path
    mounts: tuple[tuple[Path, Path], ...]


def get(kernel: Kernel, folder: Path) -> Userspace:
    """Return the files for a kernel, made unless they are in the cache.

    Args:
        kernel: to be booted.
        folder: where its job runs.

    Raises:
        SetupError: they cannot be had.
    """
    if kernel.row.arch == archive.architecture():
        needed = [kernel.folder, folder, Path(sys.prefix), Path(sys.base_prefix)]
        mounts = {mount for path in needed if (mount := _mount_of(path.resolve())) != Path("/")}
        return Userspace(Path("/"), tuple((mount, mount) for mount in sorted(mounts)))
    made = _made(architecture(kernel.row.arch))
    modules = kernel.folder.resolve()
    ours = ((modules, modules), (ROOT, ROOT))
    return Userspace(made / "root", (*ours, (made / "environment", _ENVIRONMENT.resolve())))


def _mount_of(path: Path) -> Path:
    """Return the mount that a path is in."""
    rows = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    mounts = {row.split()[4] for row in rows}
    return next((p for p in (path, *path.parents) if str(p) in mounts), Path("/"))


def _made(arch: Architecture) -> Path:
    """Return the folder with ``root`` and ``environment`` of an architecture."""
    packages = [*_BASE, *(command.packages[0] for command in debian.COMMANDS)]
    wheels = [*project.dependencies(), *project.group("test")]
    wanted = "\n".join([*packages, *wheels])
    folder = archive.cache() / "userspaces" / arch.name
    stamp = folder / "made-of"
    with archive.alone(f"userspace-{arch.name}"):
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            print(f"tests.vm: making a user space for {arch.name}", flush=True)
            _unpack(arch, packages, folder / "root")
            _install(arch, wheels, folder)
            stamp.write_text(wanted, encoding="utf-8")
    return folder


def _unpack(arch: Architecture, packages: list[str], root: Path) -> None:
    # As in any Debian, whose installer makes these before it unpacks.
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    Suite(archive.codename(), arch.name).unpack(packages, root, with_dependencies=True)
    # What the packages' own scripts would do.
    for link, name in (("cc", "gcc"), ("c++", "g++")):
        (root / "usr/bin" / link).symlink_to(name)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="ascii")
    for name in ("passwd", "group"):
        master = root / "usr/share/base-passwd" / f"{name}.master"
        shutil.copyfile(master, root / "etc" / name)


def _install(arch: Architecture, wheels: list[str], folder: Path) -> None:
    """Make the virtual environment, for the Python in the root."""
    (python,) = (folder / "root/usr/bin").glob("python3.[0-9]*[0-9]")
    made, version = folder / "environment", python.name.removeprefix("python")
    (made / "bin").mkdir(parents=True)
    for name in ("python", "python3", python.name):
        (made / "bin" / name).symlink_to(f"/usr/bin/{python.name}")
    (made / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n", encoding="ascii")
    site = made / "lib" / python.name / "site-packages"
    tags = [*(f"manylinux_2_{minor}" for minor in range(17, _GLIBC + 1)), "manylinux2014"]
    platforms = [word for tag in tags for word in ("--platform", f"{tag}_{arch.python}")]
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--target", site, "--only-binary=:all:", "--python-version", version]  # fmt: skip
    done = subprocess.run(
        [*words, *platforms, *wheels], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupError(f"no Python packages for {arch.name}: {done.stderr.strip()}")
    # Emulated, to compile the standard library takes half a minute, each time.
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        words = [sys.executable, "-m", "compileall", "-qq", folder / "root/usr/lib" / python.name]
        subprocess.run([*words, folder / "root/usr/lib/python3"], check=False)
