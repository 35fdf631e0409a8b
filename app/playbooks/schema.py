"""What may be written in a playbook. Every message says what to write instead; `read_playbook` adds file and line."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate, validates_schema

from app.commands.argv import VARIABLES_LIMIT, WORDS_LIMIT
from app.errors import Invalid
from app.playbooks.reader import Path, Source, read_source
from app.playbooks.values import judged

STEPS_LIMIT: Final = 50
INPUTS_LIMIT: Final = 30
OUTCOMES: Final = ("ok", "changed", "failed", "skipped")
FACTS: Final = {"project": ("name", "path"), "node": ("name", "projects_root", "ssh_user")}
TYPES: Final = ("string", "integer", "boolean", "choice")
Rule = Callable[[Source], None]
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TITLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\[\]]{1,80}")


def _messages(what: str) -> dict[str, Any]:
    return {"required": f"this key is missing; write {what}", "null": f"write {what}", "invalid": f"write {what}"}


class _Strict(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"type": "write `key: value` lines here"}

    @pre_load
    def _ensure_known(self, data: Any, **kwargs: Any) -> Any:
        if isinstance(data, Mapping):
            wrong = {key: [_unknown(key, list(self.fields))] for key in data if key not in self.fields}
            if wrong:
                raise ValidationError(wrong)
        return data


class _Text(fields.String):
    """One line of text."""

    def __init__(self, what: str, maximum: int = 1000, pattern: re.Pattern[str] | None = None, **kwargs: Any) -> None:
        super().__init__(error_messages=_messages(what), **kwargs)
        self._what, self._maximum, self._pattern = what, maximum, pattern

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{_shown(value)} is no text; write {self._what}, in quotes")
        if not 1 <= len(value) <= self._maximum or "\0" in value:
            raise ValidationError(f"write {self._what}, of 1 to {self._maximum} characters")
        if self._pattern and not self._pattern.fullmatch(value):
            raise ValidationError(f"{_shown(value)} will not do; write {self._what}")
        return value


class _Flag(fields.Field[bool]):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("write true or false")
        return value


class _Whole(fields.Field[int]):
    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._range = minimum, maximum

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        least, most = self._range
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValidationError(f"write a whole number from {least} to {most}")
        return value


class _Word(fields.Field[Any]):
    """A text as it is, or one value as a whole: `{input: name}`, `{project: path}`, `{node: ssh_user}`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            if "\0" in value:
                raise ValidationError("a word must not hold NUL; leave it out")
            return value
        if not isinstance(value, dict):
            raise ValidationError(f"{_shown(value)} is no text; write it in quotes: '{value}'")
        return _reference(value)


class InputSchema(_Strict):
    type = _Text(f"one of: {', '.join(TYPES)}", load_default="string")
    description = _Text("a sentence", 500)
    required = _Flag(load_default=False)
    default = fields.Raw()
    choices = fields.List(_Text("a text"), error_messages={"invalid": "write a list of texts: ['a', 'b']"})
    pattern = _Text("a regular expression that the whole text must match", 200)

    @validates_schema
    def _ensure_sense(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["type"] not in TYPES:
            raise ValidationError({"type": [f"{_shown(data['type'])} is no type; write one of: {', '.join(TYPES)}"]})
        if (data["type"] == "choice") != ("choices" in data):
            raise ValidationError({"choices": ["`choices` belong to `type: choice`, and only there; write both"]})
        if "pattern" in data:
            _ensure_pattern(data)
        if "default" not in data and not data["required"] and data["type"] != "string":
            raise ValidationError({"default": ["write `required: true`, or a `default`"]})


class WhenSchema(_Strict):
    exists = _Text("a path")
    missing = _Text("a path")
    step = _Text("the name of an earlier step", 80)
    outcome = _Text(f"one of: {', '.join(OUTCOMES)}")
    input = _Text("the name of an input", 32)
    equals = fields.Raw()

    @validates_schema
    def _ensure_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(data.keys() & {"exists", "missing", "step", "input"}) != 1:
            raise ValidationError("write one of `exists: PATH`, `missing: PATH`, `step: NAME`, `input: NAME`")
        if ("step" in data) != ("outcome" in data):
            raise ValidationError({"outcome": [f"`step` needs `outcome`: {', '.join(OUTCOMES)}; write both"]})
        if data.get("outcome", "ok") not in OUTCOMES:
            raise ValidationError({"outcome": [f"write one of: {', '.join(OUTCOMES)}"]})
        if "equals" in data and "input" not in data:
            raise ValidationError({"equals": ["`equals` belongs to `input: NAME`; write both"]})


class StepSchema(_Strict):
    name = _Text("a name of at most 80 characters, without [ and ]", 80, _TITLE, required=True)
    run = fields.List(
        _Word(),
        required=True,
        validate=validate.Length(1, WORDS_LIMIT, error="write the program and its arguments: ['git', 'gc']"),
        error_messages={"required": "say what to run: ['git', 'gc']", "invalid": "write a list: ['git', 'gc']"},
    )
    cwd = _Text("a folder", 1024)
    env = fields.Dict(
        keys=fields.String(),
        values=_Word(),
        validate=validate.Length(max=VARIABLES_LIMIT),
        error_messages={"invalid": "write `NAME: 'value'` lines"},
    )
    timeout_seconds = _Whole(1, 86_400)
    when = fields.Raw()
    creates = _Text("a path", 1024)
    retries = _Whole(0, 10, load_default=0)
    ignore_errors = _Flag(load_default=False)
    changes = _Flag(load_default=True)


class PlaybookSchema(_Strict):
    description = _Text("a sentence that says what it does", 500, required=True)
    on = _Text("project or node", 8, re.compile("project|node"), load_default="project")
    inputs = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(InputSchema),
        load_default=dict,
        validate=validate.Length(max=INPUTS_LIMIT, error=f"write at most {INPUTS_LIMIT} inputs"),
        error_messages={"invalid": "write `name:` lines, each with its `type`"},
    )
    steps = fields.List(
        fields.Nested(StepSchema),
        required=True,
        validate=validate.Length(1, STEPS_LIMIT, error=f"write 1 to {STEPS_LIMIT} steps"),
        error_messages={
            "required": "write `steps:`, a list",
            "invalid": "write a list: each step begins with `- name:`",
        },
    )


