"""List which processes hold BPF programs, maps and links.

What a process has open more than once counts once, and what several processes have open counts for
each. What none has open (pinned, or attached to a device) is not seen: bpftool lists that.

Output:   a row for each process and type; with -v also how many probes of each kind the links are
          for, and perf events of these processes; with -vv each object before that. Kernels before
          5.15 attach through perf events alone, and older ones than 6.17 do not say what for.
Needs:    root, to see the files of other users' processes; without it they are left out.
Source:   behaviour after BCC's bpflist (Sasha Goldshtein, 2017); written from scratch.
"""

from __future__ import annotations

import sys
from typing import Any

from pyebpf import Const
from pyebpf.cli import Column, Table, Tool
from pyebpf.host.bpf_files import BpfFile, bpf_files, named_probes

verbosity = Const(
    0, "-v", "--verbosity", counted=True, help="count probes as well; twice: list all objects, too"
)

COUNTS = Table(Column("PID", 6), Column("COMM", 16), Column("TYPE", 14), Column("COUNT", 6))
OBJECTS = Table(
    Column("PID", 6), Column("COMM", 16), Column("FD", 4), Column("TYPE", 10), Column("ID", 8),
    Column("KIND", 16), Column("WHAT", 1),
)  # fmt: skip


def report(options: Any) -> list[dict[str, Any]]:
    """Look at all processes: how many objects of each type each holds."""
    level, hidden = options.option(verbosity), list[int]()
    found = bpf_files(unreadable=hidden)
    held: dict[int, list[BpfFile]] = {}
    for file in {(f.pid, f.type, f.id or f.fd): f for f in found}.values():
        held.setdefault(file.pid, []).append(file)
    if hidden:
        missing = f"the files of {len(hidden)} other processes could not be looked at"
        print(f"bpflist: {missing}; root may look at most", file=sys.stderr)
    rows = []
    for pid, files in held.items():
        if all(file.type == "perf_event" for file in files):
            continue
        for kind, objects in sorted(counted(pid, files, level).items()):
            row = {"pid": pid, "comm": files[0].comm, "type": kind, "count": len(objects)}
            rows.append({**row, "objects": objects} if level > 1 else row)
    return rows


def counted(pid: int, files: list[BpfFile], level: int) -> dict[str, list[dict[str, Any]]]:
    """Group what a process holds by what the rows are about."""
    out: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        about = {"fd": file.fd, "id": file.id, "kind": file.kind, "what": what(file)}
        if file.type != "perf_event" or level:
            out.setdefault(file.type, []).append(about)
        if level and file.type == "link" and file.kind:
            out.setdefault(file.kind.replace("ret", ""), []).append(about)
    for probe in named_probes() if level else []:
        if probe.pid == pid:
            out.setdefault(probe.type, []).append(
                {"fd": "", "id": "", "kind": "", "what": probe.line}
            )
    return out


def what(file: BpfFile) -> str:
    """Say what an object is for, as far as the kernel tells."""
    said = file.info
    if file.type == "map":
        return f"{said.get('max_entries', '?')} entries, {said.get('memlock', '?')} bytes"
    hook = next((said[word] for word in ("tp_name", "name", "func") if word in said), "")
    offset = f"+{said['offset']}" if hook and said.get("offset", "0x0") != "0x0" else ""
    program = f" by program {said['prog_id']}" if file.type == "link" and "prog_id" in said else ""
    return f"{hook}{offset}{program}".strip()


def show(options: Any, rows: list[dict[str, Any]]) -> str:
    """Make the table, with -vv the objects before it."""
    lines = []
    if options.option(verbosity) > 1:
        lines = [OBJECTS.header(), *listed(rows), ""]
    counts = (COUNTS.row(row["pid"], row["comm"], row["type"], row["count"]) for row in rows)
    return "\n".join([*lines, COUNTS.header(), *counts])


def listed(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each object; links are listed once, though their probes count too."""
    named = {"prog", "map", "link", "perf_event"}
    return [
        OBJECTS.row(
            row["pid"], row["comm"], one["fd"], row["type"], one["id"], one["kind"], one["what"]
        )
        for row in rows
        for one in row["objects"]
        if row["type"] in named or not one["id"]
    ]


tool = Tool(
    __name__,
    probes=None,
    report=report,
    show=show,
    filters="it looks at all processes once, and traces nothing",
    most=lambda row: row["count"],
    examples="""
        bpflist      # which processes hold how many programs, maps and links
        bpflist -v   # and how many kprobes, uprobes, tracepoints these are
        bpflist -vv  # and each of them, with its number and what it is for
        bpflist -j   # a line of JSON for each row
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
