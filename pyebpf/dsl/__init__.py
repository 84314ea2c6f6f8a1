"""The front end: declarations that users write, and the compiler from their functions to IR."""
