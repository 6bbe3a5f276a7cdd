"""Loading: flags before environment before file before defaults, and every finding with its source."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from taskrunner.config.config import Config
from taskrunner.config.cross_checks import find_contradictions
from taskrunner.config.environment import read_environment, read_operator_names
from taskrunner.config.file import find_file, read_file
from taskrunner.config.keys import Key, section_models
from taskrunner.config.layers import Layer, Setting
from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.validation import finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A configuration, and its file."""

    config: Config
    path: Path | None


def load(
    path: Path | str | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    search: bool = True,
    defaults: Mapping[str, object] | None = None,
    fixed: Mapping[str, object] | None = None,
) -> Config:
    """The configuration. Raises `ConfigInvalid` with everything that is wrong in all sources.

    `path` is the file to read; without a path, the file is that of `TASKRUNNER_CONFIG`, or else `config.yaml`
    in `folder` (the current one). `flags` are given by the name of the setting (`Workers.queues`); None means
    not given. `environ` is that of the process by default. Without `search` only `path` is read. `defaults`
    are given as `flags` are, and count where nothing else is given; `fixed` are what the command decides,
    whatever else is given.
    """
    reading = read(
        path,
        flags=flags,
        environ=environ,
        folder=folder,
        search=search,
        defaults=defaults,
        fixed=fixed,
    )
    return reading.config


def read(
    path: Path | str | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    search: bool = True,
    defaults: Mapping[str, object] | None = None,
    fixed: Mapping[str, object] | None = None,
) -> Reading:
    """As `load`, with the file."""
    variables = os.environ if environ is None else environ
    given = Path(path) if path is not None else None
    found = find_file(given, variables, folder or Path()) if search else given
    findings: list[FieldError] = []
    layers = [read_operator_names(variables), read_environment(variables), _read_flags(flags or {})]
    if found is not None:
        try:
            layers.insert(0, read_file(found))
        except ConfigInvalid as exc:
            findings += exc.errors
    layers.insert(0, _read_flags(defaults or {}, source="default of the command"))
    layers.append(_read_flags(fixed or {}, source="the command"))
    for layer in layers:
        findings += layer.findings
    settings = _overlay(layers)
    config, more = _build(settings)
    if findings or more:
        raise ConfigInvalid([*findings, *more])
    sources = {str(key): each.source for key, each in settings.items()}
    return Reading(config=config.with_sources(sources), path=found)


# Those that are not called as their setting, since another one has its name.
_FLAGS: Mapping[str, str] = {"Grpc.port": "--grpc-port"}


def _read_flags(flags: Mapping[str, object], *, source: str | None = None) -> Layer:
    """Those of flags, unless they have another source."""
    layer = Layer()
    for path, value in flags.items():
        section, _, name = path.partition(".")
        if name not in section_models()[section].model_fields:
            raise KeyError(path)
        if value is None:
            continue
        flag = _FLAGS.get(path) or f"--{name.replace('_', '-')}"
        layer.put(
            Setting(key=Key(section=section, name=name), value=value, source=source or flag, label=flag)
        )
    return layer


def _overlay(layers: list[Layer]) -> dict[Key, Setting]:
    """The value that counts for each setting; those of the strongest source come last."""
    settings: dict[Key, Setting] = {}
    for layer in layers:
        for key, setting in layer.settings.items():
            if setting.value is not None or key.default is None:
                settings.pop(key, None)
                settings[key] = setting
    return settings


def _build(settings: dict[Key, Setting]) -> tuple[Config, list[FieldError]]:
    """The configuration, with defaults in place of unusable values, and the findings."""
    findings: dict[Key, FieldError] = {}
    usable = dict(settings)
    while True:
        try:
            config = Config.model_validate(_nested(usable))
        except ValidationError as exc:
            for detail in exc.errors(include_url=False):
                key = Key(section=str(detail["loc"][0]).capitalize(), name=str(detail["loc"][1]))
                inner = [str(part) for part in detail["loc"][2:]] if key.mapping and not key.secret else []
                label = ".".join([settings[key].label, *inner])
                findings.setdefault(key, FieldError(field=label, message=finding(detail, hidden=key.secret)))
                usable.pop(key, None)
        else:
            return config, [*findings.values(), *_crossed(config, usable, findings.keys())]


def _crossed(config: Config, settings: Mapping[Key, Setting], wrong: Collection[Key]) -> list[FieldError]:
    findings = []
    for crossing in find_contradictions(config):
        if wrong and set(crossing.keys) & set(wrong):
            continue
        labels = [setting.label for key, setting in settings.items() if key in crossing.keys]
        findings.append(FieldError(field=labels[-1] if labels else "", message=crossing.message))
    return findings


def _nested(settings: Mapping[Key, Setting]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {}
    for key, setting in settings.items():
        nested.setdefault(key.section.lower(), {})[key.name] = setting.value
    return nested
