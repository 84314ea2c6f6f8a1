"""What the probes say of the running kernel agrees with its version, and with itself."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from pyebpf import cache
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.runtime import feature_table, features, probing
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.feature_table import FEATURES, Feature
from pyebpf.runtime.features import KernelFeatures
from pyebpf.spec.target import Target

pytestmark = pytest.mark.kernel

#: Features that a kernel may lack whatever its version: they depend on its configuration.
CONFIGURED = {
    "kprobe_attach": "CONFIG_KPROBE_EVENTS",
    "uprobe_attach": "CONFIG_UPROBE_EVENTS",
    "kernel_btf": "CONFIG_DEBUG_INFO_BTF",
    "rdonly_cast": "CONFIG_DEBUG_INFO_BTF",
    **dict.fromkeys(
        ("prog:kprobe.multi", "prog:kretprobe.multi", "prog:kprobe.session"), "CONFIG_FPROBE"
    ),
    "prog:lirc_mode2": "CONFIG_BPF_LIRC_MODE2",
    "prog:netfilter": "CONFIG_NETFILTER_BPF_LINK",
    "map:xskmap": "CONFIG_XDP_SOCKETS",
}


@pytest.fixture(scope="module")
def kernel() -> KernelFeatures:
    return KernelFeatures(keep=False)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    return tmp_path / "cache"


def running() -> tuple[int, ...]:
    numbers = platform.release().split("-")[0].rstrip("+").split(".")
    return tuple(int(n) for n in numbers if n.isdigit())


def since(row: Feature) -> tuple[int, ...]:
    return tuple(int(n) for n in row.since.split("."))


def test_no_feature_of_an_older_kernel_is_lacking(kernel: KernelFeatures) -> None:
    """A helper of other kinds of programs may be lacking for tracing; the rest must be there."""
    lacking = {
        name: answer.reason
        for name in feature_table.names()
        for row in [FEATURES[name]]
        if row.since and since(row) <= running() and name not in CONFIGURED
        for answer in [kernel.support(name)]
        if answer.support is Support.NO and "but not for this kind of program" not in answer.reason
    }
    assert lacking == {}


#: Taken by older kernels, which ignore what is asked for.
IGNORED = {"prog:iter.s"}


def test_no_feature_is_ahead_of_its_kernel(kernel: KernelFeatures) -> None:
    """A row says too late a version, unless a distribution has backported the feature."""
    ahead = [
        name
        for name in feature_table.names()
        for row in [FEATURES[name]]
        if row.since and since(row)[:2] > running()[:2] and name not in IGNORED
        if kernel.has(name)
    ]
    assert ahead == []


def test_every_answer_that_is_not_yes_says_why(kernel: KernelFeatures) -> None:
    for name in feature_table.names():
        answer = kernel.support(name)
        assert isinstance(answer.support, Support)
        assert bool(answer.reason) == (answer.support is not Support.YES), name


def test_unknown_is_for_policies_and_not_for_old_kernels(kernel: KernelFeatures) -> None:
    for name in feature_table.names():
        answer = kernel.support(name)
        if answer.support is Support.UNKNOWN and name != "lsm_active":
            assert "EPERM" in answer.reason, name
            assert not kernel.has(name)
            with pytest.raises(NotSupportedError, match=r"cannot be told; .*EPERM") as unknown:
                kernel.require(name)
            assert unknown.value.feature == name


def test_known_facts(kernel: KernelFeatures) -> None:
    for name in ("map:hash", "prog:tracepoint", "helper:map_lookup_elem", "helper:probe_read"):
        assert kernel.has(name)
    assert not kernel.has("helper:xdp_adjust_head")
    assert kernel.has("helper:xdp_adjust_head@xdp")
    assert not kernel.has("helper:map_lookup_elem@xdp") or kernel.has("prog:xdp")
    kernel.require("map:array")


def test_rows_that_do_not_exist(kernel: KernelFeatures) -> None:
    for name in ("no_such", "helper:no_such", "helper:no_such@xdp", "helper:loop@no", "a@xdp"):
        with pytest.raises(KeyError):
            kernel.has(name)
    with pytest.raises(KeyError, match="without a target"):
        kernel.has("helper:d_path@fentry")


def test_probes_leave_nothing_open() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for name in feature_table.names():
        if not name.startswith("helper:"):
            FEATURES[name].probe()
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def counted(monkeypatch: pytest.MonkeyPatch, name: str, answers: list[Answer]) -> list[str]:
    """Replace a probe by one that gives ``answers`` in turn; return the list of its calls."""
    calls: list[str] = []

    def probe() -> Answer:
        calls.append(name)
        return answers[min(len(calls), len(answers)) - 1]

    monkeypatch.setitem(FEATURES, name, FEATURES[name]._replace(probe=probe))
    return calls


def test_answers_are_kept(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, "ringbuf", [probing.YES])
    first = KernelFeatures()
    assert [first.has("ringbuf"), first.has("ringbuf"), KernelFeatures().has("ringbuf")] == [
        True
    ] * 3
    assert calls == ["ringbuf"]
    assert [path.name.partition("-")[0] for path in directory.iterdir()] == ["features"]


def test_a_no_is_kept_with_its_reason(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, "ringbuf", [probing.no("two\nlines\tand a tab")])
    KernelFeatures().has("ringbuf")
    kept = KernelFeatures().support("ringbuf")
    assert (kept.support, kept.reason) == (Support.NO, "two lines and a tab")
    assert len(calls) == 1
    with pytest.raises(NotSupportedError, match=r"lacks ringbuf: .*Linux 5\.8\); two lines"):
        KernelFeatures().require("ringbuf")


def test_unknown_is_asked_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Answer(Support.UNKNOWN, "refused")
    calls = counted(monkeypatch, "ringbuf", [unknown, probing.YES])
    kernel = KernelFeatures()
    assert not kernel.has("ringbuf")
    assert not Target(None, kernel).lacks("ringbuf")
    assert KernelFeatures().has("ringbuf")
    assert len(calls) == 2


def test_what_a_kernel_lacks_it_has_said(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch, "ringbuf", [probing.no("none"), probing.YES])
    assert Target(None, KernelFeatures(keep=False)).lacks("ringbuf")
    assert not Target(None, KernelFeatures(keep=False)).lacks("ringbuf")


def test_other_capabilities_ask_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, "ringbuf", [probing.YES])
    KernelFeatures().has("ringbuf")
    monkeypatch.setattr(features, "effective_capabilities", lambda: 0)
    KernelFeatures().has("ringbuf")
    assert len(calls) == 2


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"ringbuf", b"ringbuf\tmaybe\tx", b"\t\t\n\n"])
def test_a_damaged_entry_is_asked_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    calls = counted(monkeypatch, "ringbuf", [probing.YES])
    cache.write(f"features-{features._identity():08x}", data)
    assert KernelFeatures().has("ringbuf")
    assert len(calls) == 1


def test_a_refusal_is_no_answer() -> None:
    assert probing.failed(KernelError(1, "EPERM")).support is Support.UNKNOWN
    assert probing.failed(KernelError(12, "ENOMEM")).support is Support.UNKNOWN
    assert probing.failed(KernelError(22, "EINVAL")).support is Support.NO
