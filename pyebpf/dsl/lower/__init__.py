"""From the typed tree to IR. Decides nothing."""
