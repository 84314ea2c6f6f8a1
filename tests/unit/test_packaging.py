"""What ``pyproject.toml`` says is true of the tree, and what is built from it can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import project

ROOT = Path(__file__).resolve().parents[2]
IMPORT_TOOLS = "import pyebpf.tools as t; print(*t.__path__)"


def packages_in_tree() -> set[str]:
    found = {
        ".".join(path.relative_to(ROOT).parts)
        for path in (ROOT / "pyebpf").rglob("*")
        if path.is_dir() and any(path.glob("*.py"))
    }
    inside_tools = {
        ".".join(["pyebpf", *path.parent.relative_to(ROOT).parts])
        for path in (ROOT / "tools").rglob("*.py")
    }
    return found | inside_tools | {"pyebpf"}


def test_every_package_of_the_tree_is_shipped() -> None:
    listed = project.read()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(packages_in_tree())


def test_every_package_has_an_init() -> None:
    folders = {path.parent for path in (ROOT / "pyebpf").rglob("*.py")}
    assert [
        str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []


def test_lower_bounds_are_what_the_matrix_pins() -> None:
    declared = project.dependencies()
    assert all(text.count(">=") == 1 and "," not in text for text in declared), declared
    assert project.dependencies(oldest=True) == [text.replace(">=", "==") for text in declared]


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = project.python_versions()[0]
    config = project.read()
    assert config["project"]["requires-python"] == f">={oldest}"
    assert config["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert config["tool"]["pyright"]["pythonVersion"] == oldest


def test_tools_can_be_imported_from_a_checkout(tmp_path: Path) -> None:
    found = run_python(IMPORT_TOOLS, ["-S"], tmp_path, ROOT)
    assert found.split() == [str(ROOT / "tools")]


def run_python(code: str, options: list[str], cwd: Path, *path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git would give, so that nothing stale gets in."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False).returncode:
        pytest.skip("building a wheel needs pip in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in files.split("\0") if name] or everything()
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-qq",
        "--no-deps",
        "--wheel-dir",
        folder,
        source,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("building a wheel needs the package index, which is out of reach")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def everything() -> list[str]:
    """List the sources of an unpacked archive, which has no git to ask."""
    tops = ["pyproject.toml", "README.md", "LICENSE"]
    below = [p for top in ("pyebpf", "tools") for p in (ROOT / top).rglob("*.py*")]
    return tops + [str(path.relative_to(ROOT)) for path in below]


@pytest.mark.slow
def test_a_wheel_has_the_whole_tree_and_not_the_alias(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.pyi", "py.typed", "*.btf.gz")
        for path in (ROOT / "pyebpf").rglob(pattern)
    }
    wanted |= {f"pyebpf/{path.relative_to(ROOT)}" for path in (ROOT / "tools").rglob("*.py")}
    assert shipped == wanted
    alias = "pyebpf/tools/__init__.py"
    assert zipfile.ZipFile(wheel).read(alias) == (ROOT / "tools" / "__init__.py").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "in the checkout"])
def test_a_wheel_imports_from_any_folder(wheel: Path, tmp_path: Path, elsewhere: bool) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    cwd = tmp_path if elsewhere else ROOT
    expected = tmp_path / "site" / "pyebpf" / "tools" if elsewhere else ROOT / "tools"
    # With the checkout as working directory `-c` finds ./pyebpf first, and its alias must work.
    assert run_python(IMPORT_TOOLS, [], cwd, tmp_path / "site").split() == [str(expected)]
    listing = "import runpy; runpy.run_module('pyebpf.tools', run_name='__main__')"
    names = sorted(p.stem for p in (ROOT / "tools").glob("[!_]*.py"))
    code = f"try:\n {listing}\nexcept SystemExit: pass"
    printed = run_python(code, [], cwd, tmp_path / "site")
    assert [line.split()[0] for line in printed.splitlines()] == names


def test_the_listing_reads_docstrings_and_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('"""Count something.\n\nMore."""\nraise RuntimeError\n')
    (tmp_path / "_two.py").write_text('"""Private."""\n')
    (tmp_path / "three.py").write_text("x = 1\n")
    from pyebpf.tools.__main__ import catalogue

    assert catalogue(tmp_path) == {"one": "Count something.", "three": ""}
