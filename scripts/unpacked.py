"""Programs of newer Debian suites: unpacked in the cache, installed nowhere, started from there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from archive import SetupError, Suite, alone, cache

#: The suites that may have something newer, oldest first.
SUITES = ("trixie", "forky", "sid")


class Tree(NamedTuple):
    """Packages of a suite with all that they need.

    Attributes:
        root: where their files are.
        suite: what it is called.
        versions: of the packages that were asked for, by their names.
    """

    root: Path
    suite: str
    versions: dict[str, str]


def once(folder: Path, lock: str, make: Callable[[Path], None]) -> None:
    """Make a folder of the cache unless it is there: whole, or not at all."""
    with alone(lock):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                part = Path(scratch, "root")
                make(part)
                part.rename(folder)


def loading(root: Path) -> list[str]:
    """Return the words before a program, that give it the C library it was made for.

    What the program starts in turn is started by this machine's own.

    Args:
        root: where it is unpacked, with all that it needs.
    """
    (loader,) = (root / "usr").glob("lib*/ld-linux-*.so.*")
    (libraries,) = (root / "usr/lib").glob("*-linux-gnu")
    return [str(loader), "--library-path", str(libraries)]


def newest(name: str, packages: Sequence[str], works: Callable[[Tree], bool]) -> Tree:
    """Unpack packages of the newest suite whose programs work on this machine.

    Args:
        name: of the folder in the cache; what it had of older versions is removed.
        packages: what is wanted, beside all that it depends on.
        works: tells whether the programs start.

    Raises:
        SetupError: no suite has such packages.
    """
    refusals = []
    for suite in reversed(SUITES):
        try:
            tree = _tree(name, Suite(suite), packages)
        except SetupError as err:
            refusals.append(str(err))
            continue
        if works(tree):
            return tree
        refusals.append(f"those of {suite} do not start")
    raise SetupError("; ".join(dict.fromkeys(refusals)))


def _tree(name: str, suite: Suite, packages: Sequence[str]) -> Tree:
    found = {package: suite.version(package) for package in packages}
    versions = {package: version for package, version in found.items() if version}
    if missing := found.keys() - versions:
        raise SetupError(f"{suite.name} has no {', '.join(sorted(missing))}")
    # A colon would end a folder in the list of those with libraries.
    folder = cache() / "-".join([name, suite.name, *versions.values()]).replace(":", "_")

    def make(root: Path) -> None:
        suite.unpack(list(packages), root, with_dependencies=True)
        for old in cache().glob(f"{name}-{suite.name}-*"):  # hundreds of megabytes each
            shutil.rmtree(old)

    once(folder, f"{name}-{suite.name}", make)
    return Tree(folder, suite.name, versions)
