"""Frozen data that the compile half and the run half exchange."""
