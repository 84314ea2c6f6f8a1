"""USDT probes: where a binary has them, where their arguments are, and code that reads these."""
