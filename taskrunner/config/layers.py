"""The settings of one source of configuration, and what is wrong with them."""

from dataclasses import dataclass, field
from pathlib import Path

from taskrunner.config.keys import Key, find_key, find_section, key_names, plain, section_names
from taskrunner.domain.errors import FieldError
from taskrunner.domain.messages import did_you_mean

# A secret is a line; a larger file is the wrong one.
_MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value for a setting. `source` is where it comes from, `label` how a finding names the place."""

    key: Key
    value: object
    source: str
    label: str


@dataclass(slots=True)
class Layer:
    """Collects settings and findings. A setting that is set twice is a finding."""

    settings: dict[Key, Setting] = field(default_factory=dict)
    findings: list[FieldError] = field(default_factory=list)

    def put(self, setting: Setting) -> None:
        """Add a setting, unless this layer has it."""
        earlier = self.settings.get(setting.key)
        if earlier is None:
            self.settings[setting.key] = setting
        elif earlier.label == setting.label:
            self.refuse(setting.label, "is given twice; keep one")
        elif earlier.value is None:
            self.settings[setting.key] = setting
        elif setting.value is not None:
            self.refuse(setting.label, f"sets the same as {earlier.label}; keep one of them")

    def refuse(self, label: str, message: str) -> None:
        """Add a finding."""
        self.findings.append(FieldError(field=label, message=message))

    def put_file(self, key: Key, path: Path, *, source: str, label: str) -> None:
        """Add a setting whose value is the content of a file, without the final line break."""
        content = self.read_secret(path, label)
        if content is not None:
            self.put(Setting(key=key, value=content, source=source, label=label))

    def read_secret(self, path: Path, label: str) -> str | None:
        """The content of a file that holds a secret; None, and a finding, if there is none."""
        try:
            with path.open("rb") as stream:
                content = stream.read(_MAX_SECRET_BYTES + 1)
            # Editors of Windows begin a file with a byte order mark.
            text = content.decode("utf-8-sig").rstrip("\r\n")
        except OSError as exc:
            self.refuse(label, f"cannot read {path}: {exc.strerror}")
        except UnicodeDecodeError:
            self.refuse(label, f"{path} is not UTF-8 text")
        else:
            if text and len(content) <= _MAX_SECRET_BYTES:
                return text
            self.refuse(label, f"{path} is {'larger than 64 KiB' if text else 'empty'}")
        return None

    def look_up_section(self, name: str, label: str) -> str | None:
        """The section of this name; None, and a finding, if it is unknown."""
        section = find_section(name)
        if section is None:
            hint = did_you_mean(plain(name), section_names())
            self.refuse(label, f"unknown section{hint or ', expected one of ' + ', '.join(section_names())}")
        return section

    def look_up(self, section: str, name: str, label: str) -> tuple[Key, bool] | None:
        """The key of this name, and whether its value is in a file; None, and a finding, if unknown."""
        found = find_key(section, name)
        if found is None:
            missing_space = "; a space belongs after a colon" if ":" in name else ""
            self.refuse(label, f"unknown key{did_you_mean(plain(name), key_names(section))}{missing_space}")
        return found
