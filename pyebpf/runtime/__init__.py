"""The run half: object files into the kernel, and data out of it. Knows no AST and no LLVM."""
