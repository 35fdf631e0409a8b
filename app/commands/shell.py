"""The persistent shell: many short reads in one channel, each framed by nonces of its own; pure text, like `base`.

What sshd is asked to run is LOGIN_COMMAND, as ever. OPENING goes to the stdin of the shell that it starts, at once
with the first turn, and then a turn for each command. Nothing else waits on the node; when our end of the channel
closes between two turns, that shell ends. During a turn it does not read, but a watcher does, who kills the whole
process group when the channel closes: what runs there is a read of ours, which has nothing to clear up. So the
channel is the lease here too. When the shell itself dies in a turn, sshd closes the watcher's input, with the same
effect.
A turn costs two forks, and a step more where a place is checked. A shell that is asked often settles: a `cat` hands on
what we send to a fork of it, and at its end kills the group; then a turn needs no watcher. A program that only tells
what it has found (`Command.is_told`) costs one fork: it works in the background while the shell reads on, which is
watching too, and begin, output and end are written at once. Wall-clock limits are the controller's, which closes the
channel; a limit of CPU seconds is kept on the node.
"""

import hashlib
from functools import lru_cache
from typing import Final

from app.commands.base import NODE_PATH, WHERE, Command, Place, exports, quote
from app.secrets import Secret

READY: Final = "ready"


def opening(nonce: str) -> str:
    """OPENING alone. It answers READY."""
    return f"{OPENING}ready {nonce}\n"


def settling(nonce: str) -> str:
    """For a shell that is asked often: a turn will cost one fork instead of two, for three processes that wait on the
    node. It answers READY, also where it stays as it is."""
    return f"settle {nonce}\n"


def turn(command: Command, nonce: str, known: set[str]) -> str:
    """One command, in a subshell. Programs that the shell does not have yet are sent along, and added to `known`.

    Raises ValueError for a Secret: what is kept on the node must not be one.
    """
    body = _body(command)
    name = _name(body)
    lines = [] if name in known else [f"{name}={quote(body)}"]
    known.add(name)
    words = [name, *map(quote, command.arguments)]
    if not command.is_told:
        words.insert(1, _place(command.place))
    lines.append(f"{'told' if command.is_told else 'turn'} {nonce} {command.timeout_seconds} {' '.join(words)}")
    return "{ " + "\n".join(lines) + "\n}\n"


def _body(command: Command) -> str:
    if any(isinstance(value, Secret) for value in command.environment.values()):
        raise ValueError("a command with a secret gets a channel of its own")
    return f"{exports(command.environment)}\n{command.program}"


@lru_cache(64)
def _name(body: str) -> str:
    return f"p_{hashlib.sha256(body.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"


def _place(place: Place | None) -> str:
    """Root, project, folder: empty where there is none."""
    if place is None:
        return "'' '' ''"
    return f"{quote(place.root)} {quote(place.project or '')} {quote(place.folder or '')}"


# `at` compares after entering, with the program, as `base` does; the whole way at once, because only where it leads
# counts. Only when that is astray, `step` by `step`, to know why.
# The watcher has ended when END is said: the next turn is for the shell to read.
# The end of what we send, while a told program works, ends the shell, and with it its group.
# Of the shells that are /bin/sh, bash and ksh read a whole file before they run a line of it: they do not settle.
# A shell that leads no process group ends at once: nothing could be killed there without killing others.
_OPENING: Final = """{{
exec 3<&0
umask 077
unset CDPATH ENV BASH_ENV
LC_ALL=C.UTF-8 PATH={path}
export LC_ALL PATH
{where}
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
  if [ -z "$is_settled" ]
  then
    {{ read -r _ <&3; kill -KILL "-$$"; }} >/dev/null 2>&1 &
    watcher=$!
  fi
  if enter "$4" "$5" "$6"
  then
    ( ulimit -S -t "$2" 2>/dev/null || :
      eval "program=\\$$3"
      shift 6
      eval "$program" ) </dev/null 3<&-
    status=$?
  fi
  cd /
  [ -n "$is_settled" ] || {{ kill -KILL "$watcher"; wait "$watcher"; }} 2>/dev/null
  printf '\\nEND %s - -\\n' "$1" >&2
  printf '\\nEND %s %s %s\\n' "$1" "$reason" "$status"
}}
told() {{
  wait
  {{
    exec 3<&-
    frame=$1 is_told=yes said=
    ulimit -S -t "$2" || :
    eval "program=\\$$3"
    shift 3
    eval "$program"
    printf 'BEGIN %s\\n%s\\nEND %s exit %s\\n' "$frame" "$said" "$frame" "$?"
  }} </dev/null 2>/dev/null &
}}
ready() {{
  printf 'BEGIN %s\\n\\nEND %s - -\\n' "$1" "$1" >&2
  printf 'BEGIN %s\\n\\nEND %s ready -\\n' "$1" "$1"
}}
settle() {{
  case ${{BASH_VERSION-}}${{KSH_VERSION-}}${{ZSH_VERSION-}}${{YASH_VERSION-}} in ?*) ready "$1"; return 0 ;; esac
  is_settled=yes
  {{ {{ cat <&3; kill -KILL "-$$"; }} 2>/dev/null & }} | {{ exec 3<&-; ready "$1"; . /dev/stdin; }}
  kill -KILL "-$$"
}}
is_settled=
kill -0 "-$$" 2>/dev/null || exit
cd /
trap 'kill -KILL "-$$"' EXIT
}}
"""

# For the login's shell: its surroundings and functions. It says nothing; the first turn's BEGIN shows that it reads on.
OPENING: Final = _OPENING.format(path=NODE_PATH, where=WHERE)
