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
  run git fetch --progress --no-recurse-submodules -- "$url" "$@" >&2
}

is_ancestor() {
  git merge-base --is-ancestor "$1" "$2"
}

fast_forward() {
  ! is_ancestor "$tracking" HEAD || return 0
  is_ancestor HEAD "$tracking" || refuse 80 'only here:' "$(commits "$tracking..HEAD")" \
    'only at origin:' "$(commits "HEAD..$tracking")"
  run git merge --ff-only --no-stat --progress "$tracking" >&2
}

commits() {
  git log --oneline --no-decorate --encoding=UTF-8 -n 20 "$1" --
}

# All that is committed, staged or changed here stays reachable from a ref of this job; untracked files stay.
save_work() {
  saved=$(git stash create 'before a reset by Bareboat') || refuse 79 'a merge is under way; finish or abort it'
  recovery=refs/bareboat/recovery/$job try=1
  while git show-ref --quiet --verify "$recovery"; do
    try=$((try + 1)) recovery=refs/bareboat/recovery/$job-$try
  done
  git update-ref -m 'before a reset' "$recovery" "${saved:-HEAD}" ''
}

reset() {
  [ "$(git rev-parse HEAD)" != "$(git rev-parse "$tracking")" ] || ! is_tracked_clean || return 0
  save_work || exit
  git reset --quiet --hard HEAD || exit
  run git checkout --quiet --progress --no-track -B "$local_branch" "$tracking" >&2 && return
  result=$?
  [ -z "$saved" ] || git stash apply --quiet --index "$saved"
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
fetch || exit
[ "$strategy" = reset ] || clean no
if [ "$strategy" = reset ]; then reset; else fast_forward || exit; fi
print_outcome "$recovery"
