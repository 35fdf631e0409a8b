"""YAML into plain values, with the line of every key: what is doubled, shared or tagged is refused, never guessed."""

from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from app.errors import PlaybookInvalid
from app.redaction import printable

SIZE_LIMIT_BYTES: Final = 64 * 1024
_DEPTH: Final = 12
_SHOWN: Final = 80  # characters of a key
_LARGEST: Final = 2**63 - 1
_SYNTAX: Final = (
    "write `key: value`, indented with blanks, never tabs; quote a text that holds ': ' or ' #', or begins with one "
    "of [ ] { } * & ! % @ ` or a quote"
)
_PLAIN: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Source:
    """What a file says. `lines` has the line, from 1, of everything that was read, by where it stands."""

    name: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def problem(self, path: Path, message: str) -> PlaybookInvalid:
        """`message` names what to write instead."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}" for part in path).lstrip(".")
        words = f"{self.name}:{self.lines.get(known, 1)}: {f'{where}: ' if where else ''}{message}"
        return PlaybookInvalid(printable(words).replace("\n", "\\n"))


def read_source(name: str, text: str) -> Source:
    """Raises PlaybookInvalid naming file, line and what to write."""
    source = Source(name)
    if len(text.encode(errors="replace")) > SIZE_LIMIT_BYTES:
        raise source.problem((), f"a playbook has at most {SIZE_LIMIT_BYTES} bytes; put long scripts into the project")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        source.data = _Walk(source, loader).value(node, ()) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        source.lines[()] = mark.line + 1 if mark else 1
        raise source.problem((), f"not YAML: {error.problem or error.context}; {_SYNTAX}") from error
    except yaml.reader.ReaderError as error:
        source.lines[()] = text[: error.position].count("\n") + 1
        raise source.problem((), "a control character stands here; write plain UTF-8 text") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise source.problem((), f"a value that cannot be read; {_SYNTAX}") from error
    return source


@dataclass(slots=True)
class _Walk:
    source: Source
    loader: yaml.SafeLoader
    seen: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.source.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self.seen:
            self._refuse(node, path, "an alias (*name) is not taken; write the value out")
        self.seen.add(id(node))
        if len(path) > _DEPTH:
            self._refuse(node, path, "nested too deep; see playbooks/example.yml for the form")
        if node.tag not in _PLAIN:
            self._refuse(node, path, f"the tag {node.tag} is not taken; write a plain value")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        """A number that no text and no JSON could hold is none."""
        value = self.loader.construct_object(node)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not -_LARGEST <= value <= _LARGEST:  # so is NaN
            self._refuse(node, path, "no number that can be used; write a smaller one, or a text in quotes")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                self._refuse(key, path, "a key must be a plain word; write `key: value`")
            inner = (*path, key.value)
            self.source.lines[inner] = key.start_mark.line + 1
            if key.value in found:
                raise self.source.problem(inner, "the key stands here twice; keep one of them")
            found[key.value] = self.value(value, inner)
        return found

    def _refuse(self, node: yaml.Node, path: Path, message: str) -> NoReturn:
        self.source.lines[path] = node.start_mark.line + 1
        raise self.source.problem(path, message)
