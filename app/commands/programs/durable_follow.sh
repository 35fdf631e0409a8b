# durable_follow.sh: what `out` and `err` hold from the offsets on, as it comes, on stdout and stderr, between lines with
# the nonce; ends with the job's end, or after WAIT seconds with `running`.

# What was written before the end is there when the end is; so the end is looked for first. Whether the guard has said who
# it is, is looked for before it is asked whether it lives: it may say so at any moment.
is_over() {
  [ -e exit ] && return
  if [ ! -e pid ]; then
    [ "$bb_elapsed" -ge $((bb_patience * 100)) ] && give_up || return
  fi
  runs pid && return 1
  [ -e exit ] || bb_end='process_lost -'
}

# A copy that fails (nothing can be forked) ends this look without an end: whoever listens goes on from what it has.
# Descriptors that each cat shares: every one goes on where the last one stopped.
open_files() {
  exec 6<out 7<err
  [ "$bb_out" = 0 ] || dd bs=1 skip="$bb_out" count=0 <&6
  [ "$bb_err" = 0 ] || dd bs=1 skip="$bb_err" count=0 <&7
}

copy_out() {
  [ ! -s out ] || cat <&6
}

copy_err() {
  [ ! -s err ] || cat <&7 >&8
}

# Of whoever writes to err, that is the progress; out is then what it says at its end.
copy_new() {
  { [ -s err ] && [ $((bb_round % 5)) != 0 ] || copy_out; } && copy_err || exit
}

# Hundredths of a second, then a tenth of what has passed: a short job is not kept waiting, a long one costs little.
pause() {
  bb_pace=$((bb_round < 5 ? 1 : bb_elapsed < 30 ? 2 : bb_elapsed < 100 ? bb_elapsed / 10 : 10))
  bb_round=$((bb_round + 1)) bb_elapsed=$((bb_elapsed + bb_pace))
  if [ "$bb_pace" = 10 ]; then sleep 0.1; else sleep "0.0$bb_pace"; fi || { bb_elapsed=$((bb_elapsed + 100)); sleep 1; }
}

# Once err was there, only who collects the folder, or clears up, takes it away.
is_gone() {
  [ ! -e err ] && bb_end='process_lost -'
}

is_time_up() {
  [ "$bb_elapsed" -ge $((bb_wait * 100)) ] && bb_end='running -'
}

follow() {
  bb_round=0 bb_elapsed=0
  until [ -e err ] || is_over || is_time_up; do pause; done
  [ -e err ] || return
  open_files
  until is_over || is_gone || is_time_up; do
    copy_new
    pause
  done
  copy_out && copy_err || exit
}

exec 8>&2
# A final newline would be held back by whoever reads up to `newline END`; the word has to be heard at once.
printf 'BEGIN %s\n%s;' "$bb_nonce" "$bb_word"
printf 'BEGIN %s\n' "$bb_nonce" >&8
bb_end=
if [ "$bb_word" = absent ]; then bb_end='process_lost -'; else follow 2>/dev/null; fi
[ -n "$bb_end" ] || read -r bb_end <exit
printf '\nEND %s end -\n' "$bb_nonce" >&8
printf '\nEND %s %s\n' "$bb_nonce" "$bb_end"
