"""The kernel's binary interface as data: numbers, tables, layouts, instructions. Opens no file."""
