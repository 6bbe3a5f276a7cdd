"""The version of this package; the only place that states it."""

__version__ = "0.1.0"
USER_AGENT = f"taskrunner/{__version__}"
