"""The messages and services of proto/taskrunner/v1, made by `make proto`."""
