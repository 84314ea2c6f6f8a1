"""Loading objects: what is created, what goes wrong, and that nothing is left behind."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.abi import constants as c
from pyebpf.abi import insn as op
from pyebpf.btf import Btf
from pyebpf.btf import types as t
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.write import Builder
from pyebpf.errors import (
    KernelError,
    LoadError,
    NotSupportedError,
    PinError,
    RelocationError,
    VerifierError,
)
from pyebpf.runtime import syscall
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.map_fd import create_map, ring_size
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import (
    CoreKind,
    CoreReloc,
    FunctionSpec,
    MapSpec,
    ObjectSpec,
    ProgramSpec,
    SectionSpec,
    SymbolReloc,
    SymbolUse,
)
from pyebpf.spec.target import FrozenFeatures

pytestmark = pytest.mark.kernel

SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT, FSCONFIG_CMD_CREATE = 430, 431, 432, 6
FEATURES = KernelFeatures(keep=False)
COUNT = MapSpec("count", "array", 4, 8, 1)


def one_program(
    code: bytes, *symbols: SymbolReloc, section: str = "socket", maps: tuple[MapSpec, ...] = ()
) -> ObjectSpec:
    return ObjectSpec(
        programs=(ProgramSpec("main", section),),
        functions=(FunctionSpec("main", section, 0, len(code) // 8),),
        sections=(SectionSpec(section, code, symbols),),
        maps=maps,
    )


GOOD = op.assemble(op.mov64_imm(op.R0, 0), op.exit_insn())
BAD = op.assemble(op.exit_insn())


def load(obj: ObjectSpec, **options: object) -> LoadedObject:
    resolver = CoreResolver(obj.btf, kernel_btf)
    return load_object(obj, features=FEATURES, resolver=resolver, **options)  # type: ignore[arg-type]


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    kernel_btf()  # stays open, mapped, for the whole process
    before = descriptors()
    yield
    assert descriptors() == before


def test_a_map_and_a_program() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 0)) + GOOD
    obj = one_program(code, SymbolReloc(0, SymbolUse.MAP, "count"), maps=(COUNT,))
    with load(obj) as loaded:
        info = syscall.prog_info(loaded.programs["main"].fd)
        assert info.name == "main"
        assert info.map_ids == (syscall.map_info(loaded.maps["count"].fd).id,)
        assert loaded.programs["main"].kind.name == "socket_filter"
    assert loaded.maps["count"].fd == -1
    loaded.close()


def test_a_refused_program_leaves_nothing() -> None:
    before = descriptors()
    with pytest.raises(VerifierError, match=r"`main`: R0 (!read_ok|has never been)") as caught:
        load(one_program(BAD, maps=(COUNT, COUNT.replace(name="other"))))
    assert descriptors() == before
    assert "R0 !read_ok" in caught.value.log


def test_a_refused_map_leaves_nothing_and_says_what_it_was() -> None:
    wrong = MapSpec("wrong", "array", 8, 8, 4)
    with pytest.raises(
        KernelError, match=r"'wrong' \(array, key 8 bytes, value 8 bytes, 4"
    ) as caught:
        load(one_program(GOOD, maps=(COUNT, wrong)))
    assert caught.value.errno == errno.EINVAL


def test_refused_btf_leaves_nothing_and_says_why() -> None:
    builder = Builder()
    builder.add_struct("holder", 4, [t.Member("field", 99, 0)])
    obj = one_program(GOOD, maps=(COUNT,)).replace(btf=builder.to_bytes())
    with pytest.raises(LoadError, match=r"loading BTF .* holder .*99"):
        load(obj)


def test_an_unknown_section_and_an_unknown_program() -> None:
    with pytest.raises(NotSupportedError, match="'nonsense'"):
        load(one_program(GOOD, section="nonsense"))
    with pytest.raises(KeyError, match="other"):
        load(one_program(GOOD), only=["other"])
    with pytest.raises(KeyError, match="no map other"):
        load(one_program(GOOD), map_sizes={"other": 1})


def test_only_some_programs() -> None:
    obj = one_program(GOOD)
    both = obj.replace(
        programs=(*obj.programs, ProgramSpec("bad", "xdp")),
        functions=(*obj.functions, FunctionSpec("bad", "xdp", 0, 1)),
        sections=(*obj.sections, SectionSpec("xdp", BAD)),
    )
    with load(both, only=["main"]) as loaded:
        assert {*loaded.programs} == {"main"}


def test_sections_on_demand() -> None:
    with load(one_program(BAD, section="?socket")) as loaded:
        assert loaded.programs == {}
    with load(one_program(GOOD, section="?socket"), only=["main"]) as loaded:
        assert loaded.programs["main"].kind.name == "socket_filter"


def test_map_sizes() -> None:
    with load(one_program(GOOD, maps=(COUNT,)), map_sizes={"count": 9}) as loaded:
        assert syscall.map_info(loaded.maps["count"].fd).max_entries == 9
        assert loaded.maps["count"].spec.max_entries == 9


def test_initial_data_is_there_and_frozen() -> None:
    spec = MapSpec(".rodata", "array", 4, 12, 1, c.BPF_F_RDONLY_PROG, initial=b"hello", frozen=True)
    with create_map(spec) as opened:
        out, address = syscall.buffer(16)
        key = syscall.address_of(bytes(4))
        assert syscall.map_lookup(opened.fd, key, address)
        assert out.raw == b"hello".ljust(16, b"\0")
        with pytest.raises(KernelError) as caught:
            syscall.map_update(opened.fd, key, address)
    assert caught.value.errno == errno.EPERM


@pytest.mark.parametrize(
    "features", [None, FrozenFeatures(), FrozenFeatures(frozenset({"mmap_array"}))]
)
def test_data_is_mapped_only_where_the_kernel_can(features: FrozenFeatures | None) -> None:
    spec = MapSpec(".bss", "array", 4, 8, 1, c.BPF_F_MMAPABLE, initial=bytes(8))
    with create_map(spec, features=features) as opened:
        flags = syscall.map_info(opened.fd).flags
    mappable = features is None or features.has("mmap_array")
    assert flags == (c.BPF_F_MMAPABLE if mappable else 0)
    assert opened.spec.flags == flags


@pytest.mark.parametrize("size", [1, 4096, 5000, 3 * 4096])
def test_a_ring_buffer_gets_a_size_that_the_kernel_takes(size: int) -> None:
    with create_map(MapSpec("ring", "ringbuf", 0, 0, size)) as opened:
        assert syscall.map_info(opened.fd).max_entries == ring_size(size) >= size
    assert ring_size(size) & (ring_size(size) - 1) == 0


def test_a_perf_event_array_of_no_size_has_an_entry_for_each_cpu() -> None:
    with create_map(MapSpec("events", "perf_event_array", 4, 4, 0)) as opened:
        assert syscall.map_info(opened.fd).max_entries >= (os.cpu_count() or 1)


def test_a_map_of_maps() -> None:
    inner = MapSpec("inner", "hash", 4, 8, 16)
    outer = MapSpec("outer", "array_of_maps", 4, 4, 2, inner=inner, slots=((1, "inner"),))
    with load(one_program(GOOD, maps=(inner, outer))) as loaded:
        out, address = syscall.buffer(4)
        key = (1).to_bytes(4, "little")
        assert syscall.map_lookup(loaded.maps["outer"].fd, syscall.address_of(key), address)
        held = int.from_bytes(out.raw, "little")
        assert held == syscall.map_info(loaded.maps["inner"].fd).id


def test_a_slot_that_nothing_fills() -> None:
    outer = MapSpec("outer", "prog_array", 4, 4, 2, slots=((1, "nobody"),))
    with pytest.raises(RelocationError, match="'outer' holds 'nobody'"):
        load(one_program(GOOD, maps=(outer,)))


def test_names_that_the_kernel_would_refuse() -> None:
    with create_map(MapSpec("a name-with signs, and long", "hash", 4, 8, 1)) as opened:
        assert syscall.map_info(opened.fd).name == "a_name_with_sig"


def test_an_unknown_kind_of_map() -> None:
    with pytest.raises(LoadError, match="no kind of map called 'hsah'"):
        create_map(MapSpec("m", "hsah", 4, 8, 1))


def test_a_hook_that_does_not_exist() -> None:
    with pytest.raises(RelocationError, match=r"no typedef `btf_trace_sched_swich`.*sched_switch"):
        load(one_program(GOOD, section="tp_btf/sched_swich"))


def test_a_typed_raw_tracepoint_finds_its_hook_without_the_kernel_types_the_second_time() -> None:
    obj = one_program(GOOD, section="tp_btf/sched_switch")
    first = CoreResolver(obj.btf, kernel_btf)
    load_object(obj, features=FEATURES, resolver=first).close()
    second = CoreResolver(obj.btf, forbidden)
    second.load(first.dump())
    with load_object(obj, features=FEATURES, resolver=second) as loaded:
        info = syscall.prog_info(loaded.programs["main"].fd)
    # That it was loaded says that the hook was found; newer kernels tell which it is.
    assert info.attach_btf_id in (0, kernel_btf().find("btf_trace_sched_switch"))


def forbidden() -> Btf:
    raise NotSupportedError("no types here", feature="kernel_btf", since="5.4")


def test_a_kernel_without_types() -> None:
    obj = one_program(GOOD, section="tp_btf/sched_switch")
    with pytest.raises(
        NotSupportedError, match="`btf_trace_sched_switch` has to be found"
    ) as caught:
        load_object(obj, features=FEATURES, resolver=CoreResolver(b"", forbidden))
    assert caught.value.feature == "kernel_btf"


def test_a_program_that_replaces_another_needs_it() -> None:
    with pytest.raises(NotSupportedError, match="'main': a freplace program"):
        load(one_program(GOOD, section="freplace/main"))


def test_the_log_of_an_accepted_program_is_there_on_request() -> None:
    with load(one_program(GOOD), log_level=1) as loaded:
        assert "processed 2 insns" in loaded.programs["main"].log
    with load(one_program(GOOD)) as loaded:
        assert loaded.programs["main"].log == ""


@pytest.fixture
def bpf_file_system() -> Iterator[str]:
    """Give the path of a BPF file system of our own, mounted nowhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    context = libc.syscall(SYS_FSOPEN, b"bpf", 1)
    if context < 0:
        pytest.skip("this kernel or its policy lets no file system be opened unmounted")
    libc.syscall(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
    mount = libc.syscall(SYS_FSMOUNT, context, 1, 0)
    os.close(context)
    yield f"/proc/self/fd/{mount}"
    os.close(mount)


def test_a_pinned_map_is_shared(bpf_file_system: str) -> None:
    spec = COUNT.replace(pinning=f"{bpf_file_system}/count")
    with create_map(spec) as first, create_map(spec) as second:
        assert syscall.map_info(first.fd).id == syscall.map_info(second.fd).id
    with pytest.raises(LoadError, match="is another map"):
        create_map(spec.replace(value_size=16))


def test_pinning_where_there_is_no_bpf_file_system(tmp_path: Path) -> None:
    with pytest.raises(PinError, match=f"{tmp_path} is in no BPF file system"):
        create_map(COUNT.replace(pinning=str(tmp_path / "map")))


def test_a_core_question_of_hand_made_code() -> None:
    """The size of the kernel's task_struct, asked for by an object with a struct of its own."""
    builder = Builder()
    number = builder.add_struct("task_struct___local", 4)
    code = op.assemble(op.mov64_imm(op.R0, 4), op.exit_insn())
    obj = one_program(code, section="raw_tp")
    section = obj.sections[0].replace(core=(CoreReloc(0, number, "0", CoreKind.TYPE_SIZE),))
    kernel = kernel_btf()
    with load(obj.replace(sections=(section,), btf=builder.to_bytes())) as loaded:
        run = syscall.prog_test_run(loaded.programs["main"].fd)
    size = kernel.type(kernel.find("task_struct")).size  # type: ignore[attr-defined]
    assert run.retval == size
