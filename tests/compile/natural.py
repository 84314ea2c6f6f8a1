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
    "056_mac_addresses": "`octets`, `read_user`",
    "057_ipv4_keys": "IP addresses",
    "058_ipv6_records": "IP addresses",
    "059_byte_order": "byte order",
    "060_connect_addresses": "IP addresses",
    "063_user_strings": "reads of user memory",
    "064_path_suffix": "text: `startswith`",
    "090_timers": "`Timer`",
    "093_functions_of_their_own": "`noinline`",
    "097_kernels_differ": "a conditional expression whose condition is `has_field`",
    "099_program_file": "text behind a pointer of the kernel",
    "100_per_second": "functions that return a tuple",
}
