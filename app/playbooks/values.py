"""Values of inputs: whether one fits what is asked. Every refusal says what to write."""

import re
from collections.abc import Mapping
from typing import Any, Final

from app.errors import Invalid

VALUE_LIMIT_BYTES: Final = 100 * 1024


def judged(asked: Mapping[str, Any], value: Any) -> Any:
    """The value, when it fits what is asked. Raises Invalid with what to write."""
    match asked["type"]:
        case "integer":
            is_fitting, rule = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case "boolean":
            is_fitting, rule = isinstance(value, bool), "true or false"
        case "choice":
            is_fitting, rule = value in asked["choices"], f"one of: {', '.join(asked['choices'])}"
        case _:
            return _text(asked, value)
    if not is_fitting:
        raise Invalid(f"Write {rule}.")
    return value


def _text(asked: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid("Write a text.")
    if "\0" in value or len(value.encode(errors="surrogatepass")) > VALUE_LIMIT_BYTES:
        raise Invalid(f"A text has no NUL and at most {VALUE_LIMIT_BYTES} bytes.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid("Write valid Unicode.")
    if "pattern" in asked and not re.fullmatch(asked["pattern"], value):
        raise Invalid(f"The text must match {asked['pattern']}")
    return value
