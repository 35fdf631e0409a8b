"""Host keys of a node: scan, compare, pin, unpin."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, NotFound
from app.plurals import counted
from app.schemas.hostkeys import ExpectedKeySchema
from app.services import hostkeys, nodes, quarantine, rebuilds
from app.services.events import Actor
from app.web.blueprint import web
from app.web.forms import Form
from app.web.onboarding import Pasted, read_pasted
from app.web.refusals import refuse


@web.post("/nodes/<id:node_id>/scan")
@requires("admin")
def scan_node(node_id: int) -> Response:
    back = _host_keys_of(node_id)
    try:
        offered = hostkeys.scan_node(node_id, actor())
    except BareboatError as error:
        return refuse(error, back)
    count = counted(len(offered), "host key")
    flash(f"The node offers {count}. Compare before you pin: nothing is trusted yet.", "info")
    return redirect(back, 303)


@web.post("/nodes/<id:node_id>/pin")
@requires("admin")
def pin_host_key(node_id: int) -> Response:
    """Several keys may be pasted at once; those that cannot be pinned are told one by one."""
    back = _host_keys_of(node_id)
    try:
        pinned = {key.id for key in nodes.get_node(node_id).host_keys}
        ids, refused = _pin(node_id, read_pasted(request.form.get("pasted", "")), actor())
    except BareboatError as error:
        return refuse(error, back)
    for message in refused:
        flash(message, "error")
    _tell(len(ids - pinned), len(ids & pinned))
    return redirect(back, 303)


@web.post("/nodes/<id:node_id>/approve")
@requires("admin")
def approve_host_key(node_id: int) -> Response:
    """The form carries the fingerprint that the page has shown: only that key is approved."""
    try:
        key = quarantine.approve(node_id, request.form.get("fingerprint", ""), actor())
    except BareboatError as error:
        return refuse(error, url_for("web.show_node", node_id=node_id))
    flash(f"{key.fingerprint} is pinned now, and nothing else. Held jobs go on.", "done")
    return redirect(url_for("web.show_node", node_id=node_id), 303)


@web.post("/nodes/<id:node_id>/expected-key")
@requires("admin")
def expect_host_key(node_id: int) -> Response:
    try:
        values = Form(ExpectedKeySchema()).read()
        rebuilds.expect_key(node_id, values["hours"], actor())
    except BareboatError as error:
        return refuse(error, _host_keys_of(node_id))
    flash("The next new host key that the node shows is pinned by itself, once, until the time below.", "done")
    return redirect(_host_keys_of(node_id), 303)


@web.post("/nodes/<id:node_id>/expected-key/cancel")
@requires("admin")
def cancel_expected_host_key(node_id: int) -> Response:
    try:
        rebuilds.cancel_expected_key(node_id, actor())
    except BareboatError as error:
        return refuse(error, _host_keys_of(node_id))
    flash("No new host key is expected any more: one that is not pinned means quarantine.", "done")
    return redirect(_host_keys_of(node_id), 303)


@web.get("/nodes/<id:node_id>/host-keys/<id:host_key_id>/unpin")
@requires("admin")
def confirm_unpin(node_id: int, host_key_id: int) -> str:
    node = nodes.get_node(node_id)
    key = next((key for key in node.host_keys if key.id == host_key_id), None)
    if key is None:
        raise NotFound(f"Node {node.name} has no host key {host_key_id}; it may have been unpinned already.")
    return render_template("nodes/unpin.html", node=node, key=key)


@web.post("/nodes/<id:node_id>/host-keys/<id:host_key_id>/unpin")
@requires("admin")
def unpin_host_key(node_id: int, host_key_id: int) -> Response:
    hostkeys.unpin(node_id, host_key_id, actor())
    flash("The host key is not trusted any more.", "done")
    return redirect(_host_keys_of(node_id), 303)


def _tell(new: int, old: int) -> None:
    if new:
        flash(f"{counted(new, 'host key')} pinned. Probe the node to see it come online.", "done")
    if old:
        flash(f"{counted(old, 'host key was', 'host keys were')} already pinned; nothing was changed.", "info")


def _pin(node_id: int, pasted: Pasted, who: Actor) -> tuple[set[int], list[str]]:
    """The ids of the keys that are pinned now, and why the others are not."""
    if pasted.known_hosts is not None:
        keys, lines = hostkeys.pin_known_hosts(node_id, pasted.known_hosts, who)
        refused = [f"Line {line.number}: {line.reason}" for line in lines]
        return {key.id for key in keys}, refused or (
            [] if keys else ["None of these lines is for this node's host name and port."]
        )
    acts = [partial(hostkeys.pin_fingerprint, node_id, text, who) for text in pasted.fingerprints]
    acts += [partial(hostkeys.pin_public_key, node_id, text, who) for text in pasted.public_keys]
    outcomes = [_outcome_of(act) for act in acts]
    ids = {outcome for outcome in outcomes if isinstance(outcome, int)}
    return ids, [outcome for outcome in outcomes if isinstance(outcome, str)]


def _outcome_of(act: Callable[[], Any]) -> int | str:
    """The id of the pinned key, or the refusal."""
    try:
        return int(act().id)
    except BareboatError as error:
        return error.message


def _host_keys_of(node_id: int) -> str:
    return url_for("web.show_node", node_id=node_id)
