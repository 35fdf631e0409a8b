"""The application for a WSGI server (`gunicorn wsgi:app`) and for the flask command (`flask --app wsgi …`).

A server gets the scheduler and job runner started with it; a command does not, unless it is `flask run`.
"""

import click

from app import create_app, start_background

app = create_app()

_command = click.get_current_context(silent=True)
if _command is None or _command.info_name == "run":
    start_background(app)
