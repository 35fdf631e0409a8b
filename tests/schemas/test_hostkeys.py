import pytest
from marshmallow import ValidationError

from app.schemas.hostkeys import PinSchema

FINGERPRINT = "SHA256:" + "A" * 43


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"fingerprint": FINGERPRINT, "public_key": "ssh-ed25519 AAAA"},
        {"fingerprint": "MD5:00:11"},
        {"fingerprint": FINGERPRINT + "A"},
        {"public_key": "ssh-ed25519 AAAA\nssh-ed25519 BBBB"},
        {"public_key": 1},
        {"known_hosts": "x"},
        [],
    ],
)
def test_a_pin_is_one_fingerprint_or_one_key(values: object) -> None:
    with pytest.raises(ValidationError):
        PinSchema().load(values)  # type: ignore[arg-type]


def test_space_around_what_was_pasted_is_no_part_of_it() -> None:
    assert PinSchema().load({"fingerprint": f" {FINGERPRINT}\n"}) == {"fingerprint": FINGERPRINT}
