"""Probes in programs as compilers and distributions leave them: a copy of our own, one process."""

from __future__ import annotations

import ctypes
import lzma
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import Array, UprobeContext, UserPtr, load, read_user_str, u8, u64, uprobe, uretprobe
from pyebpf.dsl.probes import Probe
from pyebpf.errors import AttachError, FormatError, NotSupportedError
from pyebpf.runtime import debug_files
from pyebpf.runtime.binaries import file_offset, find_binary, matching_functions
from pyebpf.runtime.demangle import demangled
from pyebpf.runtime.image import open_image
from pyebpf.runtime.symbols.elf_symbols import functions_of
from tests.kernel.speakers import Program, Speaker, compiled, of_go, of_rust, speaking, tool

pytestmark = pytest.mark.kernel

seen = Array[u64](max_entries=4)


def watch(path: Path | str, symbol: str = "", **where: Any) -> Probe:
    """Count calls, and keep the second argument."""

    @uprobe(path, symbol, **where)
    def called(ctx: UprobeContext, first: u64, second: u64) -> None:
        seen[0] += 1
        seen[1] = second

    return called


@contextmanager
def watching(path: Path | str, symbol: str = "", **where: Any) -> Iterator[Callable[[], list[int]]]:
    with load(watch(path, symbol, **where)) as session:
        yield lambda: session[seen].values()[:2]


