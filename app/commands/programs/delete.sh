# delete.sh ROOT NAME TRASH URL FORCE KEEP, in ROOT. FORCE and KEEP are 1 or empty. Prints missing, kept (in the trash,
# as TRASH), deleted or trashed (it could not be removed whole).
root=$1 name=$2 job=$3 url=$4 force=$5 keep=$6
all='+refs/heads/*:refs/remotes/origin/*'

# What origin has now, under names of ours: a branch may have been dropped or rewritten there since the last fetch.
# A clone of one branch asks for that one.
ask_remote() {
  set -- '+refs/heads/*:refs/bareboat/remote/heads/*'
  specs=$(own_config --get-all remote.origin.fetch)
  if [ "$specs" != "$all" ]; then
    set -f
    set -- $(printf '%s\n' "$specs" | sed -n 's/^+*refs\/\([^:*]*\):.*/+refs\/\1:refs\/bareboat\/remote\/\1/p')
    set +f
  fi
  run git fetch --quiet --prune --no-tags --no-recurse-submodules -- "$url" "$@" >&2 ||
    refuse 89 'the git server cannot be asked'
}

# In a subshell: what is refused there is refused here, before anything moves.
guard() {
  enter "./$name" "$root/$name" || refuse 75 "$name is not where it should be"
  git_ready
  untampered "$url"
  clean normal
  ! git show-ref --quiet --verify refs/stash || refuse 83 'a stash:' "$(git stash list | head -n 20)"
  set -- --branches --not --remotes
  ! has_commit HEAD || set -- HEAD "$@"
  no_unpushed "$@"
  [ -n "$url" ] || return 0
  ask_remote
  set -- --branches --not '--glob=refs/bareboat/remote/*'
  ! has_commit HEAD || set -- HEAD "$@"
  ( no_unpushed "$@" )
  result=$?
  git for-each-ref --format='delete %(refname)' refs/bareboat/remote | git update-ref --stdin
  return "$result"
}

no_unpushed() {
  unpushed=$(git log --oneline --decorate=short --encoding=UTF-8 -n 20 "$@" --) || refuse 84 'git log fails'
  [ -z "$unpushed" ] || refuse 83 "$unpushed"
}

is_in_trash() (
  enter_own "$root" trash
  [ -d "./$job" ] && [ ! -L "./$job" ]
)

# What an earlier try has moved already is kept, too.
keep_in_trash() {
  if [ "$word" = missing ]; then
    ! is_in_trash || word=kept
    return
  fi
  ! is_in_trash || refuse 74 ".bareboat/trash/$job exists"
  mv -T -- "./$name" "./.bareboat/trash/$job" || refuse 71 "$name cannot be moved into .bareboat/trash"
  word=kept
}

root_sound
[ ! -L "./$name" ] || refuse 75 "$name is a link"
word=missing
if [ -e "./$name" ]; then
  [ -d "./$name" ] || refuse 75 "$name is not a folder"
  [ -n "$force" ] || ( guard ) || exit
  word=deleted
fi

[ -d ./.bareboat ] || [ "$word" = deleted ] || { printf 'missing\n'; exit 0; }
( enter_own "$root" trash ) || exit
if [ -n "$keep" ]; then
  keep_in_trash
  printf '%s\n' "$word"
  exit
fi

# What an earlier try of this job has left there is taken away first.
if ! ( enter_own "$root" trash && empty_trash ); then
  [ "$word" = missing ] || refuse 71 "the remains of an earlier try cannot be removed: .bareboat/trash/$job"
  word=trashed
fi
if [ "$word" = deleted ]; then
  mv -T -- "./$name" "./.bareboat/trash/$job" || refuse 71 "$name cannot be moved into .bareboat/trash"
  ( enter_own "$root" trash && empty_trash ) || word=trashed
fi
printf '%s\n' "$word"
