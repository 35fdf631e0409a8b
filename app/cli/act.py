"""What every command shares: the application's context, who acts, how a refusal reads, how secrets come in."""

import atexit
import logging
import os
import pwd
import sys
from typing import IO, Any, Final

import click
from flask import current_app
from flask.cli import ScriptInfo
from marshmallow import Schema, ValidationError

from app.cli.show import told
from app.errors import BareboatError, Conflict, Forbidden, Invalid, NotFound, SecretUnreadable, Throttled
from app.models import Role
from app.redaction import printable
from app.schemas.base import MAX_ID
from app.secrets import Secret
from app.services import refusals
from app.services.events import Actor
from app.services.runtime import runtime
from app.services.startup import ensure_current_schema, ensure_own_master_key

AN_ID: Final = click.IntRange(1, MAX_ID)
_MARK = "bareboat_cli_closes"
_REFUSALS = (Invalid, Forbidden, NotFound, Conflict, Throttled, SecretUnreadable)


class Refusal(click.ClickException):
    """The sentence with its code, then its details, then a line for each field that is wrong."""

    exit_code = 1

    def __init__(self, error: BareboatError) -> None:
        rules = {name: " ".join(map(str, rules)) for name, rules in error.errors.items() if isinstance(rules, list)}
        same = [name for name, text in rules.items() if text == error.message]
        fields = [printable(f"  {name}: {text}") for name, text in rules.items() if name not in same]
        super().__init__("\n".join([*told(": ".join([*same, error.message]), error.code), *fields]))


class Act(click.Command):
    """A command in the application's context, on tables and with a master key that fit. A BareboatError: exit 1."""

    needs_tables = True

    def invoke(self, ctx: click.Context) -> Any:
        with ctx.ensure_object(ScriptInfo).load_app().app_context():
            _prepare_process()
            try:
                if self.needs_tables:
                    ensure_current_schema()
                    ensure_own_master_key()
                return super().invoke(ctx)
            except BareboatError as error:
                _note_refusal(ctx, error)
                raise Refusal(error) from error


class Acts(click.Group):
    """A noun; its commands are verbs."""

    command_class = Act


def actor() -> Actor:
    """Whoever runs the command owns the files of the installation: an admin, named by the account."""
    return Actor(f"cli:{_account()}", Role.ADMIN)


def load(schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    """The given values (None is not given) through the schema that REST uses too. Raises Invalid naming the fields."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        loaded: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        raise Invalid(errors=error.normalized_messages()) from error
    return loaded


def read_secret(stream: IO[str] | None, question: str, *, confirm: bool = False) -> Secret:
    """One line from the stream, or the answer to a question that is not echoed."""
    if stream is not None:
        return Secret(stream.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on; give the secret on stdin with the --…-stdin option.")
    return Secret(click.prompt(question, hide_input=True, confirmation_prompt=confirm))


def _note_refusal(ctx: click.Context, error: BareboatError) -> None:
    """Which command, never the values it was given. What a node does not do is a failure, and no refusal."""
    if isinstance(error, _REFUSALS):
        command = ctx.command_path.partition(" ")[2]
        refusals.note(refusals.Refusal(actor(), "command.refused", f"flask {command}", error.code))


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's arbitrary uid
        return f"uid-{os.getuid()}"


def _prepare_process() -> None:
    """Say goodbye to the nodes when it ends. Of what the log would have, only errors are for who runs a command."""
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.ERROR)
    if not current_app.extensions.get(_MARK):
        current_app.extensions[_MARK] = True
        atexit.register(runtime().nodes.close)
