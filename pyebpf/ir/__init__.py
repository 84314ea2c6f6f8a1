"""The intermediate representation: what it is, what is legal, and the passes over it."""
