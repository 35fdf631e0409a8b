"""A playbook as a value, and what its inputs make of it: steps whose words are whole, ready for a node's facts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.errors import Invalid, PlaybookInvalid
from app.playbooks.reader import SIZE_LIMIT_BYTES
from app.playbooks.schema import Rule, read_playbook
from app.playbooks.values import judged
from app.redaction import printable

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNSET: Final = object()


@dataclass(frozen=True, slots=True)
class Playbook:
    """`inputs` and `steps` are as the schema has loaded them."""

    name: str
    description: str
    on: str
    inputs: Mapping[str, Mapping[str, Any]]
    steps: tuple[Mapping[str, Any], ...]

    @property
    def is_for_nodes(self) -> bool:
        return self.on == "node"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file: what it is for, or why it cannot be used."""

    name: str
    description: str | None = None
    on: str | None = None
    error: str | None = None


def is_name(text: str) -> bool:
    """Of a playbook: its file without `.yml`."""
    return bool(_NAME.fullmatch(text))


def load(name: str, file_name: str, text: str, first: Rule | None = None) -> Playbook:
    """Judged by `first` before all else. Raises PlaybookInvalid naming file, line, key and what to write instead."""
    data = read_playbook(file_name, text, first)
    return Playbook(name, printable(data["description"]), data["on"], data["inputs"], tuple(data["steps"]))


def load_bytes(name: str, file_name: str, data: bytes, first: Rule | None = None) -> Playbook:
    """What is too long, and so may be cut in the middle of a character, is refused for that. As `load`."""
    try:
        text = data.decode(errors="strict" if len(data) <= SIZE_LIMIT_BYTES else "replace")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PlaybookInvalid(f"{file_name}:{line}: not UTF-8; write plain UTF-8 text") from error
    return load(name, file_name, text, first)


def listed(name: str, read: Callable[[], Playbook]) -> Listed:
    """What `read` answers, or the mistake that it raises."""
    try:
        playbook = read()
    except PlaybookInvalid as error:
        return Listed(name, error=error.message)
    return Listed(name, playbook.description, playbook.on)


def bound_inputs(playbook: Playbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """All inputs with their values, defaults included. Raises Invalid naming each that is wrong."""
    problems = {name: [f"There is no such input; known are: {', '.join(playbook.inputs) or 'none'}."]
                for name in given if name not in playbook.inputs}  # fmt: skip
    values: dict[str, Any] = {}
    for name, asked in playbook.inputs.items():
        try:
            values[name] = _value(name, asked, given.get(name, _UNSET))
        except Invalid as error:
            problems[name] = [error.message]
    if problems:
        sentence = " ".join(f"{name}: {' '.join(said)}" for name, said in problems.items())
        raise Invalid(sentence, errors={"inputs": problems})
    return values


def bound_steps(playbook: Playbook, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Steps as jobs keep them: each word a text, or a fact that the member fills in; conditions on inputs decided."""
    places = {step["name"]: number for number, step in enumerate(playbook.steps, 1)}
    return [_step(step, values, places) for step in playbook.steps]


def as_word(value: Any) -> str:
    """How a value stands in argv: a boolean as `true` or `false`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(name: str, asked: Mapping[str, Any], given: Any) -> Any:
    if given is not _UNSET:
        return judged(asked, given)
    if asked["required"] and "default" not in asked:
        raise Invalid("This input is required.")
    return asked.get("default", "")


def _step(step: Mapping[str, Any], values: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": step["name"],
        "argv": [_word(word, values) for word in step["run"]],
        "cwd": step.get("cwd"),
        "env": {name: _word(word, values) for name, word in step.get("env", {}).items()},
        "timeout_seconds": step.get("timeout_seconds"),
        "retries": step["retries"],
        "ignore_errors": step["ignore_errors"],
        "changes": step["changes"],
        "creates": step.get("creates"),
        "when": [_condition(condition, values, places) for condition in step["when"]],
    }


def _word(word: Any, values: Mapping[str, Any]) -> Any:
    """An input becomes one whole word, whatever is in it; facts stay for the member."""
    return as_word(values[word["input"]]) if isinstance(word, dict) and "input" in word else word


def _condition(condition: Mapping[str, Any], values: Mapping[str, Any], places: Mapping[str, int]) -> list[str]:
    """As the node's program takes it: kind, value, outcome."""
    if "input" in condition:
        return ["always" if values[condition["input"]] == condition.get("equals", True) else "never", "", ""]
    if "step" in condition:
        return ["step", str(places[condition["step"]]), condition["outcome"]]
    kind = "exists" if "exists" in condition else "missing"
    return [kind, condition[kind], ""]
