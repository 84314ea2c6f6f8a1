"""Functions of a binary by name: exact, with a version, demangled, or by a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError
from pyebpf.runtime.debug_files import images_with_symbols
from pyebpf.runtime.demangle import demangled, stands_for
from pyebpf.runtime.gopclntab import GoFunctions, go_functions
from pyebpf.runtime.image import Function, Image
from pyebpf.spec.patterns import matcher

#: How many names an error message offers.
_OFFERED = 5
_WORD = re.compile(r"[A-Za-z_]\w*")


def sources_of(image: Image) -> Iterator[Image | GoFunctions]:
    """Yield what says the functions of a binary: it, its debug files, and the runtime of Go.

    That one is asked where nothing has all symbols: it has no versions, and names less exactly what
    the compiler made.
    """
    has_all = False
    for source in images_with_symbols(image):
        yield source
        has_all = has_all or source.has_all_symbols()
    if not has_all and (found := go_functions(image)) is not None:
        yield found


def find_function(image: Image, wanted: str) -> Function:
    """Return the function of a name.

    Args:
        image: the binary; what it was stripped of is looked for in its debug files.
        wanted: the linker's name, also with a version, ``"memcpy@GLIBC_2.2.5"``; or that of C++ or
            Rust, ``"shop::price(int)"``, without parameters where only one function has the name.

    Raises:
        AttachError: there is none, or there are several; the message names what is near.
    """
    name, _, version = wanted.partition("@")
    for source in sources_of(image):
        found = list(source.functions_named(name))
        if version:
            found = _of_version(found, wanted, version.lstrip("@"), image)
        if found:
            return _one(found, wanted, image)
    for source in sources_of(image):
        found = [f for f in _mangled(source, wanted) if stands_for(f.name, wanted)]
        if found:
            return _one(found, wanted, image)
    raise AttachError(f"{image.path!r} has no function {wanted!r}{_hint(image, name)}", target=name)


def functions_like(image: Image, pattern: str) -> list[Function]:
    """Return the functions whose names match a pattern; no older versions of newer ones."""
    matches = matcher(pattern)
    found = [
        function
        for source in sources_of(image)
        for function in source.functions()
        if not function.is_old and matches(function.name)
    ]
    return list({(function.name, function.address): function for function in found}.values())


def _of_version(found: list[Function], wanted: str, version: str, image: Image) -> list[Function]:
    those = [function for function in found if function.version == version]
    versions = sorted({function.version for function in found} - {""})
    if versions and not those:
        raise AttachError(
            f"{image.path!r} has {wanted.partition('@')[0]!r} in the versions "
            f"{', '.join(versions)}, not in {version}",
            target=wanted,
        )
    return those


def _one(found: list[Function], wanted: str, image: Image) -> Function:
    """Choose as the linker would: the current version; what other files see first."""
    if "@" not in wanted:
        found = [f for f in found if not f.is_old] or found
    found = [f for f in found if not f.is_local] or found
    by_place = {function.address: function for function in found}
    if len(by_place) == 1:
        return found[0]
    which = [f"{_shown(f)} at {f.address:#x}" for f in islice(by_place.values(), _OFFERED)]
    raise AttachError(
        f"{image.path!r} has {len(by_place)} functions {wanted!r}: {', '.join(which)}; give the "
        f"whole name, or offset=, the place in the file: {image.place(found[0].address):#x} for "
        "the first",
        target=wanted,
    )


def _shown(function: Function) -> str:
    name = f"{function.name}@{function.version}" if function.is_old else function.name
    clear = demangled(function.name)
    return name if clear == function.name else f"{name} ({clear})"


def _mangled(source: Image | GoFunctions, wanted: str) -> Iterator[Function]:
    """Yield the functions that ``wanted`` may mean: mangled names have its last word in them."""
    word = _last_word(wanted)
    for function in source.functions("_Z"):
        if word in function.name:
            yield function


def _last_word(wanted: str) -> str:
    path = wanted.replace("(anonymous namespace)", "").partition("(")[0]
    words = [word for word in _WORD.findall(path.partition("<")[0]) if word != "operator"]
    return words[-1] if words and "operator" not in path else ""


def _hint(image: Image, name: str) -> str:
    names = {f.name: f for source in sources_of(image) for f in source.functions()}
    if not names:
        return (
            ": it is stripped, and no debug file for it is installed; offset= takes the place of "
            "an instruction in the file"
        )
    word = _last_word(name) or name
    inside = sorted((n for n in names if len(word) > 2 and word in n), key=lambda n: (len(n), n))
    offered = [_shown(names[n]) for n in inside[:_OFFERED]] or nearest(name, names)
    return f"; the nearest: {', '.join(offered)}" if offered else ""
