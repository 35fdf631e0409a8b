# durable_orphans.sh, in ROOT: a line `KEY SECONDS STATE` for each job's folder; STATE is running, ended or lost.
[ -d ./.bareboat/jobs ] || exit 0
enter_jobs
bb_now=$(date +%s)
for bb_key in *; do
  [ -d "./$bb_key" ] && [ ! -L "./$bb_key" ] || continue
  bb_word=lost
  ! runs "./$bb_key/pid" || bb_word=running
  [ ! -e "./$bb_key/exit" ] || bb_word=ended
  bb_made=$(date -r "./$bb_key" +%s 2>/dev/null) || continue # collected meanwhile
  printf '%s %s %s\n' "$bb_key" "$((bb_now - bb_made))" "$bb_word"
done
