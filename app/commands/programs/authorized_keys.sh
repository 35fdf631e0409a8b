# authorized_keys.sh ACT JOB LINE LIKE ROOT NOTE: lines of the account's own ~/.ssh/authorized_keys. LINE and LIKE are
# public keys, `type base64 words`. A line holds a key as sshd reads it, behind options too. ROOT and NOTE: see notes.sh.
#   look    prints `present` or `absent`
#   add     LINE goes before the first line that holds LIKE, with that one's options; prints `added` or `present`
#   remove  every line that holds the key of LINE goes; prints `removed` or `absent`
# All other bytes stay as they are. The new file is written beside, with the mode and owner of the old one, and renamed.
LC_ALL=C
export LC_ALL
set -f
act=$1 job=$2 wanted=$3 like=$4 root=$5 bb_note=$6
tab=$(printf '\t')
cr=$(printf '\r')
blanks=" $tab"
file=./authorized_keys
new=./.authorized_keys.$job

# $1 belongs to the account (a folder to root, maybe), and nobody else may write to it, as sshd wants it too.
sound() {
  set -- "$1" "$2" $(ls -ldn -- "$1" 2>/dev/null)
  case $3 in
    ?????w* | ????????w*) refuse 94 "group or others may write to $2" ;;
    d*) [ "$5" = 0 ] || [ "$5" = "$(id -u)" ] || refuse 94 "$2 belongs to user $5" ;;
    -*)
      [ "$5" = "$(id -u)" ] || refuse 94 "$2 belongs to user $5"
      [ "$4" = 1 ] || refuse 94 "$2 has other names (hard links)"
      ;;
    l*) refuse 94 "$2 is a link" ;;
    '') refuse 95 "there is no $2" ;;
    *) refuse 94 "$2 is no plain file" ;;
  esac
}

is_key() {
  case $1 in "$type"[$blanks]*) ;; *) return 1 ;; esac
  word=${1#"$type"}
  word=${word#"${word%%[!$blanks]*}"}
  word=${word%%[$blanks]*}
  [ "${word%"$cr"}" = "$blob" ]
}

# As sshd: up to the first blank that is not quoted.
past_options() {
  rest=$1 options= quoted=
  while [ -n "$rest" ]; do
    part=${rest%%[\\\"$blanks]*}
    options=$options$part
    rest=${rest#"$part"}
    case $rest in
      '\"'*)
        options=$options'\"'
        rest=${rest#??}
        ;;
      '"'*)
        options=$options'"'
        rest=${rest#?}
        [ -z "$quoted" ] && quoted=yes || quoted=
        ;;
      [$blanks]*)
        [ -n "$quoted" ] || break
        options=$options${rest%"${rest#?}"}
        rest=${rest#?}
        ;;
      ?*)
        options=$options${rest%"${rest#?}"}
        rest=${rest#?}
        ;;
    esac
  done
  rest=${rest#"${rest%%[!$blanks]*}"}
}

holds() {
  rest=${1#"${1%%[!$blanks]*}"} options=
  case $rest in '#'*) return 1 ;; esac
  is_key "$rest" && return
  past_options "$rest"
  is_key "$rest"
}

# Sets found to the numbers of the lines that hold the key of $1, and first_options to what the first has before it.
scan() {
  type=${1%% *}
  blob=${1#* }
  blob=${blob%% *}
  found= first_options= number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    case $line in *"$blob"*) ;; *) continue ;; esac
    holds "$line" || continue
    [ -n "$found" ] || first_options=$options
    found="$found $number"
  done <"$file"
}

# $1: first line, $2: how many.
lines() {
  [ "$2" = 0 ] || tail -n "+$1" "$file" | head -n "$2"
}

with_added() {
  set -- $found
  lines 1 $(($1 - 1)) && printf '%s\n' "$line" && tail -n "+$1" "$file"
}

without_found() {
  from=1
  for number in $found; do
    lines "$from" $((number - from)) || return
    from=$((number + 1))
  done
  tail -n "+$from" "$file"
}

# $1 writes what is to be there.
replace() {
  trap 'rm -f "$new"' EXIT
  trap 'exit 143' TERM
  rm -f "$new"
  cp -p "$file" "$new" || refuse 72 'no copy can be written beside authorized_keys'
  case $(ls -ldn "$file") in -?w*) locked= ;; *) locked=yes ;; esac
  chmod u+w "$new" || refuse 94 'the copy cannot be written'
  "$1" >"$new" || refuse 72 'no copy can be written beside authorized_keys'
  [ -z "$locked" ] || chmod u-w "$new"
  sync "$new" 2>/dev/null || :
  [ "$(cksum <"$file")" = "$before" ] || refuse 96 'somebody else has changed authorized_keys meanwhile'
  mv -f "$new" "$file" || refuse 94 'authorized_keys cannot be replaced (immutable?)'
}

# Where acts are noted, if they are.
note_change() {
  [ -L "$root/.bareboat" ] || last_note "$root/.bareboat/acts.log" "$1"
}

cd -P -- "${HOME:-/nowhere}" 2>/dev/null || refuse 95 'the account has no home folder'
home=$(env pwd -P && printf x)
home=${home%??}
sound . 'the home folder'
sound ./.ssh '~/.ssh'
enter ./.ssh "${home%/}/.ssh" || refuse 94 '~/.ssh cannot be entered'
sound . '~/.ssh'
sound "$file" '~/.ssh/authorized_keys'
[ ! -d "$file" ] || refuse 94 '~/.ssh/authorized_keys is a folder'
[ -r "$file" ] || refuse 94 '~/.ssh/authorized_keys cannot be read'
size=$(wc -c <"$file")
[ "$size" -le 1048576 ] || refuse 94 '~/.ssh/authorized_keys is larger than 1 MiB'
[ "$(tr -d '\0' <"$file" | wc -c)" -eq "$size" ] || refuse 94 '~/.ssh/authorized_keys holds NUL bytes'
before=$(cksum <"$file")
scan "$wanted"
case $act in
  look) [ -n "$found" ] && printf 'present\n' || printf 'absent\n' ;;
  add)
    [ -z "$found" ] || { printf 'present\n'; exit 0; }
    scan "$like"
    [ -n "$found" ] || refuse 95 'the key in use is not in ~/.ssh/authorized_keys'
    case $first_options in *[!\ -~]*) refuse 94 'the options of the key in use hold characters that are not ASCII' ;; esac
    line=${first_options:+$first_options }$wanted
    replace with_added
    note_change added
    printf 'added\n'
    ;;
  remove)
    [ -n "$found" ] || { printf 'absent\n'; exit 0; }
    replace without_found
    note_change removed
    printf 'removed\n'
    ;;
esac