CPP = """
#include <iostream>
#include <string>
namespace shop {
struct Cart {
    __attribute__((noinline)) long price(int n) { asm volatile(""); return n * 2; }
    __attribute__((noinline)) long price(double n) { asm volatile(""); return (long)n * 3; }
    __attribute__((noinline)) long only(long n) const { asm volatile(""); return n + 1; }
    __attribute__((noinline)) long operator*(long n) { asm volatile(""); return n * 4; }
};
template <typename T> __attribute__((noinline)) T twice(T n, T m) { asm(""); return m * 2; }
}
namespace {
volatile long many = 25;
__attribute__((noinline)) long hidden(long n, long m) { asm volatile(""); return n + m; }
}
int main() {
    shop::Cart cart;
    std::string line;
    while (std::getline(std::cin, line)) {
        long all = cart.price(21) + cart.price(2.5) + cart.only(22) + cart * 23
            + shop::twice<long>(1, 24) + hidden(many, many);
        std::cout << all << std::endl;
    }
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("binaries")


@pytest.fixture(scope="module")
def shop(program: Program, folder: Path) -> Path:
    return compiled(program, folder / "shop", CPP, suffix=".cc")


@pytest.fixture
def shopper(shop: Path) -> Iterator[Speaker]:
    with speaking(shop) as made:
        yield made


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("_ZN4shop4Cart5priceEi", 21),
        ("shop::Cart::price(int)", 21),
        ("shop::Cart::only(long) const", 22),
        ("shop::Cart::only", 22),
        ("shop::Cart::operator*(long)", 23),
        ("shop::Cart::operator*", 23),
        ("long shop::twice<long>(long, long)", 24),
        ("(anonymous namespace)::hidden(long, long)", 25),
        ("(anonymous namespace)::hidden", 25),
    ],
)
def test_a_function_of_cpp(shop: Path, shopper: Speaker, name: str, argument: int) -> None:
    with watching(shop, name, pid=shopper.pid) as calls:
        shopper.say("go")
        shopper.say("go")
        assert calls() == [2, argument]


@pytest.mark.thorough
def test_a_name_of_cpp_that_is_none_is_answered_with_those_it_may_be(shop: Path) -> None:
    with pytest.raises(AttachError, match=r"no function 'shop::price'; the nearest: ") as caught:
        file_offset(str(shop), "shop::price")
    assert "_ZN4shop4Cart5priceEi (shop::Cart::price(int))" in str(caught.value)
    with pytest.raises(
        AttachError, match=r"_ZNK4shop4Cart4onlyEl \(shop::Cart::only\(long\) const\)"
    ):
        file_offset(str(shop), "only")


@pytest.mark.thorough
def test_a_name_of_several_functions_is_answered_with_all(shop: Path) -> None:
    with pytest.raises(AttachError, match="has 2 functions 'shop::Cart::price'") as caught:
        file_offset(str(shop), "shop::Cart::price")
    for name in ("_ZN4shop4Cart5priceEi", "_ZN4shop4Cart5priceEd"):
        assert name in str(caught.value)


@pytest.mark.thorough
def test_without_the_library_of_cpp_names_are_the_linkers(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyebpf.runtime.demangle._library", lambda: None)
    assert demangled("_ZN4shop4Cart5priceEi") == "_ZN4shop4Cart5priceEi"
    with pytest.raises(AttachError, match=r"no function .*; the nearest: .*_ZN4shop4Cart5priceEi"):
        file_offset(str(shop), "shop::Cart::price(int)")


C = """
#include <stdio.h>
__attribute__((noinline)) long work(long n, long m) { __asm__ volatile(""); return n + m; }
int main(void) {
    char line[64];
    while (fgets(line, sizeof line, stdin)) { printf("%ld\\n", work(1, 42)); fflush(stdout); }
}
"""


@pytest.fixture(scope="module")
def worker(program: Program, folder: Path) -> Path:
    return compiled(program, folder / "worker", C, "-Wl,--build-id")


@pytest.mark.thorough
@pytest.mark.parametrize("flags", [("-no-pie",), ("-pie", "-fPIE"), ("-static",)], ids=str)
def test_wherever_the_linker_puts_a_program(
    program: Program, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    made = compiled(program, tmp_path / "linked", C, *flags)
    with speaking(made) as speaker, watching(made, "work", pid=speaker.pid) as calls:
        assert speaker.say("go") == "43"
        assert calls() == [1, 42]


def test_a_stripped_program_by_the_place_in_the_file(worker: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    tool("strip", "-o", bare, worker)
    place = file_offset(str(worker), "work")
    with pytest.raises(AttachError, match="no function 'work'"):
        file_offset(str(bare), "work")
    with speaking(bare) as speaker, watching(bare, offset=place, pid=speaker.pid) as calls:
        speaker.say("go")
        assert calls() == [1, 42]


@pytest.mark.thorough
def test_a_place_without_code_is_refused(program: Program, tmp_path: Path) -> None:
    fixed = compiled(program, tmp_path / "fixed", C, "-no-pie")
    place = file_offset(str(fixed), "work")
    address = place + 0x400000
    said = f"; what has the address {address:#x} is at {place:#x}"
    with pytest.raises(AttachError, match=rf"no code {address:#x} bytes into the file .*{said}"):
        file_offset(str(fixed), "", address)
    with pytest.raises(
        AttachError, match=r"'work' of .* has \d+ bytes, and \+0x1000 is behind its end"
    ):
        file_offset(str(fixed), "work", 0x1000)
    with pytest.raises(FormatError, match="not a 64-bit ELF file"):
        file_offset(__file__, "work")


def by_build_id(symbols: Path, folder: Path, bare: Path) -> None:
    with debug_files.open_image(str(bare)) as image:
        ident = image.build_id()
    target = folder / ".build-id" / ident[:2] / f"{ident[2:]}.debug"
    target.parent.mkdir(parents=True)
    shutil.copy(symbols, target)


def by_link(symbols: Path, folder: Path, bare: Path) -> None:
    (bare.parent / ".debug").mkdir()
    target = bare.parent / ".debug" / f"{bare.name}.debug"
    shutil.copy(symbols, target)
    tool("objcopy", f"--add-gnu-debuglink={target}", bare)


def inside(symbols: Path, folder: Path, bare: Path) -> None:
    packed = folder / "packed"
    packed.write_bytes(lzma.compress(symbols.read_bytes()))
    tool("objcopy", f"--add-section=.gnu_debugdata={packed}", bare)


WITH, WITHOUT = "-Wl,--build-id", "-Wl,--build-id=none"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("put", "build_id"),
    [(by_build_id, WITH), (by_link, WITH), (by_link, WITHOUT), (inside, WITHOUT)],
)
def test_symbols_that_are_elsewhere(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    put: Callable[[Path, Path, Path], None], build_id: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(debug_files, "DEBUG_FOLDER", str(tmp_path / "debug"))
    (tmp_path / "debug").mkdir()
    whole = compiled(program, tmp_path / "whole", C, build_id)
    symbols, bare = tmp_path / "symbols", tmp_path / "bare"
    tool("objcopy", "--only-keep-debug", whole, symbols)
    tool("strip", "-o", bare, whole)
    put(symbols, tmp_path / "debug", bare)
    with speaking(bare) as speaker, watching(bare, "work", pid=speaker.pid) as calls:
        speaker.say("go")
        assert calls() == [1, 42]


@pytest.mark.thorough
def test_symbols_of_another_build_are_not_believed(
    program: Program, worker: Path, tmp_path: Path
) -> None:
    other = compiled(program, tmp_path / "other", C + "long more = 3;", "-Wl,--build-id")
    symbols, bare = tmp_path / "bare.debug", tmp_path / "bare"
    tool("objcopy", "--only-keep-debug", other, symbols)
    tool("strip", "-o", bare, worker)
    tool("objcopy", f"--add-gnu-debuglink={symbols}", bare)
    with pytest.raises(AttachError, match="no function 'work'"):
        file_offset(str(bare), "work")


VERSIONED = """
__asm__(".symver answer_old,answer@TINY_1");
__asm__(".symver answer_new,answer@@TINY_2");
__attribute__((noinline)) long answer_old(long n, long m) { __asm__ volatile(""); return m; }
__attribute__((noinline)) long answer_new(long n, long m) { __asm__ volatile(""); return m + 1; }
static long fast(long n, long m) { __asm__ volatile(""); return m + 2; }
static long slow(long n, long m) { __asm__ volatile(""); return m + 3; }
static void *resolve(void) { return fast; }
long chosen(long, long) __attribute__((ifunc("resolve")));
"""
VERSIONS = "TINY_1 { global: answer; local: *; }; TINY_2 { global: answer; chosen; } TINY_1;"
USER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
long answer(long, long);
long chosen(long, long);
int main(void) {
    char line[64];
    long (*old)(long, long) = dlvsym(RTLD_DEFAULT, "answer", "TINY_1");
    while (fgets(line, sizeof line, stdin)) {
        printf("%ld %ld %ld\\n", answer(0, 10), old(0, 20), chosen(0, 30));
        fflush(stdout);
    }
}
"""


