"""The configuration: every setting with its reason, and how it is read from file, environment and flags.

Two suffixes tell the classes apart:

- `...Section`: a section of the file. It checks what operators write, and explains each setting.
- `...Settings`: what a service, or the decision that it makes, is configured by. It has the only default of
  each setting. The section takes the default from it, and fills it by the names of the fields.

The parts of `...Settings` have the names of things: `TaskLimits` (the most that a task may ask for),
`TaskDefaults` and `CallbackDefaults` (what it gets when it says nothing), and values that tasks or operators
define, such as `RetryPolicy`, `SsrfPolicy`, `TlsProfile` and `HostLimit`.
"""

from taskrunner.config.config import Config
from taskrunner.config.loading import Reading, load, read

__all__ = ["Config", "Reading", "load", "read"]
