# playbook.sh KEY MARK HOME COMMAND TOTAL STEP…, in HOME, the project's folder; or HOME empty, in the account's home. Each
# STEP is NAME SECONDS RETRIES IGNORE CHANGES CWD CREATES CONDITIONS (KIND VALUE OUTCOME)… VARIABLES (NAME VALUE)… WORDS
# WORD…. COMMAND is the text of command.sh, which holds the words of a step to the project. What each step came to stands
# in the output, on lines that end with MARK. The environment may be the user's, so all variables here begin with bb_.
bb_key=$1 bb_mark=$2 bb_home=$3 bb_command=$4 bb_total=$5
shift 5

tell() {
  printf '\n== step %s of %s %s [%s]\n' "$bb_number" "$bb_total" "$1" "$bb_mark"
}

# PATH, from where the step's project or home is.
is_there() {
  case $1 in /*) [ -e "$1" ] ;; *) [ -e "./$1" ] ;; esac
}

# KIND VALUE OUTCOME. The number of a step is ours, and digits only.
holds() {
  case $1 in
    always) ;;
    exists) is_there "$2" ;;
    missing) ! is_there "$2" ;;
    step)
      eval "bb_outcome=\$bb_outcome_$2"
      case $3:$bb_outcome in
        ok:ok | ok:changed | changed:changed | failed:ignored | skipped:skipped) ;;
        *) return 1 ;;
      esac ;;
    *) return 1 ;;
  esac
}

# In a subshell: VARIABLES (NAME VALUE)… WORDS WORD… and whatever follows; becomes the program.
become() {
  bb_count=$1
  shift
  while [ "$bb_count" -gt 0 ]; do
    export "$1=$2"
    shift 2
    bb_count=$((bb_count - 1))
  done
  bb_count=$1 bb_place=0 bb_words=
  shift
  while [ "$bb_place" -lt "$bb_count" ]; do
    bb_place=$((bb_place + 1))
    bb_words="$bb_words \"\${$bb_place}\""
  done
  [ -z "$bb_cwd" ] || go
  eval "start $bb_words"
}

go() {
  if [ -z "$bb_home" ]; then
    cd -- "$bb_cwd" 2>/dev/null || { printf 'there is no folder %s\n' "$bb_cwd"; exit 1; }
  else
    [ -d "./$bb_cwd" ] && enter "./$bb_cwd" "$bb_home/$bb_cwd" || { printf 'no folder %s in the project\n' "$bb_cwd"; exit 75; }
  fi
}

start() {
  if [ -n "$bb_home" ]; then
    exec timeout -k 10 "$bb_seconds" sh -c "$bb_command" sh "$bb_key" "$bb_home" "$@"
  fi
  exec timeout -k 10 "$bb_seconds" "$@"
}

# Tries until it works, or has been tried often enough.
attempt() {
  bb_tries=0 bb_began=$(date +%s)
  while :; do
    bb_tries=$((bb_tries + 1))
    ( become "$@" )
    bb_status=$?
    [ "$bb_status" != 0 ] && [ "$bb_tries" -le "$bb_retries" ] || break
    printf '\n-- try %s ended with exit status %s; once more\n' "$bb_tries" "$bb_status"
    sleep 1
  done
  bb_took=$(($(date +%s) - bb_began))
}

judge() {
  case $bb_status in
    0) bb_came=ok; [ -z "$bb_changes" ] || bb_came=changed ;;
    124 | 137 | 143) bb_came=failed; [ "$bb_took" -lt "$bb_seconds" ] || bb_came=timed_out ;;
    *) bb_came=failed ;;
  esac
  case $bb_came:$bb_ignore in failed:1 | timed_out:1) bb_came=ignored ;; esac
}

bb_number=0
while [ "$#" -gt 0 ]; do
  bb_number=$((bb_number + 1))
  bb_name=$1 bb_seconds=$2 bb_retries=$3 bb_ignore=$4 bb_changes=$5 bb_cwd=$6 bb_creates=$7 bb_conditions=$8
  shift 8
  bb_wanted=1
  while [ "$bb_conditions" -gt 0 ]; do
    holds "$1" "$2" "$3" || bb_wanted=
    shift 3
    bb_conditions=$((bb_conditions - 1))
  done
  [ -z "$bb_creates" ] || ! is_there "$bb_creates" || bb_wanted=
  bb_came=skipped bb_status=- bb_took=0 bb_tries=0
  tell "begins: $bb_name"
  if [ -n "$bb_wanted" ]; then
    attempt "$@"
    judge
  fi
  tell "$bb_came (exit $bb_status, $bb_took s, tries $bb_tries)"
  eval "bb_outcome_$bb_number=\$bb_came"
  case $bb_came in failed | timed_out) exit "$bb_status" ;; esac
  shift $((2 * $1 + 1))
  shift $(($1 + 1))
done
exit 0
