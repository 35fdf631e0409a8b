"""What may go wrong with an act on a node: its code, and the sentence for people. Used through app.errors."""

from typing import Final

# Causes that may pass by themselves. Whether an act may be repeated at all is for its kind of job to say.
RETRYABLE_FAILURES: Final = frozenset({"git_remote_error", "git_unreachable", "process_lost"})

ACT_FAILURES: Final[dict[str, str]] = {
    "root_missing": "The projects root does not exist on the node; create it (Bareboat never does).",
    "root_unsafe": "The projects root is a link, or others may write to it; make it a plain folder, mode 0755 or less.",
    "root_not_writable": "The SSH user may not write to the projects root; mend its owner, or the read-only mount.",
    "disk_full": "The node's disk is full (space or inodes); free some and retry.",
    "git_missing": "git is not installed on the node, or older than 2.20; install it and retry.",
    "path_escape": "The folder on the node is not where it should be (a link?); nothing was touched.",
    "target_exists": "A folder of that name exists on the node and is not ours; move it away, or choose another name.",
    "project_missing": "The project's folder is not on the node any more; delete the project here, or clone it again.",
    "config_tampered": "The repository's .git/config holds settings that Bareboat did not write; nothing was run.",
    "repository_locked": "A git lock file is left in the repository; if nothing else works there, remove it and retry.",
    "repository_broken": "The repository on the node is damaged; delete the project and clone it again.",
    "git_not_found": "The git server knows no such repository (or hides it without a credential); check the address.",
    "git_auth_failed": "The git server wants a credential, or refuses the one given; the repository may be private.",
    "git_unreachable": "The node cannot reach the git server; check the address, and the network from the node.",
    "git_host_key": "The git server's host key is not known; nothing was sent to it.",
    "agent_refused": "The node's sshd forwards no agent, which git needs for an SSH key; set AllowAgentForwarding.",
    "git_certificate": "The node does not trust the git server's certificate; mend it, or the node's CA store.",
    "git_redirected": "The repository has moved, and redirects are not followed; use its new address.",
    "resolver_missing": "The node has no getent to look up names with; install it (libc-bin, or musl-utils) and retry.",
    "git_remote_error": "The git server answered with an error; retry later.",
    "git_address_denied": "The git address leads to a network that is denied here (DENIED_NETWORKS).",
    "ref_not_found": "There is no such branch, tag or commit.",
    "repository_empty": "The repository has no commits, or the address is no git repository.",
    "not_fast_forward": "The branch has diverged from its upstream; nothing was changed.",
    "tree_dirty": "There are changes that are not committed; nothing was changed. Commit, drop, or pull with reset.",
    "work_unpushed": "Nothing was deleted: there is work that exists only there. Push it, or delete with force.",
    "remote_unasked": "Nothing was deleted: the git server could not be asked whether it has all. Mend that, or force.",
    "trash_stuck": "Some of it cannot be removed from the trash: it belongs to others. Remove it on the node.",
    "trash_missing": "It is not in the node's trash any more; nothing was changed.",
    "no_upstream": "No branch is checked out, or it has no upstream; check out a branch first.",
    "folder_missing": "There is no such folder in the project.",
    "commit_moved": "The project is not at the commit that was asked for any more; nothing was run.",
    "command_failed": "The command ended with an exit status other than 0; see its output in the log.",
    "git_failed": "git failed; its last lines are in the log.",
    "setsid_missing": "The node has no setsid; install it (util-linux, or busybox) and retry.",
    "proc_missing": "The node has no /proc that can be read; mount it and retry.",
    "process_lost": "The process is gone from the node without an outcome (a reboot, a kill?); look, then retry.",
    "stop_unconfirmed": "The process could not be proved to have ended; its process ids are in the message.",
    "cancelled_before_start": "Cancelled before it started; nothing was done on the node.",
    "internal_error": "A fault in Bareboat itself; the controller's log has the details.",
}
