"""The persistent shell: many short reads in one channel, each framed by nonces of its own; pure text, like `base`.

What sshd is asked to run is LOGIN_COMMAND, as ever. `opening` goes to its stdin and, once it has answered, a turn for
each command. What waits on the node: the login's shell, a `cat` that hands on what we send (with a shell that waits for
its end), and the shell that reads it: a fork of the first where that can read on from a pipe, else a new one, which
wants `first_turn` before. When our end of the channel closes, `cat` ends, and the whole process group is killed at
once, as it is when the reading shell ends: what runs there is a read of ours, which has nothing to clear up. So the
channel is the lease here too.
A turn costs one fork, and three more steps where a place is checked. Wall-clock limits are the controller's, which
closes the channel; a limit of CPU seconds is kept on the node.
"""

import hashlib
from typing import Final

from app.commands.base import NODE_PATH, Command, Place, exports, quote
from app.secrets import Secret

READY: Final = "ready"
BARE: Final = "bare"


def opening(nonce: str) -> str:
    """For the login's shell. It answers READY, or BARE where the shell behind `cat` wants `first_turn`; where it leads
    no process group, `shared_group`: then nothing could be killed without killing others, and there is no persistent
    shell."""
    return _OPENING.format(nonce=nonce, setting=_SETTING)


def first_turn(nonce: str) -> str:
    """For a BARE shell behind `cat`: its surroundings and functions. It answers READY."""
    return _FIRST_TURN.format(nonce=nonce, setting=_SETTING)


def turn(command: Command, nonce: str, known: set[str]) -> str:
    """One command, in a subshell. Programs that the shell does not have yet are sent along, and added to `known`.

    Raises ValueError for a Secret: what is kept on the node must not be one.
    """
    body = _body(command)
    name = f"p_{hashlib.sha256(body.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"
    lines = [] if name in known else [f"{name}={quote(body)}"]
    known.add(name)
    words = [name, _place(command.place), *map(quote, command.arguments)]
    lines.append(f"turn {nonce} {command.timeout_seconds} {' '.join(words)}")
    return "{ " + "\n".join(lines) + "\n}\n"


def _body(command: Command) -> str:
    if any(isinstance(value, Secret) for value in command.environment.values()):
        raise ValueError("a command with a secret gets a channel of its own")
    return f"{exports(command.environment)}\n{command.program}"


def _place(place: Place | None) -> str:
    """Root, project, folder: empty where there is none."""
    if place is None:
        return "'' '' ''"
    return f"{quote(place.root)} {quote(place.project or '')} {quote(place.folder or '')}"


# `at` compares after entering, with the program, as `base` does; the whole way at once, because only where it leads
# counts. Only when that is astray, `step` by `step`, to know why.
_SETTING: Final = f"""umask 077
unset CDPATH ENV BASH_ENV
LC_ALL=C.UTF-8 PATH={NODE_PATH}
export LC_ALL PATH
if [ -x /bin/pwd ]
then where() {{ /bin/pwd -P; }}
else where() {{ env pwd -P; }}
fi
at() {{
  [ "$(where && printf x)" = "$1
x" ]
}}
step() {{
  [ -d "$1" ] && cd -P -- "$1" 2>/dev/null || {{ reason=$3; return 1; }}
  at "$2" || {{ reason=$4; return 1; }}
}}
steps() {{
  step "$1" "$1" root_missing root_unsafe || return
  [ -z "$2" ] || step "./$2" "${{1%/}}/$2" project_missing path_escape || return
  [ -z "$3" ] || step "./$3" "${{1%/}}/$2/$3" folder_missing path_escape
}}
enter() {{
  [ -n "$1" ] || return 0
  cd -P -- "$1" 2>/dev/null && {{ [ -z "$2" ] || cd -P -- "./$2" 2>/dev/null; }} &&
    {{ [ -z "$3" ] || cd -P -- "./$3" 2>/dev/null; }} && at "${{1%/}}${{2:+/$2}}${{3:+/$3}}" && return
  steps "$1" "$2" "$3"
}}
turn() {{
  reason=exit status=-
  printf 'BEGIN %s\\n' "$1" >&2
  printf 'BEGIN %s\\n' "$1"
  if enter "$4" "$5" "$6"
  then
    ( ulimit -S -t "$2" 2>/dev/null || :
      eval "program=\\$$3"
      shift 6
      eval "$program" ) </dev/null
    status=$?
  fi
  cd /
  printf '\\nEND %s - -\\n' "$1" >&2
  printf '\\nEND %s %s %s\\n' "$1" "$reason" "$status"
}}
"""

# Of the shells that are /bin/sh on Linux, bash and ksh read a whole file before they run a line of it; ash's kin do not.
_OPENING: Final = """{{
{setting}
exec 3<&0
word=ready
case ${{BASH_VERSION-}}${{KSH_VERSION-}}${{ZSH_VERSION-}}${{YASH_VERSION-}} in ?*) word=bare ;; esac
[ -r /dev/stdin ] || word=bare
kill -0 "-$$" 2>/dev/null || word=shared_group
printf 'BEGIN {nonce}\\n' >&2
printf 'BEGIN {nonce}\\n\\nEND {nonce} %s -\\n' "$word"
[ "$word" != shared_group ] || exit
{{ {{ cat <&3; kill -KILL "-$$"; }} 2>/dev/null & }} | {{
  exec 3<&-
  [ "$word" = ready ] || exec /bin/sh -s
  . /dev/stdin
}}
kill -KILL "-$$"
}}
"""

_FIRST_TURN: Final = """{{
{setting}
printf 'BEGIN {nonce}\\n\\nEND {nonce} - -\\n' >&2
printf 'BEGIN {nonce}\\n\\nEND {nonce} ready -\\n'
}}
"""
