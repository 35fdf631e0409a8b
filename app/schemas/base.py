"""The ground of all schemas: unknown fields are refused, and no text may hold what forges lines or breaks encodings."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.errors import BareboatError
from app.secrets import Secret

MAX_ID: Final = 2**31 - 1  # as PostgreSQL keeps ids
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_LINE_BREAKING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class StrictSchema(Schema):
    """Refuses what it does not know; field order is output order."""

    class Meta:
        unknown = RAISE


class Text(fields.String):
    """One line of valid Unicode without control characters; `pattern` must match the whole of it."""

    def __init__(
        self, *, minimum: int = 1, maximum: int, pattern: str | None = None, rule: str | None = None, **kwargs: Any
    ) -> None:
        metadata = dict(kwargs.pop("metadata", {})) | ({"pattern": f"^{pattern}$"} if pattern else {})
        super().__init__(validate=validate.Length(min=minimum, max=maximum), metadata=metadata, **kwargs)
        self._pattern = re.compile(pattern) if pattern else None
        self._rule = rule

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = _text(value)
        if any(unicodedata.category(character) in _LINE_BREAKING for character in text):
            raise ValidationError("Must not hold control characters, line breaks or broken Unicode.")
        if self._pattern and not self._pattern.fullmatch(text):
            raise ValidationError(self._rule or "Not in the allowed form.")
        return text


class LongText(fields.String):
    """Many lines of valid Unicode; only NUL is refused."""

    def __init__(self, *, minimum: int = 1, maximum: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=minimum, max=maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = _text(value)
        if any(character == "\0" or unicodedata.category(character) == "Cs" for character in text):
            raise ValidationError("Must not hold NUL or broken Unicode.")
        return text


class SecretText(LongText):
    """Leaves the schema as a Secret, and is never put out."""

    def __init__(self, *, minimum: int = 1, maximum: int, **kwargs: Any) -> None:
        metadata = dict(kwargs.pop("metadata", {})) | {"writeOnly": True, "format": "password"}
        super().__init__(minimum=minimum, maximum=maximum, load_only=True, metadata=metadata, **kwargs)
        self.post_load = [Secret]


class Parsed(fields.String):
    """Text with a grammar of our own: `parse` raises a BareboatError whose message is the rule."""

    def __init__(self, parse: Callable[[str], object], *, maximum: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(max=maximum), **kwargs)
        self._parse = parse

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = _text(value)
        try:
            self._parse(text)
        except BareboatError as error:
            raise ValidationError(error.message) from error
        return text


class StrictBoolean(fields.Boolean):
    """`true` or `false`, and nothing that only looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryBoolean(fields.Boolean):
    """The words `true` or `false` in an address."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return bool(value == "true")


class QueryInteger(fields.Integer):
    """Plain digits in an address."""

    def __init__(self, *, minimum: int = 1, maximum: int = MAX_ID, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(min=minimum, max=maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not _DIGITS.fullmatch(str(value)):
            raise ValidationError("Must be a whole number written in plain digits.")
        return int(value)


def whole_number(minimum: int, maximum: int, **kwargs: Any) -> fields.Integer:
    """A JSON integer; `"1"`, `1.0` and `true` are none."""
    return fields.Integer(strict=True, validate=validate.Range(min=minimum, max=maximum), **kwargs)


def an_id(**kwargs: Any) -> fields.Integer:
    return whole_number(1, MAX_ID, **kwargs)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError("Not a valid string.")
    return value
