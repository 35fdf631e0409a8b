# Entering and making our own folders, refusing with a status and words. Exit statuses: see REFUSALS in programs.py.

refuse() {
  status=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$status"
}

# Enter, and only then look where we are; env, because a builtin pwd prints what it remembers.
enter() {
  cd -P -- "$1" 2>/dev/null && [ "$(env pwd -P && printf x)" = "$2
x" ]
}

root_sound() {
  set -- $(ls -ldn . 2>/dev/null)
  case $1 in
    d????w* | d???????w*) refuse 70 'group or others may write to the projects root' ;;
    d*) ;;
    *) refuse 70 'the projects root cannot be read' ;;
  esac
  [ "$3" = 0 ] || [ "$3" = "$(id -u)" ] || refuse 70 "the projects root belongs to user $3"
  [ -w . ] || refuse 71 'the projects root is not writable'
}

# Free 1024-byte blocks (-k) or inodes (-i) here, or nothing where the file system does not count them.
free() {
  df -P "$1" . 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p'
}

room_left() {
  [ "$(free -k)" != 0 ] || refuse 72 'no space left on the disk'
  [ "$(free -i)" != 0 ] || refuse 72 'no inodes left on the disk'
}

# From the root ($1) into .bareboat/$2, both made here when missing, both really there.
enter_own() {
  own_folder .bareboat "$1/.bareboat"
  own_folder "$2" "$1/.bareboat/$2"
}

own_folder() {
  [ ! -L "./$1" ] || refuse 75 "$1 in the projects root is a link"
  mkdir -m 700 "./$1" 2>/dev/null || [ -d "./$1" ] || { room_left; refuse 71 "$1 cannot be made in the projects root"; }
  enter "./$1" "$2" || refuse 75 "$1 is not where it should be"
}
