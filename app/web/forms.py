"""Forms: what was typed, read through the same schemas as REST, with each refusal beside its field."""

from collections.abc import Mapping
from typing import Any, Final

from flask import request
from marshmallow import Schema, ValidationError, fields

from app.edge.refusals import tell_error
from app.errors import BareboatError, Invalid

_NOT_VALUES: Final = frozenset({"csrf_token", "next"})
_SUMMARY: Final = "Nothing was done: some values are not allowed. The fields say why."


class Form:
    """`typed` is shown again after a refusal or a search, but for secrets, which templates never show. `errors` is by
    field; `is_again` when the page is not the first one of the form."""

    def __init__(self, schema: Schema | None = None, start: Mapping[str, Any] | None = None) -> None:
        self._schema = schema or Schema()
        self.typed: Mapping[str, Any] = start or {}
        self.errors: dict[str, list[str]] = {}
        self.refusal: str | None = None
        self.is_again = False

    def read(self, *, is_edit: bool = False) -> dict[str, Any]:
        """The values as services take them. Raises Invalid naming the fields.

        An empty text counts as absent; in an edit it clears the field, where that may be empty.
        """
        self.typed = request.form
        given = {name: text for name, text in request.form.items() if _is_value(name)}
        try:
            return dict(self._schema.load(_shape(self._schema, given, is_edit)))
        except ValidationError as error:
            raise Invalid(_SUMMARY, errors=error.normalized_messages()) from error

    def refuse(self, error: BareboatError, fields_by_code: Mapping[str, str] | None = None) -> "Form":
        """Take note of a refusal. `fields_by_code` says where one belongs that names no field itself."""
        tell_error(error)
        self.keep()
        self.errors = {name: _lines(said) for name, said in error.errors.items() if name in self._names()}
        field = (fields_by_code or {}).get(error.code)
        if field and not self.errors:
            self.errors = {field: [error.message]}
        self.refusal = _SUMMARY if self.errors else error.message
        return self

    def keep(self) -> "Form":
        """What was typed stays; nothing of it is judged."""
        self.typed, self.is_again = request.form, True
        return self

    def value(self, name: str) -> str:
        value = self.typed.get(name)
        return "" if value is None else str(value)

    def _names(self) -> set[str]:
        return set(self._schema.fields)


def _is_value(name: str) -> bool:
    """What searches among the choices of a form is none of its values; the inputs of a playbook are read by
    `playbooks.typed_inputs`."""
    return name not in _NOT_VALUES and name.partition(".")[0] not in ("find", "input")


def _shape(schema: Schema, given: Mapping[str, str], is_edit: bool) -> dict[str, Any]:
    """Texts as the JSON values that they stand for; what reads as none stays a text, for the schema to refuse."""
    shaped: dict[str, Any] = {}
    for name, text in given.items():
        field = schema.fields.get(name)
        if text.strip():
            shaped[name] = _value(field, text)
        elif is_edit and field is not None:
            shaped[name] = _cleared(field)
    return shaped


def _cleared(field: fields.Field) -> Any:
    if field.allow_none:
        return None
    return {} if isinstance(field, fields.Dict) else ""


def _value(field: fields.Field | None, text: str) -> Any:
    match field:
        case fields.Integer():
            return int(text) if text.strip().isdecimal() and len(text) < 12 else text
        case fields.Boolean():
            return {"on": True, "off": False}.get(text, text)
        case fields.Dict():
            return _pairs(text)
        case _:
            return text


def _pairs(text: str) -> dict[str, str]:
    """`name=value`, one on each line."""
    cut = (line.partition("=") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in cut}


def _lines(said: Any) -> list[str]:
    """Messages of a field, however deep they are."""
    if isinstance(said, str):
        return [said]
    nested = said.values() if isinstance(said, Mapping) else said
    return [line for part in nested for line in _lines(part)]
