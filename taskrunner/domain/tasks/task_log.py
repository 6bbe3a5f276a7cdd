"""The log of a task: what handlers of users tell, beside our own log."""

# Its logger, which has the level of our own log.
TASK_LOGGER = "taskrunner.task"
# The attribute of its records that has the data of the task, whose secrets are masked.
TASK_DATA = "task_data"
