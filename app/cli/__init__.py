"""Commands of `flask --app wsgi …`: read the words, call a use case, print the outcome; decide nothing.

Exit status: 0 done, 1 refused or failed, 2 wrong words. No secret is ever taken from or put into argv.
"""

from flask import Flask

from app.cli import hostkeys, jobs, keys, nodes, projects, setup, users

__all__ = ["hostkeys", "init_app"]


def init_app(app: Flask) -> None:
    """`hostkeys` hangs its commands on the group of `nodes`; importing it is what puts them there."""
    for command in (
        setup.init,
        users.user,
        users.token,
        keys.key,
        nodes.node,
        projects.project,
        jobs.job,
    ):
        app.cli.add_command(command)
