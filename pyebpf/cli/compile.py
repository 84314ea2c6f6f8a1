"""The command ``pyebpf compile``: the probes of a program as an object that any loader takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError
from pyebpf.cli.programs import DEFINE, PROGRAM_HELP, chosen, read_program
from pyebpf.loading import compile_probes
from pyebpf.progress import doing
from pyebpf.targets import btf_target

if TYPE_CHECKING:
    from pyebpf.cli.commands import Given
    from pyebpf.spec.target import Target

_ABOUT = f"""\
Compile the probes of a Python program into one ELF object, for this kernel or for another one that
a file of types describes, without loading it and without root. libbpf, bpftool and other loaders
take it: fields of the kernel are found again where it is loaded (CO-RE), and maps and programs have
the names that the program gives them.

{PROGRAM_HELP}"""
_OPTIONS = (
    option("-o", "--output", metavar="OBJECT", help="the file to write"),
    DEFINE,
    option(
        "--target",
        metavar="BTF",
        help="compile for the kernel of these types: raw BTF, or a vmlinux",
    ),
    option("--arch", metavar="NAME", help="its machine, if the types do not tell: x86_64, aarch64"),
    option("--license", metavar="TEXT", help="what the programs tell the kernel (default: GPL)"),
)
_EXAMPLES = """
pyebpf compile probe.py -o probe.o
pyebpf compile probe.py -o probe.arm64.o --target vmlinux-arm64.btf
pyebpf compile pyebpf.tools.biolatency -D queued -o biolatency.o
sudo bpftool prog loadall probe.o /sys/fs/bpf/probe
"""
ARGUMENTS = Arguments("compile", _ABOUT, _OPTIONS, _EXAMPLES)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError, OSError: nothing was compiled, or it could not be written.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("compile takes one PROGRAM")
    if not given.get("o"):
        raise UsageError("-o says where to put the object")
    program = read_program(given.words[0])
    options = chosen(program, given.all("D"))
    with doing("compiling the probes"):
        compiled = compile_probes(
            *program.probes,
            target=_target(given),
            options=options,
            license=given.get("license", "GPL"),
        )
    output.write_file(given.get("o"), compiled.object)
    output.write(f"{given.get('o')}: {', '.join(info.name for info in compiled.programs)}\n")
    return 0


def _target(given: Given) -> Target | None:
    """Return the kernel to compile for; None for the running one."""
    if "target" in given:
        return btf_target(given.get("target"), arch=given.get("arch", ""))
    if "arch" in given:
        raise UsageError("--arch says of which machine the kernel of --target is")
    return None
