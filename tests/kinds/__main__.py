"""Run all cases on this kernel, or those named: a line of JSON for each."""

from __future__ import annotations

import json
import sys

from tests.kinds import CASES, run


def main(kinds: list[str]) -> int:
    """Print the outcomes; return 1 if one is wrong."""
    wrong = 0
    for kind in kinds or CASES:
        outcome = run(CASES[kind])
        wrong += bool(outcome.wrong)
        print(json.dumps(outcome._asdict()), flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
