"""Host keys of a node: scan, compare, pin, unpin."""

from collections.abc import Callable
from functools import partial

from flask import flash, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from app.edge.identity import actor, requires
from app.errors import BareboatError, NotFound
from app.services import hostkeys, nodes
from app.services.events import Actor
from app.web.blueprint import web
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
    flash(f"The node offers {len(offered)} host key(s). Compare before you pin: nothing is trusted yet.", "info")
    return redirect(back, 303)


@web.post("/nodes/<id:node_id>/pin")
@requires("admin")
def pin_host_key(node_id: int) -> Response:
    """Several keys may be pasted at once; those that cannot be pinned are told one by one."""
    back = _host_keys_of(node_id)
    try:
        count, refused = _pin(node_id, read_pasted(request.form.get("pasted", "")), actor())
    except BareboatError as error:
        return refuse(error, back)
    for message in refused:
        flash(message, "error")
    if count:
        flash(f"{count} host key{'s' if count > 1 else ''} pinned. Probe the node to see it come online.", "done")
    return redirect(back, 303)


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


def _pin(node_id: int, pasted: Pasted, who: Actor) -> tuple[int, list[str]]:
    """How many were pinned, and why the others were not."""
    if pasted.known_hosts is not None:
        keys, lines = hostkeys.pin_known_hosts(node_id, pasted.known_hosts, who)
        refused = [f"Line {line.number}: {line.reason}" for line in lines]
        return len(keys), refused or ([] if keys else ["None of these lines is for this node's host name and port."])
    acts = [partial(hostkeys.pin_fingerprint, node_id, text, who) for text in pasted.fingerprints]
    acts += [partial(hostkeys.pin_public_key, node_id, text, who) for text in pasted.public_keys]
    refused = [message for message in map(_refusal_of, acts) if message]
    return len(acts) - len(refused), refused


def _refusal_of(act: Callable[[], object]) -> str | None:
    try:
        act()
    except BareboatError as error:
        return error.message
    return None


def _host_keys_of(node_id: int) -> str:
    return url_for("web.show_node", node_id=node_id)
