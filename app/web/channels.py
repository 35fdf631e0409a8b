"""Notification channels: the list, made, shown with their log, tested, turned off and on, deleted."""

from http import HTTPStatus
from typing import Any, Final

from flask import flash, render_template, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import Conflict, Invalid
from app.schemas.channels import form_schema
from app.secrets import Secret
from app.services import channels
from app.services.alerts import EVENTS
from app.services.mail import mail_server
from app.web.blueprint import web
from app.web.forms import Form
from app.web.paging import PAGE_SIZE, asked_page
from app.web.refusals import refuse

_BOXES: Final = {name: name.replace(".", "_") for name in EVENTS}
_START: Final = {"kind": "json"} | dict.fromkeys(_BOXES.values(), "on")
_FIELD_BY_CODE: Final = {"name_taken": "name"}


@web.get("/notification-channels")
@requires("admin")
def list_channels() -> str:
    return render_template("channels/list.html", page=channels.list_channels(asked_page(), PAGE_SIZE))


@web.get("/notification-channels/new")
@requires("admin")
def new_channel() -> str:
    return _form_page(Form(start=_START))


@web.post("/notification-channels/new")
@requires("admin")
def create_channel() -> str | tuple[str, int]:
    """The answer itself shows the secret: a redirect would have to keep it somewhere."""
    form = Form(form_schema(EVENTS))
    try:
        channel, secret = channels.create_channel(_values(form.read()), actor())
    except (Invalid, Conflict) as error:
        return _form_page(form.refuse(error, _FIELD_BY_CODE)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(channel.id, secret)


@web.get("/notification-channels/<id:channel_id>")
@requires("admin")
def show_channel(channel_id: int) -> str:
    return _page(channel_id)


@web.post("/notification-channels/<id:channel_id>/test")
@requires("admin")
def request_channel_test(channel_id: int) -> Response:
    channels.request_test(channel_id, actor())
    flash("A test is on its way; the log below says what came of it, within seconds.", "done")
    return _back_to(channel_id)


@web.get("/notification-channels/<id:channel_id>/deliveries/<id:delivery_id>/send-again")
@requires("admin")
def confirm_sending_again(channel_id: int, delivery_id: int) -> str | Response:
    delivery = channels.get_delivery(channel_id, delivery_id)
    try:
        channels.ensure_can_send_again(delivery)
    except Conflict as error:
        return refuse(error, url_for("web.show_channel", channel_id=channel_id))
    return render_template("channels/send_again.html", channel=delivery.channel, delivery=delivery)


@web.post("/notification-channels/<id:channel_id>/deliveries/<id:delivery_id>/send-again")
@requires("admin")
def send_again(channel_id: int, delivery_id: int) -> Response:
    try:
        channels.request_again(channel_id, delivery_id, actor())
    except Conflict as error:
        return refuse(error, url_for("web.show_channel", channel_id=channel_id))
    flash("It is on its way again; the log below says what came of it, within seconds.", "done")
    return _back_to(channel_id)


@web.post("/notification-channels/<id:channel_id>/enable")
@requires("admin")
def enable_channel(channel_id: int) -> Response:
    return _turn(channel_id, is_on=True)


@web.post("/notification-channels/<id:channel_id>/disable")
@requires("admin")
def disable_channel(channel_id: int) -> Response:
    return _turn(channel_id, is_on=False)


@web.get("/notification-channels/<id:channel_id>/rotate")
@requires("admin")
def confirm_channel_rotation(channel_id: int) -> str:
    return render_template("channels/rotate.html", channel=channels.get_channel(channel_id))


@web.post("/notification-channels/<id:channel_id>/rotate")
@requires("admin")
def rotate_channel(channel_id: int) -> str | Response:
    try:
        _, secret = channels.rotate_channel(channel_id, actor())
    except Conflict as error:
        return refuse(error, url_for("web.show_channel", channel_id=channel_id))
    return _page(channel_id, secret)


@web.get("/notification-channels/<id:channel_id>/delete")
@requires("admin")
def confirm_channel_deletion(channel_id: int) -> str:
    return render_template("channels/delete.html", channel=channels.get_channel(channel_id))


@web.post("/notification-channels/<id:channel_id>/delete")
@requires("admin")
def delete_channel(channel_id: int) -> Response:
    name = channels.get_channel(channel_id).name
    channels.delete_channel(channel_id, actor())
    flash(f"Channel {name} is deleted.", "done")
    return redirect(url_for("web.list_channels"), HTTPStatus.SEE_OTHER)


def _values(typed: dict[str, Any]) -> dict[str, Any]:
    """The boxes as a list of events, the line of recipients as a list of them."""
    events = [name for name, box in _BOXES.items() if typed.pop(box, False)]
    if "recipients" in typed:
        typed["recipients"] = [part for part in typed["recipients"].replace(",", " ").split() if part]
    return typed | {"events": events}


def _turn(channel_id: int, *, is_on: bool) -> Response:
    channel = channels.update_channel(channel_id, {"enabled": is_on}, actor())
    flash(f"Channel {channel.name} is {'on' if is_on else 'off: nothing new is sent by it'}.", "done")
    return _back_to(channel_id)


def _back_to(channel_id: int) -> Response:
    return redirect(url_for("web.show_channel", channel_id=channel_id), HTTPStatus.SEE_OTHER)


def _page(channel_id: int, secret: Secret | None = None) -> str:
    return render_template(
        "channels/show.html",
        channel=channels.get_channel(channel_id),
        page=channels.list_deliveries(channel_id, asked_page(), PAGE_SIZE),
        secret=secret.reveal() if secret else None,
    )


def _form_page(form: Form) -> str:
    return render_template("channels/new.html", form=form, boxes=_BOXES, has_mail=mail_server() is not None)
