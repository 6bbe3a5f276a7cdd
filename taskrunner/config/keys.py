"""The names of the settings: how they can be spelt, and which of them are secret.

Case and underscores do not matter: `max_workers`, `maxWorkers` and `MAX_WORKERS` are one key. A secret key
followed by `_file` names a file that holds the value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from taskrunner.config.config import Config
from taskrunner.config.sections.section import Section
from taskrunner.config.sections.workers import QueueSection
from taskrunner.config.values import Secret
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.value import Value

_FILE = "file"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{0,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The name of a setting, as in the file: `Workers`, `max_workers`."""

    section: str
    name: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def mapping(self) -> bool:
        """Whether the value is a mapping."""
        field = _field(self.section, self.name)
        return field is None or get_origin(field.annotation) is dict or field.annotation is QueueSection

    @property
    def nested(self) -> bool:
        """Whether the values of that mapping are mappings, too."""
        field = _field(self.section, self.name)
        kinds = () if field is None else get_args(field.annotation)
        return bool(kinds) and self.mapping and (issubclass(kinds[1], Value) or kinds[1] is HostLimit)

    @property
    def secret(self) -> bool:
        """Whether the value must not be shown."""
        field = _field(self.section, self.name)
        return field is not None and any(isinstance(mark, Secret) for mark in field.metadata)

    @property
    def default(self) -> object:
        """None also for a name that the user chose."""
        field = _field(self.section, self.name)
        return None if field is None else field.get_default(call_default_factory=True)


@cache
def section_models() -> Mapping[str, type[Section]]:
    """The sections by their names in the file, in its order."""
    models: dict[str, type[Section]] = {}
    for attribute, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            models[attribute.capitalize()] = field.annotation
    return models


def every_key() -> list[Key]:
    """All settings, in the order of the file."""
    return [
        Key(section=section, name=name)
        for section, model in section_models().items()
        for name in model.model_fields
    ]


def find_section(name: str) -> str | None:
    """The section of this name, in any spelling, or None."""
    return {_folded(section): section for section in section_models()}.get(_folded(name))


def find_key(section: str, name: str) -> tuple[Key, bool] | None:
    """The key of this name, in any spelling, and whether the name asks for the content of a file."""
    by_folded = {_folded(known): known for known in section_models()[section].model_fields}
    folded = _folded(name)
    if folded in by_folded:
        return Key(section=section, name=by_folded[folded]), False
    if folded.endswith(_FILE) and folded.removesuffix(_FILE) in by_folded:
        key = Key(section=section, name=by_folded[folded.removesuffix(_FILE)])
        return (key, True) if key.secret else None
    if section_models()[section].model_config.get("extra") == "allow":
        return Key(section=section, name=name), False
    return None


def _field(section: str, name: str) -> FieldInfo | None:
    """None for a name that the user chose, in a section of such names."""
    return section_models()[section].model_fields.get(name)


def section_names() -> list[str]:
    """The names of all sections, for proposals."""
    return list(section_models())


def key_names(section: str) -> list[str]:
    """The names of all keys of a section, for proposals."""
    keys = [key for key in every_key() if key.section == section]
    return [key.name for key in keys] + [f"{key.name}_file" for key in keys if key.secret]


def plain(name: str) -> str:
    """A name without what may be a value: YAML adds it to the name when the colon has no space behind it."""
    match = _PLAIN_NAME.match(name)
    start = match.group() if match else ""
    return name if start == name else f"{start}…"


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()
