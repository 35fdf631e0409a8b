# clone.sh ROOT NAME JOB URL BRANCH DEPTH SUBMODULES MARKED, in ROOT. BRANCH and DEPTH may be empty; SUBMODULES and MARKED
# are 1 or empty.
root=$1 name=$2 job=$3 url=$4 branch=$5 depth=$6 submodules=$7 marked=$8

absent() {
  [ ! -e "$1" ] && [ ! -L "$1" ] || refuse 74 "$name exists in the projects root"
}

# Where a file system is not mounted, the folder below is no other to us but for this; it must not be filled.
same_root() {
  [ -z "$marked" ] || [ -f ./.bareboat/root ] || refuse 99 'there is no .bareboat/root in the projects root'
}

# Never through a link, and never over what is there.
mark_root() {
  [ -f ./.bareboat/root ] && return
  ( set -C && printf 'Where this file is missing, Bareboat clones nothing: a disk may not be mounted.\n' >./.bareboat/root ) 2>/dev/null
  [ -f ./.bareboat/root ] || { room_left; refuse 71 '.bareboat/root cannot be made in the projects root'; }
}

remains() {
  [ -e "./$job" ] || [ -L "./$job" ]
}

# In .bareboat/tmp, which we hold; a last write of a child that is just ending may need the second try.
clean_up() {
  stop_work
  remains || return 0
  rm -rf "./$job" 2>/dev/null || rm -rf "./$job"
}

# Where git only says that it cannot write a file: the last blocks may be too few for it, but not none.
give_up() {
  status=$?
  [ "$status" != 97 ] || too_large
  room
  for left in "$bb_kib" "$bb_inodes"; do
    [ -z "$left" ] || [ "$left" -ge 64 ] || refuse 72 'no space or inodes left on the disk'
  done
  exit "$status"
}

judge() {
  fits '' HEAD "$(weigh .)" || too_large
  [ -n "$entries" ] || has_commit HEAD || refuse 76 'the repository has no commits'
}

git_ready
root_sound
same_root
absent "./$name"
room_left
enter_own "$root" tmp
! remains || rm -rf "./$job" || refuse 71 "the remains of an earlier try cannot be removed: .bareboat/tmp/$job"
trap clean_up EXIT
mkdir -m 700 "./$job" || { room_left; refuse 71 'nothing can be made in .bareboat/tmp'; }

set -- clone --progress --no-checkout --no-local --no-recurse-submodules --origin origin
[ -z "$depth" ] || set -- "$@" --depth "$depth"
[ -z "$branch" ] || set -- "$@" --branch "$branch"
run_bounded 0 "./$job" git "$@" -- "$url" "./$job" >&2 || give_up
( cd -P -- "./$job" && judge ) || exit
run git -C "./$job" checkout --quiet --progress >&2 || give_up
if [ -n "$submodules" ]; then
  run_bounded 0 "./$job" git -C "./$job" submodule update --init --recursive --progress >&2 || give_up
  [ "$limit" = 0 ] || [ "$(weigh "./$job")" -le "$limit" ] || too_large
fi
( cd -P -- "./$job" && print_outcome '' ) || exit

# rename(2) would take the place of an empty folder, so look just before it; mv -n would lie about success.
( enter ../.. "$root" || refuse 75 '.bareboat/tmp was moved away'
  absent "./$name"
  mark_root
  mv -T -- "./.bareboat/tmp/$job" "./$name" || { absent "./$name"; refuse 71 "$name cannot be put in its place"; }
  [ -d "./$name/.git" ] && [ ! -L "./$name" ] || refuse 75 "$name is not where it was put" ) || exit
