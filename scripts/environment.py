"""Make the virtual environment: ``python3 scripts/environment.py [dependency group ...]``.

Standard library only, and quick when there is nothing to do. Debian's ``python3`` comes without
``ensurepip``, so an environment made by it has no pip: ``_provide_pip`` says what we do then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / ".venv"
OLDEST_PYTHON = (3, 10)
#: The first pip that installs ``[dependency-groups]``.
PIP = "pip>=25.1"
#: Where Debian's ``python3-pip-whl`` puts the wheel that ``ensurepip`` would unpack.
DEBIAN_WHEELS = "usr/share/python-wheels"

NO_PIP = """\
{python} can make no virtual environment with pip in it: it has no ensurepip and no pip, and
Debian's package could not be fetched. Install it, then run the same command again:

    sudo apt-get install python3-venv
"""


def run(*command: str | Path) -> None:
    """Run a command whose failure ends this program, with its exit code."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def succeeds(*command: str | Path) -> bool:
    """Tell whether a program is there and ends well; what it prints is dropped."""
    quiet = subprocess.DEVNULL
    words = [str(word) for word in command]
    if not shutil.which(words[0]):
        return False
    return subprocess.run(words, stdout=quiet, stderr=quiet, check=False).returncode == 0


def create(folder: Path, python: str = sys.executable) -> Path:
    """Make a virtual environment unless a working one is there; return its Python."""
    inside = folder / "bin" / "python"
    if succeeds(inside, "-m", "pip", "--version"):
        return inside
    print(f"making {folder.relative_to(ROOT)}", flush=True)
    if not succeeds(python, "-m", "ensurepip", "--version"):
        debian.install(_venv_package(python))
    if succeeds(python, "-m", "ensurepip", "--version"):
        run(python, "-m", "venv", "--clear", folder)
    else:
        run(python, "-m", "venv", "--clear", "--without-pip", folder)
        _provide_pip(inside, python)
    run(inside, "-m", "pip", "install", "--quiet", "--upgrade", PIP)
    return inside


def _venv_package(python: str) -> str:
    version = "import sys; print('python%d.%d-venv' % sys.version_info[:2])"
    words = [python, "-c", version]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _provide_pip(inside: Path, python: str) -> None:
    """Put pip into an environment without it.

    In this order: a pip that the outer Python has; the wheel of Debian's ``python3-pip-whl`` if
    installed; that package fetched and unpacked into a temporary folder, which needs no root.
    """
    # `pip --python` came with pip 22.3; an older one fails here, and the wheel is tried.
    if succeeds(python, "-m", "pip", "--python", inside, "install", PIP):
        return
    with tempfile.TemporaryDirectory() as scratch:
        if _install_from(Path("/", DEBIAN_WHEELS), inside):
            return
        unpacked = debian.unpack("python3-pip-whl", Path(scratch))
        if unpacked and _install_from(unpacked / DEBIAN_WHEELS, inside):
            return
    shutil.rmtree(inside.parent.parent)
    raise SystemExit(NO_PIP.format(python=python))


def _install_from(folder: Path, inside: Path) -> bool:
    # A wheel is a zip archive that Python can run from: pip installs itself.
    wheels = sorted(folder.glob("pip-*.whl"))
    return bool(wheels) and succeeds(inside, wheels[-1] / "pip", "install", PIP)


def install(inside: Path, groups: list[str]) -> None:
    """Install this checkout, editable, with the named dependency groups, unless that is done."""
    stamp = inside.parent.parent / ".installed"
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    done = set(stamp.read_text(encoding="ascii").split()) if stamp.exists() else set()
    if done >= {project, *groups}:
        return
    print(" and ".join(["installing what pyebpf needs", *groups]), flush=True)
    asked = [word for group in groups for word in ("--group", group)]
    # compat: a line in a .pth file. The default is an import hook, 25 ms in every start of Python.
    # -qq: setuptools calls this mode transitional, in ten lines; errors are still shown.
    mode = ["--config-settings", "editable_mode=compat"]
    run(inside, "-m", "pip", "install", "-qq", *mode, "--editable", ".", *asked)
    kept = done if project in done else set()
    stamp.write_text(" ".join(sorted({project, *groups} | kept)), encoding="ascii")


def provide(folder: Path, python: str, wanted: list[str]) -> Path:
    """Make a virtual environment with these requirements alone, or reuse it; return its Python.

    Args:
        folder: where it is.
        python: whose it is.
        wanted: requirements, as pip takes them.

    Raises:
        subprocess.CalledProcessError: it could not be made.
    """
    inside = folder / "bin" / "python"
    stamp = folder / ".installed"
    asked = "\n".join([python, *wanted])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == asked:
        return inside
    # Without pip inside, it is made in a fraction of the time; the outer pip installs into it. It
    # must be a new one for the newest Python.
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(inside)]
    subprocess.run([*pip, "install", "-qq", *wanted], check=True)
    stamp.write_text(asked, encoding="utf-8")
    return inside


def main(groups: list[str]) -> None:
    """Make ``.venv`` ready."""
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(
            f"pyebpf needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer; "
            f"{sys.executable} is {sys.version.split()[0]}. Name another: make PYTHON=python3.12"
        )
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    install(create(DEFAULT), groups)


if __name__ == "__main__":
    main(sys.argv[1:])
