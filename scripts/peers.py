"""The programs that ``make bench`` measures beside ours.

``python3 scripts/peers.py`` installs their Debian packages when run as root, and says what is
missing otherwise. Nothing else needs them, so nothing else installs them.
"""

from __future__ import annotations

import sys

import debian

PEERS = (
    debian.Command("bpftrace", "--version", ("bpftrace",), "a tracing language"),
    debian.Command("biolatency", "--version", ("libbpf-tools",), "the same tool, compiled from C"),
    debian.Command("bpftool", "version", ("bpftool", "linux-tools-generic"), "BTF read in C"),
    debian.Command("clang", "--version", ("clang",), "the same program, compiled from C"),
)


def main() -> None:
    """Install what is missing, or name it."""
    for row in PEERS:
        if debian.find(row) or any(debian.install(name) and debian.find(row) for name in row.packages):
            continue
        print(
            f"no working {row.name} (Debian package {row.packages[0]}): "
            f"`make bench` cannot show {row.why}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
