"""How forges sign and what they send, as their documentation has it; and what is not a signature."""

import time
from collections.abc import Callable

import pytest

from app.errors import Invalid, SignatureInvalid
from app.models import ForgeKind
from app.secrets import Secret
from app.services.hook_payloads import Request, ensure_signed, event_of, keys_of, pushed_branch
from tests.support import pushes
from tests.support.pushes import Delivery

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SIGNED = [(kind, forge) for kind, forge in pushes.FORGES.items()] + [("gitlab", pushes.gitlab_signed)]
Forge = Callable[..., Delivery]


def request_of(delivery: Delivery) -> Request:
    return Request({name.lower(): value for name, value in delivery.headers.items()}, delivery.body)


def check(kind: str, delivery: Delivery, secret: str = SECRET) -> None:
    ensure_signed(ForgeKind(kind), Secret(secret), request_of(delivery), time.time())


def test_github_s_own_example_is_right() -> None:
    """From its page "Validating webhook deliveries"."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    check("github", Delivery(b"Hello, World!", {"X-Hub-Signature-256": signature}), "It's a Secret to Everybody")


def test_the_example_of_standard_webhooks_is_right() -> None:
    """From its specification: id, time, body and signature."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    ensure_signed(ForgeKind.GITLAB, secret, Request(headers, b'{"test": 2432232314}'), 1614265330)


@pytest.mark.parametrize(("kind", "forge"), SIGNED)
def test_a_signed_push_names_its_branch(kind: str, forge: Forge) -> None:
    delivery = forge(SECRET, "feature/x")
    check(kind, delivery)
    assert pushed_branch(ForgeKind(kind), request_of(delivery)) == "feature/x"


@pytest.mark.parametrize(("kind", "forge"), SIGNED)
def test_another_secret_is_no_signature(kind: str, forge: Forge) -> None:
    with pytest.raises(SignatureInvalid):
        check(kind, forge("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))


@pytest.mark.parametrize(("kind", "forge"), [each for each in SIGNED if each[1] is not pushes.gitlab])
def test_a_changed_body_is_not_signed(kind: str, forge: Forge) -> None:
    delivery = forge(SECRET)
    with pytest.raises(SignatureInvalid):
        check(kind, delivery.but(body=delivery.body + b" "))


@pytest.mark.parametrize("value", [None, "", "sha256=", "sha1=abc", "x" * 100_000, "sha256=é\udcff"])
@pytest.mark.parametrize("kind", ["github", "gitea", "gitlab"])
def test_what_is_no_signature_is_refused(kind: str, value: str | None) -> None:
    names = ("X_Hub_Signature_256", "X_Gitea_Signature", "X_Gogs_Signature", "X_Gitlab_Token")
    with pytest.raises(SignatureInvalid):
        check(kind, pushes.FORGES[kind](SECRET).but(**dict.fromkeys(names, value)))


def test_a_wrong_header_of_gitea_is_not_saved_by_a_right_one_of_github() -> None:
    with pytest.raises(SignatureInvalid):
        check("gitea", pushes.gitea(SECRET).but(X_Gitea_Signature="0" * 64))


def test_gitea_may_sign_as_github_does_and_forgejo_by_its_own_name() -> None:
    check("gitea", pushes.gitea(SECRET).but(X_Gitea_Signature=None))
    delivery = pushes.gitea(SECRET)
    check("gitea", delivery.but(X_Gitea_Signature=None, X_Forgejo_Signature=delivery.headers["X-Gitea-Signature"]))


def test_a_wrong_signature_of_gitlab_is_not_saved_by_its_token() -> None:
    with pytest.raises(SignatureInvalid):
        check("gitlab", pushes.gitlab_signed(SECRET).but(webhook_signature="v1,AAAA", X_Gitlab_Token=SECRET))


@pytest.mark.parametrize("age_seconds", [400, -400])
def test_gitlab_s_signature_ends(age_seconds: float) -> None:
    with pytest.raises(SignatureInvalid):
        check("gitlab", pushes.gitlab_signed(SECRET, age_seconds=age_seconds))


@pytest.mark.parametrize("said_at", ["", "-1", "1e9", "9" * 5000, "١٦١٤٢٦٥٣٣٠"])
def test_a_time_that_is_none_is_no_signature(said_at: str) -> None:
    with pytest.raises(SignatureInvalid):
        check("gitlab", pushes.gitlab_signed(SECRET).but(webhook_timestamp=said_at))


@pytest.mark.parametrize("kind", pushes.FORGES)
@pytest.mark.parametrize(
    "payload", [{"ref": "refs/tags/v1"}, {"after": pushes.ZEROS}, {"deleted": True, "after": pushes.ZEROS}]
)
def test_tags_and_deleted_branches_ask_for_nothing(kind: str, payload: dict[str, object]) -> None:
    assert pushed_branch(ForgeKind(kind), request_of(pushes.FORGES[kind](SECRET, **payload))) is None


def test_other_events_ask_for_nothing_whatever_they_hold() -> None:
    ping = pushes.github(SECRET).but(body=b'{"zen": "Design for failure."}', X_GitHub_Event="ping")
    assert (event_of(ForgeKind.GITHUB, request_of(ping)), pushed_branch(ForgeKind.GITHUB, request_of(ping))) == (
        "ping",
        None,
    )


def test_a_form_s_payload_is_read_too() -> None:
    delivery = pushes.github(SECRET).but(
        body=b"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D",
        Content_Type="application/x-www-form-urlencoded",
    )
    assert pushed_branch(ForgeKind.GITHUB, request_of(delivery)) == "main"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"ref": 7}', b"[" * 200_000, b'{"a": 1}'])
def test_a_push_that_cannot_be_read_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        pushed_branch(ForgeKind.GITHUB, request_of(pushes.github(SECRET).but(body=body)))


def test_an_id_that_is_not_signed_is_not_all_that_a_delivery_is_known_by() -> None:
    delivery = pushes.github(SECRET)
    first = keys_of(ForgeKind.GITHUB, request_of(delivery))
    again = keys_of(ForgeKind.GITHUB, request_of(delivery.but(X_GitHub_Delivery="another")))
    assert len(first & again) == 1
