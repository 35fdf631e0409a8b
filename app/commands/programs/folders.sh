# Behind pwd.sh: entering and making our own folders, refusing with a status and words. Exit statuses: see REFUSALS in programs.py.

refuse() {
  status=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$status"
}

# Enter, and only then look where we are.
enter() {
  cd -P -- "$1" 2>/dev/null && [ "$(where && printf x)" = "$2
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

# What is free here: bb_kib and bb_inodes, empty where the file system does not count them. Blocks, bytes of one,
# inodes, all inodes: one stat is cheaper than two df, which not every stat replaces.
room() {
  set -- $(stat -f -c '%a %S %d %c' . 2>/dev/null)
  case $#$* in
    4*[!0-9\ ]* | [!4]*) bb_kib=$(free -k) bb_inodes=$(free -i) ;;
    *) bb_kib=$(($1 * ($2 / 512) / 2)) bb_inodes=$3; [ "$4" != 0 ] || bb_inodes= ;;
  esac
}

# Blocks of 1024 bytes (-k) or inodes (-i).
free() {
  df -P "$1" . 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p'
}

room_left() {
  room
  [ "$bb_kib" != 0 ] || refuse 72 'no space left on the disk'
  [ "$bb_inodes" != 0 ] || refuse 72 'no inodes left on the disk'
}

# From the root ($1) into .bareboat/$2, both made here when missing, both really there. Where both are there, one look
# proves all of the way.
enter_own() {
  if [ -d "./.bareboat/$2" ] && [ ! -L ./.bareboat ] && [ ! -L "./.bareboat/$2" ]; then
    enter "./.bareboat/$2" "$1/.bareboat/$2" || refuse 75 ".bareboat/$2 is not where it should be"
    return
  fi
  own_folder .bareboat "$1/.bareboat"
  own_folder "$2" "$1/.bareboat/$2"
}

own_folder() {
  [ ! -L "./$1" ] || refuse 75 "$1 in the projects root is a link"
  mkdir -m 700 "./$1" 2>/dev/null || [ -d "./$1" ] || { room_left; refuse 71 "$1 cannot be made in the projects root"; }
  enter "./$1" "$2" || refuse 75 "$1 is not where it should be"
}
