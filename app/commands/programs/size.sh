# What an act of git may write: BAREBOAT_LIMIT_KIB in all; 0 or nothing: no limit. Behind git.sh.
limit=${BAREBOAT_LIMIT_KIB:-0}

too_large() {
  refuse 97 "it would take more than $((limit / 1024)) MiB, the limit"
}

# KiB that a folder takes, and one more for each name in it: an empty file, too, takes an inode.
weigh() {
  set -- $(du -ak -- "$1" 2>/dev/null | sed -n '$ { s/[^0-9].*//p; =; }')
  printf '%s\n' $((${1:-0} + ${2:-0}))
}

# BASE FOLDER PROGRAM…: as run; ended with 97 once FOLDER holds more than the limit beyond BASE (empty: what it holds
# at the beginning). One file is held to the limit by the kernel, so nothing is quick enough to pass between two looks.
run_bounded() {
  if [ "$limit" = 0 ]; then
    shift 2
    run "$@"
    return
  fi
  base=$1 folder=$2
  shift 2
  bounded "$@" &
  work=$!
  watch_growth &
  watch=$!
  wait "$work" 2>/dev/null
  result=$?
  work=
  end_watch
  [ "$?" != 97 ] || result=97
  return "$result"
}

# Becomes the program. It is told EFBIG (`File too large`), and not ended by a signal, so that it removes what it made.
bounded() {
  trap '' XFSZ
  ( set -o posix ) 2>/dev/null && set -o posix # else bash counts in KiB
  ulimit -f $((limit * 2)) 2>/dev/null
  exec "$@"
}

# Asks how much room is left, which costs little, and weighs the folder only when half of what it may still take is gone.
# It looks for the work's end itself: a TERM that comes before its trap is set is lost.
watch_growth() {
  nap=
  trap 'kill "$nap"; exit 0' TERM
  rest=$limit
  [ -n "$bb_kib$bb_inodes" ] || room
  blocks=$bb_kib inodes=$bb_inodes
  [ -n "$base" ] || base=$(weigh "$folder")
  while sleep 1 & nap=$!; wait "$nap"; do
    kill -0 "$work" || exit 0
    room
    is_gone "$blocks" "$bb_kib" || is_gone "$inodes" "$bb_inodes" || continue
    rest=$((limit + base - $(weigh "$folder")))
    [ "$rest" -ge 0 ] || { trap '' TERM; kill -TERM "$work"; exit 97; }
    room
    blocks=$bb_kib inodes=$bb_inodes
  done
} >/dev/null 2>&1

is_gone() {
  [ $((2 * (${1:-0} - ${2:-0}))) -ge "$rest" ]
}

end_watch() {
  [ -n "$watch" ] || return 0
  kill -TERM "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  set -- "$?"
  watch=
  return "$1"
}

# OLD NEW KIB: whether the files of the tree NEW that are not in OLD (or empty) fit beside so many KiB. Looked at before
# a checkout, since a few small objects may be a tree without end. `entries`: what was looked at.
fits() {
  entries=
  [ "$limit" -gt 0 ] || return 0
  left=$((limit - $3)) most=$((limit / 5 + 1))
  [ "$left" -ge 0 ] || return
  if [ -z "$1" ]; then entries=$(whole "$2"); else entries=$(changed "$1" "$2"); fi
  times=$(growth "$entries")
  for size in $entries; do
    case $size in .*) continue ;; esac
    left=$((left - size * times / 4096 * 4 - 5))
    [ "$left" -ge 0 ] || return
  done
}

# A line each: the bytes of a file (links are files here, and submodules take none), and after a dot the object of each
# file of attributes. No more than cannot fit: most.
whole() {
  git ls-tree -r -l "$1" 2>/dev/null | head -n "$most" | sed -n '
    s/^160000 .*/0/p
    /^1[02]0/ {
      h
      s/^[0-7]* blob \([0-9a-f]*\).*\.gitattributes"*$/.\1/p
      g
      s/^[0-7]* blob [0-9a-f]* *\([0-9][0-9]*\).*/\1/p
    }'
}

# The same of what differs, with the attributes of all. Names are counted first, which opens no file.
changed() {
  names=$(git ls-tree -r --name-only "$2" | head -n "$most" | wc -l)
  [ "$names" -lt "$most" ] || { echo $((limit * 1024)); return; }
  git ls-tree -r "$2" | sed -n 's/^1[02]0[0-7]* blob \([0-9a-f]*\).*\.gitattributes"*$/.\1/p'
  git diff-tree -r --no-renames "$1" "$2" | sed -n 's/^:[0-7]* 1[02]0[0-7]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p' |
    git cat-file --batch-check='%(objectsize)' | sed -n '/^[0-9]*$/p'
}

# How many times longer than its object a file of the tree may become: $Id$ gets the name of an object, encodings take
# several bytes for one, and line ends two. By the words of the tree's attributes, whichever files they are for.
growth() {
  words= times=1
  case $1 in
    *.*) words=$(printf '%s\n' "$1" | sed -n 's/^\.//p' | git cat-file --batch | tr -d '\000' |
      LC_ALL=C grep -oE 'ident|working-tree-encoding|eol=crlf' | sort -u) ;;
  esac
  case $words in *ident*) times=$((times * 18)) ;; esac
  case $words in *encoding*) times=$((times * 8)) ;; esac
  case $words in *crlf*) times=$((times * 2)) ;; esac
  echo "$times"
}
