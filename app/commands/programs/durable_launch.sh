# durable_launch.sh PLACE PROJECT FOLDER PROGRAM [ARGUMENT]…, behind folders.sh and durable_process.sh, in the job's folder:
# leads the session of the work, says who it is, goes to its place, and becomes the program.
astray() {
  printf '%s -\n' "$1" >&5
  exit 1
}

# WHERE EXPECTED MISSING ASTRAY
arrive() {
  [ -d "$1" ] || astray "$3"
  enter "$1" "$2" || astray "$4"
}

boot
look "$$" && printf '%s %s %s\n' "$$" "$bb_start" "$bb_boot" 1<>work || astray disk_full
arrive "$1" "$1" root_missing root_unsafe
[ -z "$2" ] || arrive "./$2" "$1/$2" project_missing path_escape
[ -z "$3" ] || arrive "./$3" "$1${2:+/$2}/$3" folder_missing path_escape
bb_program=$4
shift 4
exec /bin/sh -c "$bb_program" sh "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
