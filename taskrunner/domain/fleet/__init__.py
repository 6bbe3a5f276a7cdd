"""The fleet: figures and reports of processes, and how many workers there should be."""
