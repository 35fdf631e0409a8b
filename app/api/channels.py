"""Notification channels: where Bareboat says that something has changed."""

from typing import Any

from app.api.answers import LOCATION, made
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.channels import (
    ChannelCreateSchema,
    ChannelSchema,
    ChannelUpdateSchema,
    NewChannelSchema,
    NotificationDeliverySchema,
)
from app.schemas.paging import PageQuery
from app.secrets import Secret
from app.services import channels

blueprint = Blueprint(
    "notification-channels", "/notification-channels", "Where Bareboat says that something has changed."
)


@blueprint.get("")
@blueprint.guard("admin")
@blueprint.lists(ChannelSchema, PageQuery)
def list_notification_channels(**query: Any) -> Any:
    """List notification channels"""
    return channels.list_channels(**query)


@blueprint.post("")
@blueprint.guard("admin", 409)
@blueprint.arguments(ChannelCreateSchema)
@blueprint.response(201, NewChannelSchema, headers=LOCATION)
def create_notification_channel(values: dict[str, Any]) -> Any:
    """Make a notification channel

    The answer is the only showing of the secret that signs JSON.
    """
    channel, secret = channels.create_channel(values, actor())
    return made(_fresh(channel, secret), "notification-channels.get_notification_channel", channel_id=channel.id)


@blueprint.get("/<id:channel_id>")
@blueprint.guard("admin", 404)
@blueprint.response(200, ChannelSchema)
def get_notification_channel(channel_id: int) -> Any:
    """Show a notification channel"""
    return channels.get_channel(channel_id)


@blueprint.patch("/<id:channel_id>")
@blueprint.guard("admin", 404, 409)
@blueprint.arguments(ChannelUpdateSchema)
@blueprint.response(200, ChannelSchema)
def update_notification_channel(values: dict[str, Any], channel_id: int) -> Any:
    """Change a notification channel, turn it off or on"""
    return channels.update_channel(channel_id, values, actor())


@blueprint.delete("/<id:channel_id>")
@blueprint.guard("admin", 404)
@blueprint.response(204)
def delete_notification_channel(channel_id: int) -> None:
    """Delete a notification channel

    What was still to be delivered is not.
    """
    channels.delete_channel(channel_id, actor())


@blueprint.post("/<id:channel_id>/rotate")
@blueprint.guard("admin", 404, 409)
@blueprint.response(200, NewChannelSchema)
def rotate_notification_channel(channel_id: int) -> Any:
    """Give a channel another secret to sign JSON with

    The answer is its only showing.
    """
    return _fresh(*channels.rotate_channel(channel_id, actor()))


@blueprint.post("/<id:channel_id>/test")
@blueprint.guard("admin", 404)
@blueprint.response(200, NotificationDeliverySchema)
def test_notification_channel(channel_id: int) -> Any:
    """Send a test by a channel

    It is queued like any notification, and tried once; its delivery says what came of it.
    """
    return channels.request_test(channel_id, actor())


@blueprint.get("/<id:channel_id>/deliveries")
@blueprint.guard("admin", 404)
@blueprint.lists(NotificationDeliverySchema, PageQuery)
def list_notification_deliveries(channel_id: int, **query: Any) -> Any:
    """List what was sent by a channel, and what is still to be

    The latest first; the last 200 are kept.
    """
    return channels.list_deliveries(channel_id, **query)


@blueprint.post("/<id:channel_id>/deliveries/<id:delivery_id>/send-again")
@blueprint.guard("admin", 404, 409)
@blueprint.response(200, NotificationDeliverySchema)
def send_notification_again(channel_id: int, delivery_id: int) -> Any:
    """Send again what has failed

    Under the same `uid`, so that a receiver that has it after all passes over it; tried at once. 409 `channel_off`
    where the channel is off, `wrong_state` for what waits or has been delivered.
    """
    return channels.request_again(channel_id, delivery_id, actor())


def _fresh(channel: Any, secret: Secret | None) -> dict[str, Any]:
    shown = {name: getattr(channel, name) for name in ChannelSchema().fields}
    return shown | {"secret": secret.reveal() if secret else None}
