"""Users and their API tokens."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from app.models import Role
from app.schemas.base import QueryInteger, SecretText, StrictBoolean, StrictSchema, Text, whole_number
from app.schemas.paging import PageQuery

PASSWORD_LIMIT = 1024


class UserCreateSchema(StrictSchema):
    name = Text(required=True, maximum=64, metadata={"example": "ada"})
    role = fields.Enum(Role, by_value=True, required=True, metadata={"example": "operator"})
    password = SecretText(required=True, minimum=10, maximum=PASSWORD_LIMIT)


class UserUpdateSchema(StrictSchema):
    """Each change ends the user's sessions; deactivating also stops the tokens."""

    role = fields.Enum(Role, by_value=True)
    is_active = StrictBoolean()
    password = SecretText(minimum=10, maximum=PASSWORD_LIMIT)

    @validates_schema
    def _ensure_something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Name at least one field to change.")


class PasswordFormSchema(StrictSchema):
    """One's own password: the present one, and the new one twice."""

    current_password = SecretText(required=True, maximum=PASSWORD_LIMIT)
    password = SecretText(required=True, minimum=10, maximum=PASSWORD_LIMIT)
    again = SecretText(required=True, maximum=PASSWORD_LIMIT)

    @validates_schema
    def _ensure_same(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["password"].reveal() != data["again"].reveal():
            raise ValidationError("Not the same as the new password above.", "again")


class PasswordOnlyFormSchema(StrictSchema):
    password = SecretText(required=True, maximum=PASSWORD_LIMIT)


class CodeFormSchema(StrictSchema):
    code = Text(required=True, maximum=64)


class PasswordAndCodeFormSchema(PasswordOnlyFormSchema):
    code = Text(required=True, maximum=64)


class UserSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "ada"})
    role = fields.Enum(Role, by_value=True, metadata={"example": "operator"})
    is_active = fields.Boolean()
    created_at = fields.AwareDateTime(format="iso")
    has_password = fields.Boolean(metadata={"description": "False: logs in by OIDC; the role follows the claim."})


class TokenCreateSchema(StrictSchema):
    name = Text(required=True, maximum=255, metadata={"description": "What it is for.", "example": "ci"})
    role = fields.Enum(
        Role, by_value=True, load_default=None, metadata={"description": "Not above yours, which it is without a word."}
    )
    days = whole_number(1, 3650, load_default=90, metadata={"description": "How long it is valid.", "example": 90})


class TokenQuery(PageQuery):
    user_id = QueryInteger(load_default=None, metadata={"description": "Another user's tokens; admins only."})


class TokenSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 5})
    user_id = fields.Integer(metadata={"example": 1})
    name = fields.String(metadata={"example": "ci"})
    role = fields.Enum(
        Role,
        by_value=True,
        attribute="present_role",
        metadata={"description": "What it may do now: never more than its owner."},
    )
    created_at = fields.AwareDateTime(format="iso")
    expires_at = fields.AwareDateTime(format="iso", allow_none=True)
    last_used_at = fields.AwareDateTime(format="iso", allow_none=True)


class NewTokenSchema(TokenSchema):
    token = fields.String(
        metadata={"description": "Shown this once; only a hash of it is stored.", "example": "bbt_Xq3…"}
    )


class SessionQuery(PageQuery):
    user_id = QueryInteger(load_default=None, metadata={"description": "Another user's sessions; admins only."})


class SessionSchema(StrictSchema):
    id = fields.Integer(metadata={"example": 7})
    user_id = fields.Integer(metadata={"example": 1})
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})
    browser = fields.String(allow_none=True, metadata={"description": "As it calls itself; not proved."})
    created_at = fields.AwareDateTime(format="iso")
    last_seen_at = fields.AwareDateTime(format="iso")
