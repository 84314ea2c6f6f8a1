"""The source archive and the wheel: built, compared, read as an index reads them, and installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf import __version__
from scripts import project

build = pytest.importorskip("build", reason="build is not installed (make setup)")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: What is no source of a tree without git.
MADE = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests")
#: An hour that is neither the default nor now.
THEN = 1_500_000_000
LISTING = "import runpy; runpy.run_module('pyebpf.tools', run_name='__main__')"


class Built(NamedTuple):
    """What came of one tree; each in a folder of its own."""

    sdist: Path
    again: Path
    wheel: Path
    of_sdist: Path
    leftover: Path

    @property
    def shipped(self) -> set[str]:
        """The files of the wheel, without what is said about it."""
        names = zipfile.ZipFile(self.wheel).namelist()
        return {name for name in names if ".dist-info/" not in name}

    @property
    def metadata(self) -> bytes:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(f"pyebpf-{__version__}.dist-info/METADATA")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build from a copy of what git would give, and once more under other circumstances."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    copy_sources(source)
    with build.env.DefaultIsolatedEnv() as env:
        builder = build.ProjectBuilder.from_isolated_env(env, source, runner=quietly)
        install(env, builder.build_system_requires)
        sdist = Path(builder.build("sdist", folder / "sdist"))
        wheel = Path(builder.build("wheel", folder / "wheel"))
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        unpacked = folder / sdist.name.removesuffix(".tar.gz")
        inside = build.ProjectBuilder.from_isolated_env(env, unpacked, runner=quietly)
        of_sdist = Path(inside.build("wheel", folder / "of_sdist"))
        disturb(source)
        again = Path(builder.build("sdist", folder / "again"))
        leftover = Path(builder.build("wheel", folder / "leftover"))
    return Built(sdist, again, wheel, of_sdist, leftover)


def copy_sources(target: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in files.split("\0") if name and not name.startswith("tests/")]
    if not names:
        shutil.copytree(ROOT, target, ignore=MADE)
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def quietly(words: list[str], cwd: str | None = None, extra_environ: object = None) -> None:
    """Run a hook of the backend; what it prints is of interest if it fails."""
    environment = {**os.environ, **dict(extra_environ or {})}  # type: ignore[call-overload]
    environment.pop("SOURCE_DATE_EPOCH", None)
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def install(env: object, requirements: set[str]) -> None:
    try:
        env.install(requirements)  # type: ignore[attr-defined]
    except subprocess.CalledProcessError as err:
        said = str(err.output or err.stderr or err)
        pytest.skip(f"building needs the package index, which is out of reach: {said[-200:]}")


def disturb(source: Path) -> None:
    """Change what must not matter: times, permissions, what an earlier build left."""
    for path in source.rglob("*.py"):
        os.utime(path, (THEN, THEN))
    (source / "README.md").chmod(0o600)
    (source / "pyebpf" / "session.py").chmod(0o700)
    (source / "build" / "lib" / "pyebpf" / "removed.py").write_text("long ago\n")


def test_two_builds_give_the_same_bytes(built: Built) -> None:
    assert built.again.read_bytes() == built.sdist.read_bytes()
    assert built.of_sdist.read_bytes() == built.wheel.read_bytes()
    assert built.leftover.read_bytes() == built.wheel.read_bytes()


def test_the_source_archive_has_what_builds_it_and_where_the_readme_leads(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "scripts/backend.py", "LICENSE", "README.md"} <= names
    readme = re.sub(r"(?s)```.*?```", "", (ROOT / "README.md").read_text(encoding="utf-8"))
    leads_to = set(re.findall(r"\]\(([^):#]+)", readme))
    assert len(leads_to) > 20
    assert leads_to <= names
    assert [name for name in sorted(names) if name.startswith("tests")] == []


def test_the_wheel_has_the_whole_tree_and_not_the_alias(built: Built) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.pyi", "py.typed", "*.btf.gz")
        for path in (ROOT / "pyebpf").rglob(pattern)
    }
    wanted |= {f"pyebpf/{path.relative_to(ROOT)}" for path in (ROOT / "tools").rglob("*.py")}
    assert built.shipped == wanted
    alias = zipfile.ZipFile(built.wheel).read("pyebpf/tools/__init__.py")
    assert alias == (ROOT / "tools" / "__init__.py").read_bytes()
    assert built.wheel.name == f"pyebpf-{__version__}-py3-none-any.whl"


def test_the_metadata_are_what_an_index_takes(built: Built) -> None:
    from packaging.metadata import Metadata

    found = Metadata.from_email(built.metadata)  # an exception group says what is wrong
    assert (found.name, str(found.version)) == ("pyebpf", __version__)
    assert (found.license_expression, found.license_files) == ("Apache-2.0", ["LICENSE"])
    assert str(found.requires_python) == project.read()["project"]["requires-python"]
    assert {*(found.provides_extra or ())} == {"frames", "notebook"}
    assert found.home_page is found.download_url is found.project_urls is None  # there is none
    with zipfile.ZipFile(built.wheel) as archive:
        shipped = archive.read(f"pyebpf-{__version__}.dist-info/licenses/LICENSE")
    assert shipped == (ROOT / "LICENSE").read_bytes()


def test_the_classifiers_are_known_and_keep_it_off_the_index(built: Built) -> None:
    trove = pytest.importorskip("trove_classifiers", reason="not installed (make setup)")
    given = {*re.findall(r"(?m)^Classifier: (.+)$", built.metadata.decode())}
    assert given - trove.classifiers == {"Private :: Do Not Upload"}
    assert not given & {*trove.deprecated_classifiers}


def test_the_readme_is_shown(built: Built) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown", reason="not installed (make setup)")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert built.metadata.decode().partition("\n\n")[2].strip() == readme.strip()
    html = markdown.render(readme)
    assert html is not None
    assert html.count("<pre") == readme.count("\n```") // 2
    assert html.count("<h2") == len(re.findall(r"(?m)^## ", readme))


@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "in the checkout"])
def test_a_wheel_imports_from_any_folder(built: Built, tmp_path: Path, elsewhere: bool) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(tmp_path / "site")
    cwd = tmp_path if elsewhere else ROOT
    expected = tmp_path / "site" / "pyebpf" / "tools" if elsewhere else ROOT / "tools"

    def python(code: str) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
        return said(sys.executable, "-c", code, cwd=cwd, env=environment).splitlines()

    # With the checkout as working directory `-c` finds ./pyebpf first, and its alias must work.
    assert python("import pyebpf.tools as t; print(*t.__path__)") == [str(expected)]
    names = sorted(p.stem for p in (ROOT / "tools").glob("[!_]*.py"))
    printed = python(f"try:\n {LISTING}\nexcept SystemExit: pass")
    assert [line.split()[0] for line in printed] == names


# installed


def said(*words: object, cwd: Path, env: dict[str, str] | None = None, code: int = 0) -> str:
    """Return what a program prints; it must end with this code and complain of nothing."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd, env=env or OUTSIDE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    return done.stdout


