# pull.sh URL BRANCH STRATEGY JOB, in the project. BRANCH is followed where the branch at hand names no upstream.
url=$1 branch=$2 strategy=$3 job=$4 recovery=

find_upstream() {
  local_branch=$(git symbolic-ref --quiet HEAD) || refuse 81 'HEAD is detached'
  local_branch=${local_branch#refs/heads/}
  upstream=$(own_config --get "branch.$local_branch.merge")
  if [ -z "$upstream" ] && [ "$local_branch" = "$branch" ]; then
    upstream=refs/heads/$branch
  elif [ "$(own_config --get "branch.$local_branch.remote")" != origin ]; then
    upstream=
  fi
  case $upstream in refs/heads/*) ;; *) refuse 81 "branch $local_branch has no upstream at origin" ;; esac
  git check-ref-format "$upstream" || refuse 81 "branch $local_branch has no valid upstream"
  tracking=refs/remotes/origin/${upstream#refs/heads/}
}

# The branch at hand by name, so that its absence is an error; all others too, where the clone has all.
fetch() {
  set -- "+$upstream:$tracking"
  all='+refs/heads/*:refs/remotes/origin/*'
  [ "$(own_config --get-all remote.origin.fetch)" != "$all" ] || set -- "$@" "$all"
  packs=$(half_packs)
  run_bounded '' ./.git/objects git fetch --progress --no-recurse-submodules -- "$url" "$@" >&2 && return
  result=$?
  drop_half_packs
  [ "$result" != 97 ] || too_large
  exit "$result"
}

# What git was receiving when it ended, and leaves for the next gc, which we never call.
half_packs() {
  for pack in ./.git/objects/pack/tmp_*; do
    [ ! -f "$pack" ] || printf ' %s ' "$pack"
  done
}

drop_half_packs() {
  for pack in ./.git/objects/pack/tmp_*; do
    case $packs in *" $pack "*) ;; *) rm -f "$pack" ;; esac
  done
}

is_ancestor() {
  git merge-base --is-ancestor "$1" "$2"
}

fast_forward() {
  ! is_ancestor "$tracking" HEAD || return 0
  is_ancestor HEAD "$tracking" || {
    report_commits here "$tracking..HEAD"
    report_commits upstream "HEAD..$tracking"
    refuse 80 'only here:' "$(commits "$tracking..HEAD")" 'only at origin:' "$(commits "HEAD..$tracking")"
  }
  move_forward && return
  result=$?
  way_clear "$tracking"
  exit "$result"
}

move_forward() {
  run git merge --ff-only --no-overwrite-ignore --no-stat --progress "$tracking" >&2
}

commits() {
  git log --oneline --no-decorate --encoding=UTF-8 -n 20 "$1" --
}

report_commits() {
  git log -z --encoding=UTF-8 --format='tformat:%H %s' -n 20 "$2" -- | report "$1" "$(git rev-list --count "$2" --)"
}

reset() {
  [ "$(git rev-parse HEAD)" != "$(git rev-parse "$tracking")" ] || ! is_tracked_clean || return 0
  snapshot "$job" '' "$tracking"
  [ "$strategy" = reset ] || git update-ref -m backup "refs/heads/bareboat-backup/$job" HEAD '' || roll_back 'no backup'
  put_aside && git reset --quiet --hard HEAD &&
    run git checkout --quiet --progress --no-overwrite-ignore --no-track -B "$local_branch" "$tracking" >&2 && return
  give_up
}

# Changes are put aside, the branch moves forward, changes are put on top. Untracked files stay where they are.
stash() {
  ! is_ancestor "$tracking" HEAD || return 0
  if is_tracked_clean || ! is_ancestor HEAD "$tracking"; then
    fast_forward
    return
  fi
  way_clear "$tracking"
  snapshot "$job" ''
  git reset --quiet --hard HEAD && move_forward || give_up
  git stash apply --quiet --index "$saved" >&2 || {
    report_conflicts
    roll_back 'the changes do not fit onto what came:' "$(conflicts)"
  }
}

# Commits of this place are made anew on top of the upstream; merges among them are flattened, as git rebase does.
rebase() {
  ! is_ancestor "$tracking" HEAD || return 0
  clean no
  if is_ancestor HEAD "$tracking"; then
    fast_forward
    return
  fi
  way_clear "$tracking"
  snapshot "$job" ''
  run git -c rebase.autoStash=false -c commit.gpgSign=false rebase "$tracking" >&2 && return
  report_conflicts
  words=$(conflicts)
  git rebase --abort
  roll_back 'the commits do not fit onto what came:' "$words"
}

conflicts() {
  git diff --name-only --diff-filter=U | head -n 20
}

report_conflicts() {
  git diff -z --name-only --diff-filter=U | report conflicts "$(git diff --name-only --diff-filter=U | wc -l)"
}

# git has said why on stderr; its words decide the code, but the tree is as it was.
give_up() {
  result=$? changing=
  ( roll_back ) 
  [ "$?" = 92 ] || refuse 84 "the way back failed; what was here is in $before"
  exit "$result"
}

is_tracked_clean() {
  [ -z "$(git status --porcelain --untracked-files=no --ignore-submodules=all)" ]
}

git_ready
untampered "$url"
unlocked
has_commit HEAD || refuse 84 'HEAD is no commit'
find_upstream
fetch
set -- $(git rev-parse HEAD "$tracking")
[ "$1" = "$2" ] || fits "$1" "$2" 0 || too_large
case $strategy in
  ff-only) clean no; fast_forward || exit ;;
  stash) stash || exit ;;
  rebase) rebase || exit ;;
  reset | backup) reset ;;
esac
changing=
[ -z "$recovery" ] || raw_end
print_outcome "$recovery" "$(git rev-list --count "$tracking..HEAD" --)"
