"""Functions that tools share: called from probes, or about what probes saw. Kernel differences live here."""