@pytest.fixture(scope="module")
def tiny(program: Program, folder: Path) -> Path:
    """Make a library with versions, and with a function that is chosen; and what uses it."""
    (folder / "versions").write_text(VERSIONS)
    script = f"-Wl,--version-script={folder / 'versions'}"
    made = compiled(program, folder / "libtiny.so", VERSIONED, "-shared", "-fPIC", script)
    uses = ("-L", str(folder), "-ltiny", f"-Wl,-rpath,{folder}", "-ldl", "-Wl,-z,now")
    compiled(program, folder / "user", USER, *uses)
    return made


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "argument"), [("answer", 10), ("answer@@TINY_2", 10), ("answer@TINY_1", 20)]
)
@pytest.mark.parametrize("stripped", [False, True])
def test_versions_of_a_function(
    tiny: Path, tmp_path: Path, name: str, argument: int, stripped: bool
) -> None:
    library = tmp_path / "libtiny.so"
    tool("strip", "-o", library, tiny) if stripped else shutil.copy(tiny, library)
    with speaking(tiny.parent / "user", LD_LIBRARY_PATH=str(tmp_path)) as user:
        assert user.say("go") == "11 20 32"
        if str(library) not in Path(f"/proc/{user.pid}/maps").read_text():
            pytest.fail("the program uses another library")
        with watching(library, name, pid=user.pid) as calls:
            user.say("go")
            assert calls() == [1, argument]
    with pytest.raises(AttachError, match="in the versions TINY_1, TINY_2, not in TINY_3"):
        file_offset(str(library), "answer@TINY_3")


def test_a_library_is_the_one_that_the_process_has(tiny: Path) -> None:
    with pytest.raises(AttachError, match="no library libtiny"):
        find_binary("tiny")
    with speaking(tiny.parent / "user") as user, watching("tiny", "answer", pid=user.pid) as calls:
        user.say("go")
        assert calls() == [1, 10]


