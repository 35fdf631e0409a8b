from typing import Any

import pytest
from marshmallow import ValidationError

from app.schemas.keys import SSHKeyCreateSchema
from app.secrets import Secret


def refused(values: Any) -> Any:
    with pytest.raises(ValidationError) as caught:
        SSHKeyCreateSchema().load(values)
    return caught.value.messages


def test_a_private_key_leaves_the_schema_as_a_secret() -> None:
    loaded = SSHKeyCreateSchema().load({"name": "fleet", "private_key": "a\nb\n", "passphrase": "c"})
    assert isinstance(loaded["private_key"], Secret)
    assert isinstance(loaded["passphrase"], Secret)
    assert loaded["private_key"].reveal() == "a\nb\n"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "generate"),
        ({"generate": "ed25519", "private_key": "x"}, "generate"),
        ({"generate": "ed25519", "passphrase": "x"}, "passphrase"),
        ({"generate": "dsa"}, "generate"),
        ({"private_key": "x" * 65537}, "private_key"),
        ({"private_key": "a\0b"}, "private_key"),
        ({"private_key": ["x"]}, "private_key"),
        ({"generate": "ed25519", "name": "a\nssh-rsa AAAA"}, "name"),
        ({"generate": "ed25519", "name": "-x"}, "name"),
        ({"generate": "ed25519", "public_key": "x"}, "public_key"),
    ],
)
def test_a_key_is_made_in_one_of_two_ways(values: dict[str, Any], field: str) -> None:
    assert list(refused({"name": "fleet"} | values)) == [field]


def test_a_refusal_does_not_repeat_the_secret() -> None:
    assert "hunter2" not in str(refused({"name": "fleet", "private_key": "hunter2\0", "passphrase": "hunter2\0"}))
