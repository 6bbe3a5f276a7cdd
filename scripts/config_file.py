"""Brings the settings in config.yaml up to date with the code: `python scripts/config_file.py`.

The introduction, the comments on the sections, and the lines that are not commented out stay as they are.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taskrunner.config import Config
from taskrunner.config.keys import section_models

PATH = Path(__file__).parents[1] / "config.yaml"
_COLUMN = 42
# By section and key: what differs from process to process.
_NO_VALUE = {("Workers", "name")}


def refreshed(text: str) -> str:
    """The file with every setting in the order of the code, with its default and its reason."""
    introduction, *paragraphs = text.split("\n\n")
    by_section = {re.findall(r"(?m)^(\w+):$", each)[0]: f"{each}\n" for each in paragraphs}
    return "\n".join(
        [f"{introduction}\n", *(_section(name, by_section.get(name, "")) for name in section_models())]
    )


def _section(name: str, old: str) -> str:
    model = section_models()[name]
    comment = "".join(re.findall(r"(?m)^# .*\n", old)) or f"# {model.__doc__}\n"
    set_lines = dict(re.findall(r"(?m)^  (\w+):((?:(?! +# ).)*)", old))
    return comment + f"{name}:\n" + "".join(_settings(name, set_lines))


def _settings(section: str, set_lines: dict[str, str]) -> Iterator[str]:
    defaults = Config().redacted()[section]
    for key, field in section_models()[section].model_fields.items():
        if key in set_lines:
            left = f"  {key}:{set_lines[key].rstrip()}"
        else:
            value = "" if (section, key) in _NO_VALUE else _written(defaults[key])
            left = f"  # {key}: {value}".rstrip()
        yield f"{left.ljust(_COLUMN - 2)}  # {field.description}\n"


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_written(part)}' for name, part in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    PATH.write_text(refreshed(PATH.read_text()))
