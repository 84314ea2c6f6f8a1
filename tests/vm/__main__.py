"""The command line: ``python -m tests.vm --help``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from scripts.archive import SetupError, Suite
from tests.vm import beside, image, kinds, logs, machine, native, programs, suite, userspace
from tests.vm.kernels import ROWS, names, newest, row
from tests.vm.machine import FAILED, Job


def main(words: list[str]) -> int:
    """Do what is asked; return the exit status."""
    words, command = _split(words)
    asked = _parser().parse_args(words)
    # Ended from outside as by Ctrl-C: what was started and mounted goes away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(asked.verb(asked, command))
    except (SetupError, ValueError) as err:
        print(f"tests.vm: {err}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description="Other kernels.")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("list", help="the table, with the newest release of each row")
    verb.set_defaults(verb=_list)
    verb = verbs.add_parser("get", help="download and unpack kernels")
    verb.add_argument("kernels", nargs="*", metavar="KERNEL")
    verb.set_defaults(verb=_get)
    verb = verbs.add_parser("run", help="run a command on a kernel: run 6.1 -- uname -r")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--writable", type=Path, action="append", default=[], metavar="DIR",
                      help="a directory whose changes outlive the machine")  # fmt: skip
    verb.add_argument("--memory", type=int, default=1536, metavar="MIB")
    verb.add_argument("--limit", type=float, default=300, metavar="SECONDS")
    verb.add_argument("--console", action="store_true", help="show what the kernel said, too")
    verb.set_defaults(verb=_run)
    verb = verbs.add_parser("test", help="run the kernel tests: test 5.10 6.1 -- -k language")
    verb.add_argument("kernels", nargs="*", metavar="KERNEL", help="without any: all rows")
    verb.add_argument(
        "--ci", action="store_true", help="the rows, and the tests, that each change is tested with"
    )
    verb.add_argument("--limit", type=float, default=2400, metavar="SECONDS", help="for each row")
    verb.add_argument("--page", type=Path, metavar="FILE", help="write a table of the outcomes")
    verb.set_defaults(verb=_test)
    verb = verbs.add_parser("programs", help="run random programs: programs 5.10 --count 1000")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--count", type=int, default=1000, help="how many")
    verb.add_argument("--seed", type=int, default=1, help="the first one's seed")
    verb.set_defaults(verb=_programs)
    verb = verbs.add_parser("kinds", help="run a program of each kind here and on the kernels")
    verb.add_argument("kernels", nargs="*", metavar="KERNEL", help="without any: all rows")
    verb.add_argument("--page", type=Path, metavar="FILE", help="write the table, too")
    verb.set_defaults(verb=_kinds)
    verb = verbs.add_parser("beside", help="run tools and their peers: beside 6.1 opensnoop")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("tools", nargs="*", metavar="TOOL", help="without any: all")
    verb.add_argument("--page", type=Path, metavar="FILE", help="keep what is found, write all")
    verb.add_argument("--limit", type=float, default=3600, metavar="SECONDS")
    verb.set_defaults(verb=_beside)
    verb = verbs.add_parser("bench", help="measure on a kernel: bench 6.12 -- -k attaching")
    verb.add_argument("kernel", metavar="KERNEL")
    verb.add_argument("--limit", type=float, default=900, metavar="SECONDS")
    verb.set_defaults(verb=_bench)
    verb = verbs.add_parser("logs", help="keep what the verifiers say of wrong programs")
    verb.add_argument("kernels", nargs="*", metavar="KERNEL", help="without any: all rows")
    verb.set_defaults(verb=_logs)
    return parser


def _beside(asked: argparse.Namespace, _: list[str]) -> int:
    return beside.run(row(asked.kernel), asked.tools, asked.page, asked.limit)


def _list(_: argparse.Namespace, __: list[str]) -> int:
    for known in ROWS:
        release = newest(known, Suite(known.suite, known.arch).packages("linux-image-"))
        mark = f"each change: {' and '.join(known.ci)}" if known.ci else ""
        print(f"{known.name:<10}{release or 'gone':<26}{known.suite:<20}{mark:<33}{known.why}")
    return 0


def _get(asked: argparse.Namespace, _: list[str]) -> int:
    for name in asked.kernels or names(ROWS):
        kernel = image.get(row(name))
        print(f"{name}: {kernel.release} in {kernel.folder}", flush=True)
    return 0


def _run(asked: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise ValueError("no command: run KERNEL -- command [argument ...]")
    job = Job(
        command, Path.cwd(), tuple(path.resolve() for path in asked.writable),
        limit=asked.limit, memory=asked.memory,
    )  # fmt: skip
    try:
        result = machine.run(image.get(row(asked.kernel)), job)
    except machine.LimitError as err:
        print(f"tests.vm: {err}", file=sys.stderr)
        return machine.TIMED_OUT
    if asked.console:
        print(result.console, file=sys.stderr)
    return result.code


def _bench(asked: argparse.Namespace, arguments: list[str]) -> int:
    words = [userspace.PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-s", "-m", "bench"]
    environment = {"PYTHONPATH": str(userspace.ROOT), native.NATIVE_LOOP: str(native.loop_s())}
    job = Job([*words, "tests/bench", *arguments], userspace.ROOT, limit=asked.limit,
              environment=environment)  # fmt: skip
    return machine.run(image.get(row(asked.kernel)), job).code


def _logs(asked: argparse.Namespace, _: list[str]) -> int:
    return max(logs.keep(row(name)) for name in asked.kernels or names(ROWS))


def _programs(asked: argparse.Namespace, _: list[str]) -> int:
    return int(programs.check(row(asked.kernel), asked.seed, asked.count) > 0)


def _kinds(asked: argparse.Namespace, _: list[str]) -> int:
    return kinds.test([row(name) for name in asked.kernels or names(ROWS)], asked.page)


def _test(asked: argparse.Namespace, arguments: list[str]) -> int:
    rows = [row(name) for name in asked.kernels] or list(ROWS)
    if arguments:
        jobs: list[suite.Selected] = [(row, arguments) for row in rows]
    elif asked.ci:
        jobs = [(row, suite.CI_SELECTIONS[part]) for row in rows for part in row.ci]
    else:
        jobs = [(row, suite.SELECTION) for row in rows]
    return suite.test(jobs, asked.limit, asked.page)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
