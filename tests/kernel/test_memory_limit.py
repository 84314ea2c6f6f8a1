"""RLIMIT_MEMLOCK is touched where BPF memory is charged to it, and nowhere else."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from pyebpf import Array, compile_probes, load, raw_tracepoint, tgid, u64
from pyebpf.errors import KernelError
from pyebpf.runtime import memlock
from pyebpf.runtime.answers import Support
from pyebpf.runtime.features import KernelFeatures
from tests.kernel.privileges import lift_memory_limit, with_only

pytestmark = pytest.mark.kernel

LIMIT = resource.RLIMIT_MEMLOCK
LITTLE, PLENTY = 4096, 256 << 20
TRACING = ("CAP_BPF", "CAP_PERFMON")

numbers = Array[u64](max_entries=4096)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if tgid() == 1:
        numbers[0] += 1


@pytest.fixture(scope="module")
def charged() -> bool:
    """Tell whether this kernel charges; what compiles and loads is imported on the way."""
    lift_memory_limit()
    compile_probes(probe)
    load(probe).close()
    return KernelFeatures(keep=False).support("memcg_accounting").support is Support.NO


def limited(soft: int, hard: int, then: Callable[[], None]) -> Callable[[], None]:
    """Return a function for a child: under a limit, and without knowing anything of the kernel."""
    most = resource.getrlimit(LIMIT)[1]
    if most != resource.RLIM_INFINITY and most < hard:
        pytest.skip(f"the tests themselves may lock no more than {most} bytes here")

    def inside() -> None:
        resource.setrlimit(LIMIT, (soft, hard))
        memlock._answer.clear()
        then()

    return inside


def test_a_limit_that_is_too_low_is_lifted_by_who_may(charged: bool) -> None:
    def works() -> None:
        load(probe).close()
        lifted = resource.getrlimit(LIMIT)[0] == resource.RLIM_INFINITY
        assert lifted == charged

    with_only((*TRACING, "CAP_SYS_RESOURCE"), limited(LITTLE, LITTLE, works))


def test_without_that_it_is_lifted_as_far_as_it_may_be(charged: bool) -> None:
    def works() -> None:
        load(probe).close()
        assert resource.getrlimit(LIMIT)[0] == (PLENTY if charged else LITTLE)

    with_only(TRACING, limited(LITTLE, PLENTY, works))


def test_who_may_not_is_told_exactly_what_to_do(charged: bool) -> None:
    def refused() -> None:
        with pytest.raises(KernelError) as error:
            load(probe)
        text = str(error.value)
        assert error.value.capability == "CAP_SYS_RESOURCE"
        assert "charges BPF memory to RLIMIT_MEMLOCK" in text
        assert "the 4096 bytes that this process may have" in text
        assert "ulimit -l unlimited" in text
        assert "LimitMEMLOCK=infinity" in text
        assert "policy" not in text

    def works() -> None:
        load(probe).close()

    with_only(TRACING, limited(LITTLE, LITTLE, refused if charged else works))


def test_a_missing_capability_is_not_taken_for_a_low_limit(charged: bool) -> None:
    def refused() -> None:
        with pytest.raises(KernelError) as error:
            load(probe)
        assert error.value.capability == "CAP_BPF"
        assert "MEMLOCK" not in str(error.value)
        assert resource.getrlimit(LIMIT)[0] == LITTLE

    assert charged in (True, False)
    with_only(["CAP_PERFMON", "CAP_SYS_RESOURCE"], limited(LITTLE, PLENTY, refused))


def test_the_kernels_types_tell_when_nothing_may_be_loaded(charged: bool) -> None:
    def asked() -> None:
        assert memlock.is_charged() is charged

    with_only([], limited(LITTLE, LITTLE, asked))
