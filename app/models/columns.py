"""Column kinds that several nouns share."""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from sqlalchemy import Enum, String, Text
from sqlalchemy.orm import mapped_column

from app.db import UtcDateTime, utcnow

Id = Annotated[int, mapped_column(primary_key=True)]
Name = Annotated[str, mapped_column(String(255))]
Words = Annotated[str, mapped_column(Text)]
Time = Annotated[datetime, mapped_column(UtcDateTime)]
CreatedAt = Annotated[datetime, mapped_column(UtcDateTime, default=utcnow)]
Uid = Annotated[str, mapped_column(String(32), unique=True, default=lambda: secrets.token_hex(16))]


def state_column(states: type[StrEnum]) -> Enum:
    """A state as its word, checked by the database too."""
    return Enum(
        states,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda kind: [state.value for state in kind],
        name=states.__name__.lower(),
    )
