# durable_start.sh … GUARD LAUNCH LIMIT SECONDS GRACE MERGE NOTE PLACE PROJECT FOLDER PROGRAM [ARGUMENT]…: starts the work
# unless the folder of the job says that it was started before.

find_setsid() {
  bb_setsid=setsid
  command -v setsid >/dev/null 2>&1 && return
  bb_setsid='busybox setsid'
  $bb_setsid true 2>/dev/null || refuse 86 'setsid (util-linux or busybox) is not installed'
}

# Room for what is written later, so that a full disk keeps no end secret. `err` comes last: it says that all are there.
make_files() {
  for bb_file in status work end stop.new; do
    printf '%127s\n' '' >"$bb_file" || return
  done
  printf '' >out && printf '' >err
} 2>/dev/null

launch() {
  bb_guard=$1
  shift
  $bb_setsid /bin/sh -c "$bb_guard" sh "$bb_folder" "$bb_setsid" "$@" \
    </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

# Why there is no room shows only while what was made is still there.
undo() {
  bb_words=$( room_left 2>&1 )
  bb_status=$?
  cd -P .. && rm -rf "./$bb_key"
  [ "$bb_status" = 0 ] || refuse "$bb_status" "$bb_words"
  refuse 71 'nothing can be written in .bareboat/jobs'
}

[ -r /proc/self/stat ] || refuse 87 '/proc is not mounted'
find_setsid
enter_jobs
bb_word=attached
if mkdir -m 700 "./$bb_key" 2>/dev/null; then
  bb_word=started
elif [ ! -d "./$bb_key" ]; then
  room_left
  refuse 71 'no folder can be made in .bareboat/jobs'
fi
enter_job
if [ "$bb_word" = started ]; then
  make_files || undo
  launch "$@"
fi
