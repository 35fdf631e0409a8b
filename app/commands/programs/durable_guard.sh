# durable_guard.sh JOB SETSID LAUNCH BLOCKS SECONDS GRACE MERGE NOTE PLACE PROJECT FOLDER PROGRAM [ARGUMENT]…, behind
# durable_process.sh, in the job's folder: leads a session of its own, runs the work in another, and writes its end.
bb_folder=$1 bb_setsid=$2 bb_launch=$3 bb_blocks=$4 bb_seconds=$5 bb_grace=$6 bb_merge=$7 bb_note=$8
shift 8

# Whatever ends it, a fork that fails too, is heard of.
run() {
  trap wake EXIT
  if [ -n "$bb_merge" ]; then
    work "$@" 6>&1 | keep out
  else
    { work "$@" 6>&1 1>&4 4>&- | keep err 4>&-; } 4>&1 | keep out
  fi
}

# Only the work has the stream of its errors (6): what this shell says of its end, such as `Terminated`, is not its own;
# dash would redirect itself too, were it not for the subshell.
# The status of the work goes through a descriptor that was opened in time, into room that is there.
work() {
  ( export BAREBOAT_JOB="$bb_folder/" && exec $bb_setsid /bin/sh -c "$bb_launch" sh "$@" 2>&6 6>&- )
  printf 'exit %s\n' "$?" >&5
}

# NAME: what comes in goes there at once, up to the limit; then the kernel ends cat by SIGXFSZ (153).
keep() {
  ulimit -c 0
  ( ulimit -f "$bb_blocks" && exec cat >"$1" )
  case $? in
    0) return ;;
    153) printf 'output_limit -\n' >&5 ;;
    *) printf 'disk_full -\n' >&5 ;;
  esac
  wake
}

# Ends the timer, if that is what still has its number. By KILL: it may not have become `sleep` yet, and a TERM that meets
# our copy with our traps is lost.
wake() {
  ! look "$bb_timer" || [ "$bb_session" != "$$" ] || kill -KILL "$bb_timer"
}

# POSIX knows no waiting for one of several: all wait for the timer, which ends by itself (0), or is ended by who has
# something to say. Signals to the guard only interrupt.
wait_for() {
  while :; do
    wait "$1"
    bb_rang=$?
    [ "$bb_rang" -gt 128 ] && kill -0 "$1" || return
  done
}

# The first word counts; what went wrong with the output counts more than how the work took it.
read_status() {
  bb_reason= bb_status=-
  while read -r bb_word bb_value; do
    case $bb_word:$bb_reason in
      output_limit:* | disk_full:*) bb_reason=$bb_word bb_status=- ;;
      ?*:) bb_reason=$bb_word bb_status=$bb_value ;;
    esac
  done <status
}

# Whoever holds the output open and cannot be found is cut off from it; then nothing else is left of the session.
tidy() {
  bb_round=0
  while look "$bb_runner" && [ "$bb_round" -lt 10 ]; do
    bb_round=$((bb_round + 1))
    nap
  done
  bb_found=
  find_session "$$"
  for bb_file in $bb_found; do
    [ "$bb_file" = "$$" ] || kill -KILL "$bb_file"
  done
}

uptime() {
  bb_up=0
  { read -r bb_up bb_word </proc/uptime; } 2>/dev/null
  bb_up=${bb_up%%.*}
}

# Without a fork, which a full table of processes refuses: that would keep secret how the work ended.
finish() {
  bb_began=$bb_up
  uptime
  last_note ../../acts.log "$1 $2 after $((bb_up - bb_began)) s"
  printf '%s %s\n' "$1" "$2" 1<>end && exec mv -f end exit
  exit 0
}

trap : HUP INT TERM
uptime
boot
look "$$" && printf '%s %s %s\n' "$$" "$bb_start" "$bb_boot" >pid.new || finish disk_full -
ln pid.new pid || { [ -e pid ] || finish root_not_writable -; exit 1; }
note ../../acts.log begins
sleep "$bb_seconds" &
bb_timer=$!
trap wake EXIT
exec 5<>status
run "$@" &
bb_runner=$!
wait_for "$bb_timer"
read_status
case $bb_reason in
  output_limit | disk_full) bb_over=1 ;;
  '') bb_over=1 bb_reason=timeout; [ "$bb_rang" = 0 ] || bb_reason=process_lost ;;
  # Ended, but something of it holds the output open.
  *) bb_over=; [ "$bb_rang" != 0 ] || ! look "$bb_runner" || bb_over=1 bb_reason=timeout ;;
esac
if [ -n "$bb_over" ]; then
  stop_work "$bb_grace"
  tidy
  find_work
  [ -z "$bb_found" ] || bb_reason=${bb_reason}_unconfirmed
else
  wait_for "$bb_runner"
fi
[ ! -e stop ] || bb_reason=cancelled
finish "$bb_reason" "$bb_status"
