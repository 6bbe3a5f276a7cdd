"""The reload: SIGHUP reads the configuration again, and what can change in a running process changes.

A configuration with a finding changes nothing. A setting that needs a restart is reported and stays as it is.
"""

from collections.abc import Callable, Mapping

from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.config import Config
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.process_events import ConfigRefused, ConfigReloaded

Read = Callable[[], Config]
Apply = Callable[[Config], None]

# Servers take it for the length of a request line, and worker processes check redirects by it.
_NEED_RESTART = frozenset({"Limits.max_url_bytes"})


class Reload:
    """Applies API keys, queues, task limits, secrets and credentials, host limits and the level of the log.

    And what the command adds.
    """

    def __init__(self, platform: Platform, monitor: Monitor, read: Read) -> None:
        self._platform = platform
        self._read = read
        self._applied: dict[str, Apply] = {
            "Api.keys": lambda config: platform.keys.configure(config.api_keys()),
            "Limits": self._apply_limits,
            "Callbacks.secrets": self._apply_limits,
            "Fetch.credentials": self._apply_credentials,
            "Fetch.issuer": self._apply_credentials,
            "Queues": self._apply_queues,
            "Hosts.limits": lambda config: platform.hosts.configure(config.hosts.limits),
            "Logger.level": lambda config: monitor.set_log_level(config.logger.level),
        }

    def add(self, setting: str, apply: Apply) -> None:
        """Also apply a setting, or change a further place when one of the others changes."""
        before = self._applied.get(setting)

        def both(config: Config) -> None:
            if before is not None:
                before(config)
            apply(config)

        self._applied[setting] = both

    def _apply_limits(self, config: Config) -> None:
        self._platform.task_settings.configure(config.task_settings())

    def _apply_queues(self, config: Config) -> None:
        self._platform.queues.configure(config.queues.weights())

    def _apply_credentials(self, config: Config) -> None:
        self._apply_limits(config)
        self._platform.token_keys.configure(config.fetch.issuer, config.fetch.credentials)

    def __call__(self) -> None:
        """Read and apply. Raises nothing: the process goes on as it was."""
        events = self._platform.events
        try:
            config = self._read()
            self._platform.keys.check_names(config.api_keys())
        except ConfigInvalid as exc:
            events.emit(ConfigRefused(error=str(exc)))
            return
        changed = _changes(self._platform.config, config)
        applied = sorted({each for each in changed if self._name_of(each) is not None})
        # What needs a restart is reported at each reload until it happens, and nothing takes it over before:
        # tasks accepted with a new TLS profile could not be sent.
        self._platform.config = _with_applied(self._platform.config, config, applied)
        for name in {self._name_of(each) for each in applied}:
            if name is not None:
                self._applied[name](self._platform.config)
        events.emit(
            ConfigReloaded(changed=tuple(applied), need_restart=tuple(sorted(set(changed) - set(applied))))
        )

    def _name_of(self, setting: str) -> str | None:
        """The entry of `_applied` that a changed setting belongs to."""
        if setting in _NEED_RESTART:
            return None
        section = setting.partition(".")[0]
        return setting if setting in self._applied else section if section in self._applied else None


def _changes(before: Config, after: Config) -> list[str]:
    """The settings that differ, by their names in the file."""
    return [
        f"{section.capitalize()}.{name}"
        for section, model in before
        # Iterating over a section gives pairs, also of names that the user chose.
        for name in dict.fromkeys(name for name, _ in (*model, *getattr(after, section)))
        if getattr(model, name, None) != getattr(getattr(after, section), name, None)
    ]


def _with_applied(before: Config, after: Config, applied: list[str]) -> Config:
    sections: dict[str, dict[str, object]] = {}
    for setting in applied:
        section, _, name = setting.partition(".")
        if section != "Queues":
            sections.setdefault(section.lower(), {})[name] = getattr(getattr(after, section.lower()), name)
    changed: dict[str, object] = {
        name: getattr(before, name).model_copy(update=values) for name, values in sections.items()
    }
    # Whole, since queues may be gone.
    config = before.model_copy(update=changed | {"queues": after.queues})
    return config.with_sources(_sources(before, after, config))


def _sources(before: Config, after: Config, now: Config) -> Mapping[str, str]:
    """The new ones; the old ones for settings that need a restart."""
    pending = set(_changes(now, after))
    old = {name: source for name, source in before.sources.items() if name in pending}
    return old | {name: source for name, source in after.sources.items() if name not in pending}
