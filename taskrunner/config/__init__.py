"""The configuration: every setting with its default, and the way from file, environment and flags to it."""

from taskrunner.config.config import Config
from taskrunner.config.loading import Reading, load, read

__all__ = ["Config", "Reading", "load", "read"]