#: Nothing that leads to the checkout.
OUTSIDE = {
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    **{name: text for name, text in os.environ.items() if not name.startswith("PYTHON")},
}


class Installed(NamedTuple):
    """A new environment with the wheel, its dependencies and nothing else."""

    bin: Path
    home: Path

    def run(self, *words: object, code: int = 0) -> str:
        program, *rest = words
        return said(self.bin / str(program), *rest, cwd=self.home, code=code)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder, home = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("home")
    # Without pip inside, it is made in a fraction of the time; the outer pip installs into it.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    words = [*pip, "install", "-qq", "--no-compile", str(built.wheel)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "No matching distribution found" in done.stderr:
        pytest.skip("installing needs the package index, which is out of reach")
    assert done.returncode == 0, done.stderr
    return Installed(folder / "bin", home)


def test_what_is_installed_runs(installed: Installed) -> None:
    assert installed.run("pyebpf", "--version") == f"pyebpf {__version__}\n"
    assert installed.run("python", "-m", "pyebpf", "--help").startswith("usage: pyebpf ")
    doctor = installed.run("python", "-m", "pyebpf", "doctor", "--help")
    assert "exit status" in doctor
    where = installed.run("python", "-c", "import pyebpf; print(pyebpf.__file__)")
    assert Path(where).is_relative_to(installed.bin.parent)
    tools = sorted(p.stem for p in (ROOT / "tools").glob("[!_]*.py"))
    for words in (["-m", "pyebpf.tools"], ["-m", "pyebpf", "tools"]):
        listed = installed.run("python", *words).splitlines()
        assert [line.split()[0] for line in listed] == tools
    assert "tp_btf" in installed.run("python", "-m", "pyebpf.tools.biolatency", "--ebpf")


@pytest.mark.kernel
def test_what_is_installed_traces(installed: Installed) -> None:
    assert "Tracing programs can run here" in installed.run("python", "-m", "pyebpf", "doctor")
    tried = installed.run("python", "-m", "pyebpf.tools.biolatency", "--dry-run")
    assert "accepted by the verifier, attached and at once detached" in tried


def test_probes_are_tested_with_what_is_installed(installed: Installed) -> None:
    """The types of the frozen kernel are a file of the wheel."""
    code = "from pyebpf.testing import frozen; print(frozen.target().machine)"
    assert installed.run("python", "-c", code) == "x86_64\n"


TYPED = """
from pyebpf import Log2Hist, Ptr, tp_btf, ktime_get_ns
from pyebpf.kernel import request

latency = Log2Hist(unit="us")


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    latency.add(ktime_get_ns())
    latency.add("soon")  # refused


reveal_type(latency)
"""


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_take_the_types_of_what_is_installed(installed: Installed, checker: str) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed (make setup)")
    (installed.home / "typed.py").write_text(TYPED)
    python = str(installed.bin / "python")
    options = {
        "mypy": ["--strict", "--config-file=", "--python-executable"],
        "pyright": ["--outputjson", "--pythonpath"],
    }[checker]
    words = [sys.executable, "-m", checker, *options, python, "typed.py"]
    out = said(*words, cwd=installed.home, code=1)
    if checker == "pyright":
        reports = json.loads(out)["generalDiagnostics"]
        lines = [f"{r['range']['start']['line'] + 1}: {r['message']}" for r in reports]
    else:
        found = (line for line in out.splitlines() if line.startswith("typed.py:"))
        lines = [line.partition(":")[2] for line in found if "Possible overload" not in line]
        lines = [line for line in lines if "note:     def " not in line]
    assert len(lines) == 2, out
    assert lines[0].startswith("11:")
    assert lines[1].startswith("14:")
    assert "Log2Hist" in lines[1]
