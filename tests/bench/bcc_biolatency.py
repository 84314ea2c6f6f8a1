"""The README's program with BCC: ``python3 bcc_biolatency.py DEVICE``, where ``bcc`` is installed.

It says ``attached``, and after Ctrl-C prints its histogram.
"""

from __future__ import annotations

import contextlib
import sys
import time

from bcc import BPF  # type: ignore[import-not-found]

TEXT = """
BPF_HASH(begun, u64, u64);
BPF_HISTOGRAM(usecs);

TRACEPOINT_PROBE(block, block_rq_issue) {
  if (args->dev != DEVICE) return 0;
  u64 sector = args->sector, now = bpf_ktime_get_ns();
  begun.update(&sector, &now);
  return 0;
}

TRACEPOINT_PROBE(block, block_rq_complete) {
  if (args->dev != DEVICE) return 0;
  u64 sector = args->sector, *before = begun.lookup(&sector);
  if (!before) return 0;
  usecs.increment(bpf_log2l((bpf_ktime_get_ns() - *before) / 1000));
  begun.delete(&sector);
  return 0;
}
"""

if __name__ == "__main__":
    tracer = BPF(text=TEXT.replace("DEVICE", sys.argv[1]))
    print("attached", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(600)
    tracer["usecs"].print_log2_hist("usecs")
