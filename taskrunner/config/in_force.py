"""Which settings are in force, with their sources: what `config show` and `GET /settings` tell."""

from taskrunner.config.config import Config
from taskrunner.config.keys import section_models
from taskrunner.domain.setting import DEFAULT, SettingInForce


def in_force(config: Config) -> list[SettingInForce]:
    """Every setting, in the order of the file. Secrets are masked, also among the defaults."""
    defaults = Config()
    shown_defaults = defaults.redacted()
    found = []
    for section, values in config.redacted().items():
        model = section_models()[section]
        given, default = getattr(config, section.lower()), getattr(defaults, section.lower())
        for name, value in values.items():
            field = model.model_fields.get(name)
            # A name that the user chose, such as that of a queue, has no default.
            is_default = field is not None and getattr(given, name) == getattr(default, name)
            found.append(
                SettingInForce(
                    section=section,
                    name=name,
                    value=value,
                    default=shown_defaults[section].get(name),
                    is_default=is_default,
                    source=config.sources.get(f"{section}.{name}", DEFAULT),
                    description="" if field is None else field.description or "",
                )
            )
    return found
