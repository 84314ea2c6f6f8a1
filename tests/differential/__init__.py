"""Random programs of our language, run in CPython, in our interpreter and in the kernel."""
