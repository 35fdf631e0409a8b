# durable_stop.sh … GRACE, in ROOT: ends the work, and looks. Prints `gone`, or `alive` and the process ids.

# The guard ends by itself when the work has ended; not so where something that cannot be found holds the output open.
await_guard() {
  bb_turn=0
  while stop_work "$1"; [ -z "$bb_found" ] && runs pid && [ "$bb_turn" -lt 25 ]; do
    bb_turn=$((bb_turn + 1))
    nap
  done
}

end_guard() {
  find_session "$bb_pid"
  kill -KILL $bb_found
  nap
  find_work
  ! runs pid || bb_found="$bb_found $bb_pid"
}

{
  find_job || { printf 'gone\n'; exit 0; }
  [ -e pid ] || give_up
  [ -e exit ] || mv -f stop.new stop
  await_guard "$1"
  [ -n "$bb_found" ] || ! runs pid || end_guard
  [ -e exit ] || runs pid || { printf 'cancelled -\n' 1<>end && mv -f end exit; }
} 2>/dev/null
if [ -n "$bb_found" ]; then printf 'alive%s\n' "$bb_found"; else printf 'gone\n'; fi
