"""Commands of `flask --app wsgi …`: read the words, call a use case, print the outcome; decide nothing.

Exit status: 0 done, 1 refused or failed, 2 wrong words. No secret is ever taken from or put into argv.
"""

from flask import Flask

from app.cli import (
    channels,
    commands,
    credentials,
    events,
    githosts,
    hooks,
    hostkeys,
    jobs,
    keys,
    nodes,
    playbooks,
    project_sets,
    projects,
    runs,
    schedules,
    secrets,
    setup,
    trash,
    undo,
    users,
)

__all__ = ["commands", "hostkeys", "init_app", "undo"]


def init_app(app: Flask) -> None:
    """`hostkeys`, `commands` and `undo` hang theirs on the groups of `nodes` and `projects`, when they are imported."""
    for command in (
        setup.init,
        secrets.secrets,
        events.events,
        users.user,
        users.token,
        keys.key,
        credentials.credential,
        githosts.git_host,
        nodes.node,
        projects.project,
        project_sets.project_set,
        trash.trash,
        jobs.job,
        runs.run,
        playbooks.playbook,
        schedules.schedule,
        hooks.hook,
        channels.channel,
    ):
        app.cli.add_command(command)
