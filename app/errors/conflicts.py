"""A state in the way of what was asked for."""

from app.errors.base import BareboatError


class Conflict(BareboatError):
    code = "conflict"
    message = "The present state does not allow this."


class NameTaken(Conflict):
    code = "name_taken"
    message = "The name is in use; choose another."


class NodeInUse(Conflict):
    code = "node_in_use"
    message = "The node still has projects; delete them first."


class KeyInUse(Conflict):
    code = "key_in_use"
    message = "The key is in use by a node; give those nodes another key first."


class CredentialInUse(Conflict):
    code = "credential_in_use"
    message = "The git credential is in use by a project; give those projects another one first."


class NodeOffline(Conflict):
    code = "node_offline"
    message = "The node is offline; see its page for the reason."


class NodeCordoned(Conflict):
    code = "node_cordoned"
    message = "The node is cordoned: an admin keeps new work off it."


class HostKeyUnpinned(Conflict):
    code = "host_key_unpinned"
    message = "No host key of this node is pinned; scan the node, compare the fingerprint, and pin it."


class KeyMissing(Conflict):
    code = "key_missing"
    message = "The node has no SSH key; choose one on the node's page."


class ProjectBusy(Conflict):
    code = "project_busy"
    message = "Another job is changing this project; wait for it, or cancel it."


class WrongState(Conflict):
    code = "wrong_state"
    message = "This cannot be done in the present state."


class ChannelOff(Conflict):
    code = "channel_off"
    message = "The notification channel is off; turn it on first."


class HookReplayed(Conflict):
    code = "hook_replayed"
    message = "This very delivery has been received already; nothing was done again."
