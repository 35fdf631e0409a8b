# In .bareboat/trash, which we hold: $job is removed. Folders without write permission, as some package caches have,
# need it before they can be emptied.
empty_trash() {
  one=
  ! rm --one-file-system -f ./.none 2>/dev/null || one=--one-file-system
  rm -rf $one "./$job" 2>/dev/null && return
  [ -L "./$job" ] || chmod -R u+rwx "./$job" 2>/dev/null
  rm -rf $one "./$job"
}
