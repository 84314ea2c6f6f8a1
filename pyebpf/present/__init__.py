"""What results look like: histograms, tables, JSON lines. Strings come out; nothing is printed."""
