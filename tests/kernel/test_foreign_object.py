"""Objects that clang built from C: loaded, run, and the values that they saw checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyebpf.btf import Btf, Kind
from pyebpf.btf.layout import size_of
from pyebpf.btf.system import kernel_btf
from pyebpf.errors import NotSupportedError, VerifierError
from pyebpf.runtime import syscall
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.map_fd import MapFd
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.types import Array, Chars, DataType, Record
from tests.objects import compiled

pytestmark = pytest.mark.kernel

FEATURES = KernelFeatures(keep=False)
PR_SET_NAME, SCHED_OTHER, SCHED_RESET_ON_FORK = 15, 0, 0x40000000


def load(name: str, *flags: str, **options: Any) -> LoadedObject:
    obj = parse_object(compiled(name, *flags), name=name)
    resolver = CoreResolver(obj.btf, kernel_btf)
    return load_object(obj, features=FEATURES, resolver=resolver, **options)


def run(loaded: LoadedObject, name: str) -> int:
    return syscall.prog_test_run(loaded.programs[name].fd).retval


def value(opened: MapFd, key: bytes = bytes(4)) -> bytes:
    out, address = syscall.buffer(opened.spec.value_size)
    assert syscall.map_lookup(opened.fd, syscall.address_of(key), address)
    data: bytes = out.raw
    return data[: opened.spec.value_size]


def python_value(kind: DataType, data: bytes) -> Any:
    if isinstance(kind, Record):
        return {
            f.name: python_value(f.type, data[f.offset : f.offset + f.type.size])
            for f in kind.fields
        }
    if isinstance(kind, Array):
        size = kind.element.size
        return [
            python_value(kind.element, data[i * size : (i + 1) * size]) for i in range(kind.length)
        ]
    if isinstance(kind, Chars):
        return data.partition(b"\0")[0].decode()
    return int.from_bytes(data, "little", signed=getattr(kind, "signed", False))


def variables(opened: MapFd) -> dict[str, Any]:
    assert isinstance(opened.spec.value, Record)
    found: dict[str, Any] = python_value(opened.spec.value, value(opened))
    return found


# Maps and global data


@pytest.fixture
def maps() -> Iterator[LoadedObject]:
    with load("maps") as loaded:
        yield loaded


def test_global_data_is_read_and_written(maps: LoadedObject) -> None:
    assert run(maps, "work") == 0
    assert variables(maps.maps["maps.data"]) == {"counter": 46, "hidden_counter": 6}
    assert variables(maps.maps["maps.bss"]) == {
        "result": 46 + 6 + ord("e"),
        "results": [0, 0, 6, 0],
    }
    assert variables(maps.maps[".data.own"]) == {"own": 78}
    assert variables(maps.maps["maps.rodata"]) == {"factor": 3, "word": "seven"}


def test_a_struct_key_and_value_arrive(maps: LoadedObject) -> None:
    assert run(maps, "work") == 0
    records = maps.maps["records"]
    out, address = syscall.buffer(records.spec.key_size)
    assert syscall.map_next_key(records.fd, 0, address)
    key = out.raw
    assert records.spec.key is not None
    assert records.spec.value is not None
    assert python_value(records.spec.key, key) == {
        "pid": os.getpid(), "comm": "", "flag": 0, "where": 7,
    }  # fmt: skip
    assert python_value(records.spec.value, value(records, key)) == {
        "count": 6, "numbers": [0, -4, 0], "seen": 1, "from": 0,
    }  # fmt: skip


def test_entries_of_maps_of_maps_and_tail_calls(maps: LoadedObject) -> None:
    assert run(maps, "fill") == 0
    assert value(maps.maps["second"], (11).to_bytes(4, "little")) == (1234).to_bytes(8, "little")
    assert run(maps, "jump") == 21
    assert variables(maps.maps["maps.bss"])["results"][3] == 99


def test_the_kernel_knows_the_types_of_maps(maps: LoadedObject) -> None:
    info = syscall.map_info(maps.maps["records"].fd)
    assert info.btf_id
    assert info.btf_value_type_id == maps.maps["records"].spec.value_type
    assert syscall.map_info(maps.maps["maps.bss"].fd).btf_value_type_id


def test_sizes_can_be_changed_before_loading() -> None:
    with load("maps", map_sizes={"records": 7, "events": 5000}) as loaded:
        assert syscall.map_info(loaded.maps["records"].fd).max_entries == 7
        assert syscall.map_info(loaded.maps["events"].fd).max_entries == 8192


# Functions


def test_functions_of_every_kind_are_called() -> None:
    def twice(x: int) -> int:
        return 2 * x

    with load("calls") as loaded:
        assert run(loaded, "calls") == 0
        expected = (twice(10) + 1 + 100) + twice(4) + 3 * 7 + 2 * 2 + (5 + 1000)
        assert variables(loaded.maps["calls.bss"])["result"] == expected


def test_a_function_is_passed_as_a_callback(requires: Callable[[str], None]) -> None:
    requires("bpf_loop")
    with load("calls", only=["callback"]) as loaded:
        assert run(loaded, "callback") == 0
        assert variables(loaded.maps["calls.bss"])["result"] == sum(2 * i for i in range(10))


def test_a_program_in_a_section_on_demand() -> None:
    with load("calls") as loaded:
        assert {*loaded.programs} == {"calls"}
    with load("calls", only=["only_if_asked"]) as loaded:
        assert run(loaded, "only_if_asked") == 17


def test_the_older_instruction_set_links_too() -> None:
    with load("calls", "-mcpu=v2") as loaded:
        assert run(loaded, "calls") == 0


# CO-RE


@pytest.fixture(scope="module")
def core() -> Iterator[LoadedObject]:
    with load("core") as loaded:
        yield loaded


@pytest.fixture
def typed(requires: Callable[[str], None]) -> Iterator[LoadedObject]:
    requires("helper:get_current_task_btf@raw_tp")
    with load("core", only=["direct", "dead"]) as loaded:
        yield loaded


def answers(loaded: LoadedObject) -> dict[str, Any]:
    found: dict[str, Any] = variables(loaded.maps["core.bss"])["answers"]
    return found


def test_fields_are_read_where_this_kernel_has_them(core: LoadedObject) -> None:
    assert run(core, "fields") == 0
    found = answers(core)
    comm = Path("/proc/self/comm").read_text().strip()
    assert (found["pid"], found["tgid"], found["leader"]) == (os.getpid(),) * 3
    assert (found["parent"], found["comm"]) == (os.getppid(), comm)
    assert chr(found["third"]) == comm[2]


@pytest.mark.parametrize("reset", [True, False])
def test_a_bitfield_is_read(core: LoadedObject, reset: bool) -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            flag = SCHED_RESET_ON_FORK if reset else 0
            os.sched_setscheduler(0, SCHED_OTHER | flag, os.sched_param(0))
            assert run(core, "bits") == 0
            status = 0 if answers(core)["bit"] == reset else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_facts_about_types(core: LoadedObject) -> None:
    assert run(core, "facts") == 0
    found, kernel = answers(core), kernel_btf()
    task = kernel.find("task_struct", Kind.STRUCT)
    exists = {name: found[name] for name in found if name.endswith("exists")}
    assert exists == {
        "comm_exists": 1, "missing_exists": 0, "type_exists": 1, "missing_type_exists": 0,
        "enum_exists": 1, "missing_enum_exists": 0,
    }  # fmt: skip
    assert (found["type_size"], found["target_id"]) == (size_of(kernel, task), task)
    assert (found["comm_size"], found["pid_signed"], found["enum_value"]) == (16, 1, 27)
    local = Btf.parse(core.spec.btf)
    assert found["local_id"] == local.find("task_struct___mine")


def test_direct_loads_follow_offset_and_width(typed: LoadedObject) -> None:
    assert run(typed, "direct") == 0
    found = answers(typed)
    assert found["btf_pid"] == os.getpid()
    flags = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[6])
    assert found["flags"] == flags < 1 << 32


def test_code_that_is_never_reached_may_ask_for_what_is_not_there(typed: LoadedObject) -> None:
    assert run(typed, "dead") == 0
    assert answers(typed)["dead"] == 55
    assert len(typed.programs["dead"].linked.poisoned) == 1


def test_code_that_is_reached_is_refused_and_says_what_is_missing(
    requires: Callable[[str], None],
) -> None:
    requires("helper:get_current_task_btf@raw_tp")
    with pytest.raises(VerifierError) as caught:
        load("core", only=["alive"])
    text = str(caught.value)
    assert "`alive`: `struct task_struct` of this kernel has no field `no_such_field`" in text
    assert "answers.dead = task->no_such_field;" in text
    assert "core.c:" in text


def test_a_second_load_asks_the_kernel_nothing() -> None:
    obj = parse_object(compiled("core"), name="core")
    first = CoreResolver(obj.btf, kernel_btf)
    load_object(obj, features=FEATURES, resolver=first).close()

    def forbidden() -> Btf:
        raise AssertionError("the kernel's types were looked at")

    second = CoreResolver(obj.btf, forbidden)
    second.load(first.dump())
    with load_object(obj, features=FEATURES, resolver=second) as loaded:
        assert run(loaded, "fields") == 0
        assert answers(loaded)["pid"] == os.getpid()
    assert not second.asked


# Symbols of the kernel


def test_weak_symbols_are_absent_and_their_types_do_not_disturb_the_kernel() -> None:
    with load("externs") as loaded:
        assert run(loaded, "weak") == 2
        assert run(loaded, "weak_call") == 4


def test_other_symbols_are_named() -> None:
    with pytest.raises(NotSupportedError, match=r"'strong' needs 'CONFIG_HZ', a kernel config"):
        load("externs", only=["strong"])
