# delete.sh ROOT NAME JOB URL FORCE, in ROOT. FORCE is 1 or empty. Prints missing, deleted or trashed.
root=$1 name=$2 job=$3 url=$4 force=$5

# In a subshell: what is refused there is refused here, before anything moves.
guard() {
  enter "./$name" "$root/$name" || refuse 75 "$name is not where it should be"
  git_ready
  untampered "$url"
  clean normal
  ! git show-ref --quiet --verify refs/stash || refuse 83 'a stash:' "$(git stash list | head -n 20)"
  set -- --branches --not --remotes
  ! has_commit HEAD || set -- HEAD "$@"
  unpushed=$(git log --oneline --decorate=short --encoding=UTF-8 -n 20 "$@" --) || refuse 84 'git log fails'
  [ -z "$unpushed" ] || refuse 83 "$unpushed"
}

# Folders without write permission, as some package caches have, need it before they can be emptied.
empty_trash() {
  one=
  ! rm --one-file-system -f ./.none 2>/dev/null || one=--one-file-system
  rm -rf $one "./$job" 2>/dev/null && return
  [ -L "./$job" ] || chmod -R u+rwx "./$job" 2>/dev/null
  rm -rf $one "./$job"
}

root_sound
[ ! -L "./$name" ] || refuse 75 "$name is a link"
word=missing
if [ -e "./$name" ]; then
  [ -d "./$name" ] || refuse 75 "$name is not a folder"
  [ -n "$force" ] || ( guard ) || exit
  word=deleted
fi

# What an earlier try of this job has left there is taken away first.
[ -d ./.bareboat ] || [ "$word" = deleted ] || { printf 'missing\n'; exit 0; }
( enter_own "$root" trash ) || exit
if ! ( enter_own "$root" trash && empty_trash ); then
  [ "$word" = missing ] || refuse 71 "the remains of an earlier try cannot be removed: .bareboat/trash/$job"
  word=trashed
fi
if [ "$word" = deleted ]; then
  mv -T -- "./$name" "./.bareboat/trash/$job" || refuse 71 "$name cannot be moved into .bareboat/trash"
  ( enter_own "$root" trash && empty_trash ) || word=trashed
fi
printf '%s\n' "$word"
