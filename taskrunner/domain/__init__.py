"""The rules of taskrunner as pure values and functions: no I/O, no clock of its own, no threads."""
