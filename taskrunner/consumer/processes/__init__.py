"""The process: worker threads in a process of their own, so that they and the loop run Python at once."""