def test_a_chosen_function_is_found_in_the_memory_of_a_process(tiny: Path) -> None:
    with pytest.raises(AttachError, match=r"'chosen' .* one of several .*\(IFUNC\): give the pid="):
        file_offset(str(tiny), "chosen")
    with speaking(tiny.parent / "user") as user, watching(tiny, "chosen", pid=user.pid) as calls:
        user.say("go")
        assert calls() == [1, 30]
        assert file_offset(str(tiny), "chosen", pid=user.pid) == file_offset(str(tiny), "fast")


STATIC = """
#include <stdio.h>
static long fast(long n, long m) { __asm__ volatile(""); return m; }
static void *resolve(void) { return fast; }
long chosen(long, long) __attribute__((ifunc("resolve")));
int main(void) {
    char line[64];
    while (fgets(line, sizeof line, stdin)) { printf("%ld\\n", chosen(1, 42)); fflush(stdout); }
}
"""


@pytest.mark.thorough
@pytest.mark.parametrize("flags", [("-static",), ("-no-pie",), ("-pie", "-fPIE")], ids=str)
def test_a_chosen_function_of_a_program(
    program: Program, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    made = compiled(program, tmp_path / "linked", STATIC, *flags)
    with speaking(made) as speaker, watching(made, "chosen", pid=speaker.pid) as calls:
        speaker.say("go")
        assert calls() == [1, 42]


LENGTHS = """
#include <stdio.h>
#include <string.h>
size_t (*volatile length)(const char *) = strlen;
void *(*volatile copy)(void *, const void *, size_t) = memcpy;
int main(void) {
    char line[64], other[64];
    while (fgets(line, sizeof line, stdin)) {
        copy(other, line, sizeof line);
        printf("%zu\\n", length(other));
        fflush(stdout);
    }
}
"""
texts = Array[u64](max_entries=2)


@pytest.fixture
def measurer(program: Program, tmp_path: Path) -> Iterator[Speaker]:
    with speaking(compiled(program, tmp_path / "measurer", LENGTHS)) as made:
        yield made


def test_strlen_of_the_c_library_is_what_processes_call(measurer: Speaker) -> None:
    @uprobe("c", "strlen", pid=measurer.pid)
    def measures(ctx: UprobeContext, text: UserPtr[u8]) -> None:
        if read_user_str(text, 16) == "hello\n":
            texts[0] += 1

    with load(measures) as session:
        assert [measurer.say("hello"), measurer.say("other")] == ["6", "6"]
        assert session[texts][0] == 1


def test_functions_of_a_pattern_with_those_that_are_chosen() -> None:
    libc = find_binary("c")
    places = matching_functions(libc, "str*")
    assert ("strlen", file_offset(libc, "strlen")) in places
    assert ("strtol", file_offset(libc, "strtol")) in places
    address = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
    assert address is not None
    rows = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    mapped = [(*(int(n, 16) for n in row[0].split("-")), int(row[2], 16)) for row in rows]
    (place,) = (address - start + at for start, end, at in mapped if start <= address < end)
    assert file_offset(libc, "strlen") == place


def test_versions_of_the_c_library() -> None:
    libc = find_binary("c")
    rows = subprocess.run(
        ["readelf", "--dyn-syms", "-W", libc], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    old = [row.split() for row in rows if " FUNC " in row and " memcpy@GLIBC_" in row]
    if not old:
        pytest.skip("this C library has one memcpy only")
    (row,) = old
    assert file_offset(libc, row[7]) == int(row[1], 16)
    assert file_offset(libc, "memcpy") != int(row[1], 16)


GO = """
package main

import (
	"bufio"
	"fmt"
	"os"
)

type Cart struct{ n int }

//go:noinline
func (c *Cart) Price(n int, name string) int { return c.n + n + len(name) }

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println((&Cart{1}).Price(42, lines.Text()))
	}
}
"""
PRICE = "main.(*Cart).Price"


@pytest.fixture(scope="module")
def go_shop(program: Program, folder: Path) -> Path:
    return of_go(program, folder / "go-shop", GO)


@pytest.mark.thorough
def test_a_function_of_go_has_its_arguments(go_shop: Path) -> None:
    with speaking(go_shop) as speaker:

        @uprobe(go_shop, PRICE, pid=speaker.pid, abi="go")
        def priced(ctx: UprobeContext, cart: u64, n: u64, name: UserPtr[u8], length: u64) -> None:
            if read_user_str(name, 8).startswith("apples"):
                seen[0] += 1
            seen[1], seen[2] = n, length

        with load(priced) as session:
            assert speaker.say("apples") == "49"
            assert session[seen].values()[:3] == [1, 42, 6]


@pytest.mark.thorough
def test_arguments_of_go_are_not_mistaken_for_those_of_c(go_shop: Path) -> None:
    @uprobe(go_shop, PRICE)
    def argumentless(ctx: UprobeContext) -> None:
        seen[0] += 1

    @uprobe(go_shop, PRICE)
    def without_context(n: u64) -> None:
        seen[0] += n

    with speaking(go_shop) as speaker:
        with pytest.raises(AttachError, match="is a Go program"), load(without_context):
            pass
        with (
            pytest.raises(AttachError, match=r'is a Go program.*abi="go"'),
            watching(go_shop, PRICE),
        ):
            pass
        with load(argumentless, attach=False) as session:
            session.attach(argumentless, pid=speaker.pid)
            speaker.say("go")
            assert session[seen][0] == 1


@pytest.mark.thorough
def test_a_return_probe_would_end_a_program_of_go(go_shop: Path) -> None:
    @uretprobe(go_shop, PRICE)
    def returned(ctx: UprobeContext, ret: u64) -> None:
        seen[0] += 1

    with (
        pytest.raises(NotSupportedError, match="Go program, which moves its stacks"),
        load(returned),
    ):
        pass


@pytest.fixture(scope="module")
def go_stripped(go_shop: Path, folder: Path) -> Path:
    bare = folder / "go-stripped"
    tool("strip", "--strip-all", "-o", bare, go_shop)
    return bare


@pytest.mark.thorough
def test_the_runtime_of_go_says_the_functions_of_a_stripped_program(
    go_shop: Path, go_stripped: Path
) -> None:
    whole = dict(matching_functions(str(go_shop), "main.*"))
    assert sorted(whole) == [PRICE, "main.main"]
    assert dict(matching_functions(str(go_stripped), "main.*")) == whole
    # Of names with types the runtime has a part; of others that there are twice, one is made.
    places = {place: name for name, place in matching_functions(str(go_shop), "*")}
    bare = matching_functions(str(go_stripped), "*")
    assert len(bare) > 1000
    same = [places[place].removesuffix(".abi0") == name for name, place in bare if "[" not in name]
    assert all(same)
    with open_image(str(go_stripped)) as image:
        table = functions_of(image)
    (row,) = table.rows(np.array([whole[PRICE] + 1], np.uint64))
    assert table.name(int(row)) == PRICE


@pytest.mark.thorough
def test_a_function_of_a_stripped_program_of_go(go_stripped: Path) -> None:
    with speaking(go_stripped) as speaker:

        @uprobe(go_stripped, PRICE, pid=speaker.pid, abi="go")
        def priced(ctx: UprobeContext, cart: u64, n: u64) -> None:
            seen[0] += 1
            seen[1] = n

        with load(priced) as session:
            assert speaker.say("apples") == "49"
            assert session[seen].values()[:2] == [1, 42]


RUST = """
use std::io::BufRead;
mod shop {
    #[inline(never)]
    pub fn price(n: u64, m: u64) -> u64 { std::hint::black_box(n) * 2 + m }
}
fn main() {
    for line in std::io::stdin().lock().lines() {
        println!("{}", shop::price(line.unwrap().len() as u64, std::hint::black_box(42)));
    }
}
"""


@pytest.mark.thorough
def test_a_function_of_rust(program: Program, tmp_path: Path) -> None:
    made = of_rust(program, tmp_path / "rusty", RUST)
    with pytest.raises(AttachError, match="the nearest: ") as caught:
        file_offset(str(made), "price")
    offered = str(caught.value).partition("the nearest: ")[2].split(", ")
    (mangled,) = (name.partition(" ")[0] for name in offered if "shop5price" in name)
    names = [mangled]
    if mangled.startswith("_ZN"):  # what the library of C++ can read
        names.append("rusty::shop::price")
    for name in names:
        with speaking(made) as speaker, watching(made, name, pid=speaker.pid) as calls:
            assert speaker.say("four") == "50"
            assert calls() == [1, 42]
