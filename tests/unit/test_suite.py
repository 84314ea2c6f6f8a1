"""The suite's own gates: what is skipped says why, and what is left behind is seen."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest

from scripts import debian

HERE = Path(__file__).resolve()
pytest_plugins = ["pytester"]


@pytest.fixture
def gates(request: pytest.FixtureRequest) -> ModuleType:
    """Give the suite's conftest as a module."""
    path = str(HERE.parents[1] / "conftest.py")
    plugins = request.config.pluginmanager.get_plugins()
    return next(p for p in plugins if getattr(p, "__file__", None) == path)


def test_skips_and_leaks_end_up_in_the_summary(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(HERE.parents[2]), *sys.path])
    pytester.makeconftest((HERE.parents[1] / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  kernel: x\n")
    pytester.makepyfile(
        """
        import conftest, pytest
        conftest.kernel_refusal = lambda: "needs CAP_BPF and CAP_PERFMON (run as root)"
        conftest.open_kernel_objects = lambda: ["fd 9: bpf-map (map_id=7)"]
        @pytest.mark.kernel
        def test_one(): raise AssertionError
        def test_two(): pass
        """
    )
    result = pytester.runpytest("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines("*needs CAP_BPF and CAP_PERFMON (run as root)")
    result.stdout.fnmatch_lines("left open at the end of the run: fd 9: bpf-map (map_id=7)")


def test_a_missing_program_is_named_with_its_package(
    program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "find", lambda _: None)
    with pytest.raises(pytest.skip.Exception, match=r"a working clang \(Debian package clang\)"):
        program("clang")


@pytest.mark.parametrize(
    ("answer", "lacking", "outcome"),
    [
        ("yes", "", None),
        ("unknown", "", pytest.skip.Exception),
        ("no", "", pytest.fail.Exception),
        ("no", "map:ringbuf,kernel_btf", pytest.skip.Exception),
    ],
)
def test_a_feature_that_should_be_there_is_a_failure(
    gates: ModuleType, monkeypatch: pytest.MonkeyPatch,
    answer: str, lacking: str, outcome: type[BaseException] | None,
) -> None:  # fmt: skip
    from pyebpf.runtime.answers import Answer, Support

    monkeypatch.setenv("PYEBPF_TESTS_LACK", lacking)
    monkeypatch.setattr(gates, "running_release", lambda: (6, 1))
    with pytest.raises(outcome, match="tried it") if outcome else nullcontext():
        gates.judge("kernel_btf", "5.2", Answer(Support(answer), "tried it"))


@pytest.mark.kernel
def test_a_map_held_open_is_found(gates: ModuleType) -> None:
    before = gates.open_kernel_objects()
    fd, error = gates._create_array_map(gates.BPF_SYSCALL[platform.machine()])
    assert fd >= 0, os.strerror(error)
    try:
        (found,) = set(gates.open_kernel_objects()) - set(before)
        assert found.startswith(f"fd {fd}: bpf-map (map_id=")
    finally:
        os.close(fd)
    assert gates.open_kernel_objects() == before
