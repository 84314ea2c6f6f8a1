"""A hundred probes as users write them, in ``accept/natural``.

They were written before anybody tried what compiles.

``PENDING`` names those that do not compile yet, each with what it lacks. A row whose probe has
begun to compile fails: delete the row.
"""

from __future__ import annotations

from tests.compile.cases import HERE

NATURAL = sorted((HERE / "accept" / "natural").glob("*.py"))

PENDING: dict[str, str] = {}
