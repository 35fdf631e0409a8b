"""Ids in an address: what cannot be an id is an address that does not exist."""

from typing import Any

from werkzeug.routing import BaseConverter, ValidationError

from app.schemas.base import MAX_ID


class IdConverter(BaseConverter):
    """1 to 2**31-1 in plain digits, one spelling each."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        if int(value) > MAX_ID:
            raise ValidationError
        return int(value)


def describe_id(converter: IdConverter) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1}
