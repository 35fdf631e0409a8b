# Snapshots of a working tree, exact to the byte, and the way back to one. In the project; behind git.sh.
#
# refs/bareboat/undo/KEY is a commit on top of HEAD whose tree holds: the index as it is (a blob), what is staged, and
# the files as they are, untracked ones too (trees), and what was ignored (a list of patterns: that is let alone). They are written and read through a git folder of our own, whose
# attributes turn every conversion off. refs/bareboat/recovery/KEY has the same for people: a stash, or HEAD.

changing=
trap 'stop_work; unfinished' EXIT

raw_git() {
  GIT_DIR=./.git/bareboat GIT_OBJECT_DIRECTORY=./.git/objects GIT_WORK_TREE=. GIT_INDEX_FILE=./.git/bareboat/index \
    git "$@"
}

raw_begin() {
  rm -rf ./.git/bareboat && mkdir -m 700 ./.git/bareboat ./.git/bareboat/refs ./.git/bareboat/info &&
    cp ./.git/config ./.git/bareboat/config && printf 'ref: refs/heads/none\n' >./.git/bareboat/HEAD &&
    printf '* -text -ident -filter !working-tree-encoding\n' >./.git/bareboat/info/attributes ||
    { room_left; refuse 84 'nothing can be made in .git'; }
  [ ! -f ./.git/info/exclude ] || cp ./.git/info/exclude ./.git/bareboat/info/exclude
  git config -f ./.git/bareboat/config --unset extensions.refstorage
}

raw_end() {
  rm -rf ./.git/bareboat
}

# The files as they are now become the index of our own git folder. $1: a snapshot; what it holds is looked at, too,
# where it is ignored by now. So is what is in the way of a pull.
raw_take() {
  rm -f ./.git/bareboat/index
  [ -z "$1" ] || git cat-file blob "$1:ignored" >>./.git/bareboat/info/exclude || exit 84
  raw_git -c advice.addEmbeddedRepo=false add -A -- . >&2 || refuse 84 'the files cannot be read'
  git ls-files -z --cached --ignored --exclude-standard | raw_git update-index -z --add --remove --stdin || exit 84
  [ -z "$1" ] || git ls-tree -r -z --name-only "$1:worktree" | raw_git check-ignore -z --stdin |
    raw_git update-index -z --add --remove --stdin || exit 84
  [ ! -f ./.git/bareboat/way ] || way ls-files -z | raw_git update-index -z --add --remove --stdin || exit 84
}

quiet_tree() {
  for odd in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply sharedindex.*; do
    set -- ./.git/$odd
    [ ! -e "$1" ] || refuse 79 "$1: a merge or rebase is under way; finish or abort it"
  done
  [ -z "$(git ls-files --unmerged | head -n 1)" ] || refuse 79 'a merge is under way; finish or abort it'
}

# $1: key; $2: maybe a snapshot that is to be restored then; $3: maybe what comes then, and may put aside what is in its
# way. Sets key, before, recovery. Touches no file and no branch.
snapshot() {
  quiet_tree
  key=$1 try=1
  while git show-ref --quiet --verify "refs/bareboat/recovery/$key"; do
    try=$((try + 1)) key=$1-$try
  done
  recovery=refs/bareboat/recovery/$key before=refs/bareboat/undo/$key
  raw_begin
  [ -z "$3" ] || find_way "$3" || rm -f ./.git/bareboat/way
  raw_take "$2"
  files=$(raw_git write-tree) || exit 84
  cp ./.git/index ./.git/bareboat/staged || exit 84
  staged=$(GIT_INDEX_FILE=./.git/bareboat/staged git write-tree) || refuse 79 'a merge is under way; finish or abort it'
  blob=$(git hash-object -w --no-filters ./.git/index) || exit 84
  ignored=$(git -c core.quotePath=false ls-files --others --ignored --exclude-standard --directory |
    sed -n '/^"/d; s/[][*?\\!# ]/\\&/g; s/^/\//p' | git hash-object -w --stdin) || exit 84
  tree=$(printf '100644 blob %s\tindex\n100644 blob %s\tignored\n040000 tree %s\tstaged\n040000 tree %s\tworktree\n' \
    "$blob" "$ignored" "$staged" "$files" | git mktree) || exit 84
  commit=$(printf 'before a change by Bareboat\n\n%s\n' "$(git symbolic-ref --quiet HEAD)" |
    git commit-tree "$tree" -p HEAD) || exit 84
  # git makes no stash of files that are only intended to be added (git add -N).
  saved=$(git stash create 'before a change by Bareboat') || {
    [ "$strategy" != stash ] || refuse 79 'git can make no stash of what is here'
    saved=$(git commit-tree "$files" -p HEAD -m 'before a change by Bareboat') || exit 84
  }
  git update-ref -m snapshot "$before" "$commit" '' && git update-ref -m snapshot "$recovery" "${saved:-HEAD}" '' ||
    refuse 84 'the recovery ref cannot be written'
  changing=1
}

# $1: a snapshot. What is there now must be in our index (raw_take): files that changed since are not overwritten.
put_back() {
  now=$(raw_git write-tree) && then=$(git rev-parse --verify "$1:worktree") || return
  raw_git read-tree -m -u "$now" "$then" >&2 || return
  git cat-file blob "$1:index" >./.git/bareboat/restored && mv -f ./.git/bareboat/restored ./.git/index || return
  was=$(git log -1 --format=%b "$1" --)
  if [ -n "$was" ]; then
    git update-ref -m 'put back by Bareboat' "$was" "$1^" && git symbolic-ref HEAD "$was"
  else
    git update-ref --no-deref -m 'put back by Bareboat' HEAD "$1^"
  fi
}

# What is in the way goes, and is in the snapshot that was just taken; what changed since stays, and this fails.
put_aside() {
  [ -f ./.git/bareboat/way ] || return 0
  cp ./.git/bareboat/index ./.git/bareboat/taken && now=$(raw_git write-tree) || return
  way ls-files -z | raw_git update-index -z --force-remove --stdin && then=$(raw_git write-tree) &&
    mv -f ./.git/bareboat/taken ./.git/bareboat/index && raw_git read-tree -m -u "$now" "$then" >&2
}

# Told to stop in the middle (TERM), in the time that is left: as it was before the snapshot. Whoever ends us tells each
# process that they find, git too: what that breaks off is begun again.
unfinished() {
  [ -n "$changing" ] || return 0
  trap '' TERM INT HUP
  [ ! -d ./.git/rebase-merge ] || git rebase --abort || rm -rf ./.git/rebase-merge
  try=0 result=
  while [ "$try" -lt 50 ] && [ "$result" != 92 ]; do
    ( roll_back 'stopped; as it was before' )
    result=$? try=$((try + 1))
  done
} >&2

# After a failure: as it was before the snapshot, which is then of no use. $1 and so on: words for the refusal.
roll_back() {
  changing=
  ( raw_take "$before" ) && put_back "$before" ||
    refuse 84 "the way back failed; what was here is in $before" "$@"
  git update-ref -d "$before"
  git update-ref -d "$recovery"
  raw_end
  refuse 92 "$@"
}
