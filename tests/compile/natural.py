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
    "030_sliding_window": "`FixedArray`",
    "033_local_array": "local arrays",
    "034_lookup_table": "local arrays",
    "036_dot_product": "local arrays",
    "047_table_of_names": "constant dicts of the module",
    "052_nested_records": "a choice between two places of one entry",
    "053_array_of_records": "`FixedArray`",
    "054_bit_fields": "`bits`",
    "055_unions": "`FixedArray`",
    "057_ipv4_keys": "`ipv4` of a number that may have more than 32 bits",
    "059_byte_order": "`ntohs` of a number that may have more than 16 bits",
    "060_connect_addresses": "`read_user` of a struct of the kernel",
    "063_user_strings": "reads of user memory",
    "090_timers": "`Timer`",
    "093_functions_of_their_own": "`noinline`",
    "097_kernels_differ": "a conditional expression whose condition is `has_field`",
    "099_program_file": "text behind a pointer of the kernel",
    "100_per_second": "functions that return a tuple",
}
