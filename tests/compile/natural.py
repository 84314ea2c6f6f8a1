"""A hundred probes as users write them, in ``accept/natural``.

They were written before anybody tried what compiles.

``PENDING`` names those that do not compile yet, each with what it lacks. A row whose probe has
begun to compile is reported as XPASS: delete the row.
"""

from __future__ import annotations

from tests.compile.cases import HERE

NATURAL = sorted((HERE / "accept" / "natural").glob("*.py"))

PENDING: dict[str, str] = {
    "018_tuple_values": "`pop` of a tuple",
    "030_sliding_window": "`setdefault` of a record that need not be tested for None",
    "047_table_of_names": "constant dicts of the module",
    "057_ipv4_keys": "`ipv4` of a u64 that may be too large",
    "059_byte_order": "`ntohs` of a u64 that may be too large",
    "060_connect_addresses": "`read_user` of a kernel struct",
    "090_timers": "`Timer`",
    "097_kernels_differ": "a conditional expression whose condition is `has_field`",
    "099_program_file": "text behind a pointer of the kernel",
    "100_per_second": "functions that return a tuple",
}
