"""What is different in programs that the Go compiler made.

Source: "Go internal ABI specification" (``src/cmd/compile/abi-internal.md`` of Go); ``stack.go`` of
its runtime, which moves the stack of a goroutine when it grows.
"""

from __future__ import annotations

from pyebpf.errors import AttachError, NotSupportedError
from pyebpf.runtime.image import open_image


def check_go(path: str, *, returns: bool, c_arguments: bool) -> None:
    """Refuse a probe that would not work in a Go program; other programs are as they are.

    Args:
        path: the program.
        returns: the probe runs where a function returns.
        c_arguments: it has arguments, and takes them to be where C has them.

    Raises:
        NotSupportedError: of a return probe.
        AttachError: of arguments in the wrong registers.
    """
    with open_image(path) as image:
        if not image.is_go():
            return
    if returns:
        raise NotSupportedError(
            f"{path!r} is a Go program, which moves its stacks and ends when it finds the kernel's "
            "return address there: use @uprobe(…, offset=) at the function's RET instructions, "
            "which `go tool objdump` lists"
        )
    if c_arguments:
        raise AttachError(
            f"{path!r} is a Go program, whose functions do not get their arguments as C's do: "
            'write @uprobe(…, abi="go"), or abi="c" for a function that is exported to C',
            target=path,
        )
