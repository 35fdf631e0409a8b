# command.sh KEY HOME PROGRAM [ARGUMENT]…, somewhere in HOME: becomes PROGRAM, once every word that is a path was seen to
# stay in HOME. The environment is the user's, so all variables here begin with bb_.
bb_key=$1 bb_home=$2
shift 2

refuse_word() {
  printf 'bareboat %s refuses: %s leads out of %s\n' "$bb_key" "$1" "$bb_home"
  exit 75
}

# WHERE, as a program printed it, and an x: so that newlines at its end count.
is_home() {
  case $1 in "$bb_home
x" | "$bb_home/"*) ;; *) return 1 ;; esac
}

# The deepest folder of the path that is there is entered, and only then looked where that is; links on the way are
# followed to where they lead.
stays() (
  bb_path=$1
  until [ -d "$bb_path" ]; do
    if [ -L "$bb_path" ]; then
      is_home "$(readlink -f -- "$bb_path" && printf x)"
      exit
    fi
    case $bb_path in */*) bb_path=${bb_path%/*} ;; *) bb_path=. ;; esac
    [ -n "$bb_path" ] || bb_path=/
  done
  cd -P -- "$bb_path" 2>/dev/null && is_home "$(env pwd -P && printf x)"
)

ensure_stays() {
  case $1 in /*) stays "$1" || refuse_word "$1" ;; esac
}

# A program may itself be a link, as python in a virtual environment is; its folder may not lead out.
case $1 in
  /*) stays "${1%/*}" || refuse_word "$1" ;;
  */*) stays "./${1%/*}" || refuse_word "$1" ;;
esac
bb_first=1
for bb_word do
  if [ -z "$bb_first" ]; then
    ensure_stays "$bb_word"
    # Asked first: to look for what is not there in a long word takes dash seconds.
    case $bb_word in *=*) ensure_stays "${bb_word#*=}" ;; esac
  fi
  bb_first=
done
exec "$@"
