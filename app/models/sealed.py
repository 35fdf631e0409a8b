"""Which columns hold sealed text: every one named `…_sealed`. What `secret_sealed` is bound to says its row's
`secret_purpose`, or `seal_purpose` where the row has one secret only."""

from dataclasses import dataclass
from typing import Any

from app.db import Base

SUFFIX = "_sealed"


@dataclass(frozen=True, slots=True)
class SealedColumn:
    model: Any
    attribute: str

    def __str__(self) -> str:
        return f"{self.model.__tablename__}.{self.attribute}"

    @property
    def column(self) -> Any:
        return getattr(self.model, self.attribute)

    @property
    def purpose(self) -> str:
        """The name of the property that says what it is bound to."""
        own = f"{self.attribute.removesuffix(SUFFIX)}_purpose"
        return own if hasattr(self.model, own) else "seal_purpose"


def sealed_columns() -> list[SealedColumn]:
    """Of all models, found by their names: one that is added is rotated and verified from its first day."""
    found = [
        SealedColumn(mapper.class_, column.key)
        for mapper in Base.registry.mappers
        for column in mapper.column_attrs
        if column.key.endswith(SUFFIX)
    ]
    return sorted(found, key=str)