def read_playbook(name: str, text: str, first: Rule | None = None) -> dict[str, Any]:
    """The playbook's values, whole and judged, by `first` before all else. Raises PlaybookInvalid: `file:line: key:
    what is wrong; remedy`."""
    source = read_source(name, text)
    if not isinstance(source.data, dict):
        raise source.problem((), "write `description:` and `steps:`; see playbooks/example.yml")
    if first is not None:
        first(source)
    try:
        loaded: dict[str, Any] = PlaybookSchema().load(source.data)
    except ValidationError as error:
        path, message = min(_flat(error.normalized_messages(), ()), key=lambda found: source.lines.get(found[0], 0))
        raise source.problem(path, message) from error
    for path, message in _senses(loaded):
        raise source.problem(path, message)
    return loaded


def _senses(playbook: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """What one part says of another."""
    for name, asked in playbook["inputs"].items():
        if not _NAME.fullmatch(name):
            yield ("inputs", name), "an input's name has small letters, digits and _; write such a name"
        yield from _default(("inputs", name, "default"), asked)
    earlier: list[str] = []
    for place, step in enumerate(playbook["steps"]):
        path: Path = ("steps", place)
        if step["name"] in earlier:
            yield (*path, "name"), f"two steps are called {step['name']!r}; write another name"
        yield from _words(playbook, step, path)
        step["when"], problems = _conditions(step.get("when", []), path, playbook["inputs"], earlier)
        yield from problems
        earlier.append(step["name"])


def _default(path: Path, asked: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    try:
        if "default" in asked:
            judged(asked, asked["default"])
    except Invalid as error:
        yield path, f"the default does not fit its type: {error.message}"


def _words(playbook: dict[str, Any], step: dict[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    places = [(("run", number), word) for number, word in enumerate(step["run"])]
    for where, word in places + [(("env", name), word) for name, word in step.get("env", {}).items()]:
        if isinstance(word, dict):
            kind, wanted = next(iter(word.items()))
            if kind == "input" and wanted not in playbook["inputs"]:
                yield (*path, *where), f"there is no input {wanted!r}; write one of: {_list(playbook['inputs'])}"
            if kind == "project" and playbook["on"] == "node":
                yield (*path, *where), "a playbook `on: node` has no project; write {node: …}, or an input"
    if isinstance(step["run"][0], dict):
        yield (*path, "run", 0), "the program must stand here itself, so that it can be seen what runs; write its name"


def _conditions(
    written: Any, path: Path, inputs: dict[str, Any], earlier: list[str]
) -> tuple[list[dict[str, Any]], list[tuple[Path, str]]]:
    """One condition, or a list of which all must hold."""
    many = written if isinstance(written, list) else [written]
    loaded, problems = [], []
    for number, item in enumerate(many):
        where: Path = (*path, "when", number) if isinstance(written, list) else (*path, "when")
        try:
            condition: dict[str, Any] = WhenSchema().load(item)
        except ValidationError as error:
            problems += list(_flat(error.normalized_messages(), where))
            continue
        loaded.append(condition)
        if condition.get("step", (earlier or [""])[0]) not in earlier and "step" in condition:
            problems.append(((*where, "step"), f"no earlier step is called so; write one of: {_list(earlier)}"))
        if "input" in condition and condition["input"] not in inputs:
            problems.append(((*where, "input"), f"there is no such input; write one of: {_list(inputs)}"))
    return loaded, problems


def _flat(messages: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flat(inner, path if key in ("_schema", "value", "key") else (*path, key))
    else:
        yield path, " ".join(str(message) for message in messages)


def _reference(value: dict[str, Any]) -> dict[str, str]:
    form = "write {input: NAME}, {project: name|path} or {node: name|projects_root|ssh_user}, alone"
    if len(value) != 1:
        raise ValidationError(f"one value and nothing else; {form}")
    kind, wanted = next(iter(value.items()))
    if not isinstance(wanted, str) or kind not in ("input", *FACTS) or wanted not in FACTS.get(kind, (wanted,)):
        raise ValidationError(f"this is no value that there is; {form}")
    return {kind: wanted}


def _ensure_pattern(data: dict[str, Any]) -> None:
    if data["type"] != "string":
        raise ValidationError({"pattern": ["`pattern` belongs to `type: string`; leave it out, or change the type"]})
    try:
        re.compile(data["pattern"])
    except re.error as error:
        raise ValidationError({"pattern": [f"{error}; write a regular expression as Python knows them"]}) from error


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key), known, 1)
    return f"there is no such key here; {f'did you mean `{close[0]}`? W' if close else 'w'}rite one of: {_list(known)}"


def _list(names: Any) -> str:
    return ", ".join(names) or "(there are none)"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
