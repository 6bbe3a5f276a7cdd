"""The YAML file: which file is read, and what it sets.

A value stays the text that was written, so that it means the same in the file and in the environment, and a
password of digits does not become a number. An empty value means the default.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from taskrunner.config.keys import plain
from taskrunner.config.layers import Layer, Setting
from taskrunner.domain.errors import ConfigInvalid, FieldError

DEFAULT_NAME = "config.yaml"
PATH_VARIABLE = "TASKRUNNER_CONFIG"
# A documented file has about 10 KiB; the limit keeps a file given by mistake out of memory.
_MAX_BYTES = 1024 * 1024
_NULL = "tag:yaml.org,2002:null"
# The tags that YAML gives to plain values. https://yaml.org/type/
_KINDS = frozenset({"null", "str", "int", "float", "bool", "timestamp", "merge", "value", "seq", "map"})
# PyYAML quotes the place of an error: a character, a <token>, or a name that may be part of a password.
_QUOTED = re.compile(r"'([^']*)'")


def find_file(path: Path | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    """The given file, or that of `TASKRUNNER_CONFIG`, or `config.yaml` if the folder has one."""
    if path is not None:
        return path
    if environ.get(PATH_VARIABLE):
        return Path(environ[PATH_VARIABLE])
    default = folder / DEFAULT_NAME
    return default if default.exists() else None


def read_file(path: Path) -> Layer:
    """The settings of the file. Raises `ConfigInvalid` if it is not readable YAML."""
    layer = Layer()
    root = _compose(path)
    if root is None or _is_empty(root):
        return layer
    if not isinstance(root, yaml.MappingNode):
        raise _invalid(path, "must hold sections such as Rabbit: and Redis:")
    seen: set[str] = set()
    for name_node, keys_node in root.value:
        name = _name(name_node)
        label = f"{path}: {plain(name)}"
        section = layer.look_up_section(name, label)
        if section is None:
            continue
        if section in seen:
            layer.refuse(label, f"line {_line(name_node)}: is given twice; keep one")
        elif isinstance(keys_node, yaml.MappingNode):
            _read_section(layer, path, section, keys_node)
        elif not _is_empty(keys_node):
            layer.refuse(label, "must hold keys, each with a space after its colon")
        seen.add(section)
    return layer


def _read_section(layer: Layer, path: Path, section: str, node: yaml.MappingNode) -> None:
    for key_node, value_node in node.value:
        name = _name(key_node)
        label = f"{path}: {section}.{plain(name)}"
        found = layer.look_up(section, name, label)
        if found is None:
            continue
        key, from_file = found
        source = f"{path}:{_line(key_node)}"
        if key.mapping and not from_file and isinstance(value_node, yaml.MappingNode):
            named = {
                _name(name): _keys(layer, path.parent, node, label)
                if key.nested and isinstance(node, yaml.MappingNode)
                else _value(layer, node, label)
                for name, node in value_node.value
            }
            layer.put(Setting(key=key, value=named, source=source, label=label))
            continue
        value = _value(layer, value_node, label)
        if value is not None and from_file:
            # Relative to the configuration file, which does not know where taskrunner is started.
            layer.put_file(key, path.parent / str(value), source=source, label=label)
        else:
            layer.put(Setting(key=key, value=value, source=source, label=label))


def _keys(layer: Layer, folder: Path, node: yaml.MappingNode, label: str) -> dict[str, object]:
    """The keys within a value; paths (in keys that end in `file`) are relative to this file."""
    keys: dict[str, object] = {}
    for name_node, value_node in node.value:
        name, value = _name(name_node), _value(layer, value_node, label)
        is_path = name.casefold().endswith("file") and isinstance(value, str)
        keys[name] = str(folder / str(value)) if is_path else value
    return keys


def _value(layer: Layer, node: yaml.Node, label: str) -> str | list[str] | None:
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _KINDS:
        layer.refuse(label, "put a value that begins with ! into quotes")
        return None
    if isinstance(node, yaml.ScalarNode):
        return None if _is_empty(node) else str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return [str(item.value) for item in node.value]
    layer.refuse(label, f"line {_line(node)}: must be a value or a list of values")
    return None


def _compose(path: Path) -> yaml.Node | None:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise _invalid(path, "is larger than 1 MiB")
        return yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as exc:
        raise _invalid(path, f"cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise _invalid(path, f"byte {exc.start}: is not UTF-8 text") from exc
    except yaml.MarkedYAMLError as exc:
        raise _invalid(path, _explain(exc)) from exc
    except yaml.YAMLError as exc:
        raise _invalid(path, "holds characters that YAML does not allow") from exc
    except RecursionError as exc:
        raise _invalid(path, "is nested too deeply") from exc


def _explain(exc: yaml.MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    context = f" ({exc.context})" if exc.context else ""
    return _QUOTED.sub(_hide_name, f"{where}{exc.problem or 'broken YAML'}{context}")


def _hide_name(quoted: re.Match[str]) -> str:
    is_name = len(quoted[1]) > 1 and not quoted[1].startswith(("<", "\\"))
    return "'…'" if is_name else quoted[0]


def _name(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and (node.tag == _NULL or not node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _invalid(path: Path, message: str) -> ConfigInvalid:
    return ConfigInvalid([FieldError(field=str(path), message=message)])
