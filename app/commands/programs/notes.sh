# Lines in the log of acts, for whoever looks after the node: behind bb_note, which says what they are about. With what
# the shell has itself, without a fork, into a plain file only; whatever comes of it, the act goes on.

# LOG WORDS
note() {
  [ -n "$bb_note" ] && [ ! -L "$1" ] && { [ -f "$1" ] || [ ! -e "$1" ]; } || return
  printf '%s %s\n' "$bb_note" "$2" >>"$1"
} 2>/dev/null

# LOG WORDS, as the last that this shell writes to a file: the kernel keeps the log to a mebibyte; the line that is one
# too many begins the next one.
last_note() {
  trap '' XFSZ
  ulimit -f 2048
  note "$1" "$2" || { is_full "$1" && [ ! -d "$1.1" ] && mv -f "$1" "$1.1" && note "$1" "$2"; }
} 2>/dev/null

is_full() {
  [ -n "$bb_note" ] && [ -f "$1" ] && [ ! -L "$1" ] && [ -n "$(find "$1" -size +2047)" ]
}
