"""Count garbage collections of Python by generation, if it has probes (USDT), as Debian's has.

sudo python examples/usdt.py                # of all that run python3
sudo python examples/usdt.py 1234           # of process 1234
"""

import sys
from contextlib import suppress

from pyebpf import Hash, UprobeContext, i32, load, u64, usdt

pid = int(sys.argv[1]) if sys.argv[1:] else None
collections = Hash[i32, u64](max_entries=8)


@usdt(f"/proc/{pid}/exe" if pid else "python3", "python:gc__start", pid=pid)
def starts(ctx: UprobeContext, generation: i32) -> None:
    collections[generation] += 1


with load(starts) as session:
    print("Counting garbage collections... Hit Ctrl-C to end.", flush=True)
    with suppress(KeyboardInterrupt):
        session.sleep(float("inf"))
    for generation, count in session[collections].items():
        print(f"generation {generation}: {count}")
