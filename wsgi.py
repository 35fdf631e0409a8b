"""The application for a WSGI server (`gunicorn wsgi:app`) and for the flask command (`flask --app wsgi …`).

A server gets the scheduler and job runner started with it; a command does not, unless it is `flask run`.
"""

import gc
import sys

import click

gc.disable()  # next to nothing of what is imported becomes garbage; to look for it was a fifth of a start

from app import create_app, start_background
from app.errors import BareboatError
from app.services.startup import ensure_servable

_BOOT_ERROR = 3  # gunicorn's word for "do not start this worker again"

_command = click.get_current_context(silent=True)

gc.freeze()
gc.enable()

try:
    app = create_app()
    if _command is None or _command.info_name == "run":
        with app.app_context():
            ensure_servable()
        start_background(app)
except BareboatError as error:
    print(f"Error: {error.message} [{error.code}]", file=sys.stderr)
    sys.exit(_BOOT_ERROR)
