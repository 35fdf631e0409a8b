# checkout.sh URL REF, in the project. A branch here, a branch of origin, a tag, a commit: the first of that name.
url=$1 ref=$2

is_ref() {
  git show-ref --quiet --verify "$1"
}

# Quiet, because git would else list what is changed here, and for that run git in submodules, by their settings.
switch() {
  for target do :; done
  ! has_commit HEAD || fits HEAD "$target" 0 || too_large
  run git checkout --quiet --progress --no-overwrite-ignore "$@" -- >&2 && return
  result=$?
  way_clear "$target"
  exit "$result"
}

git_ready
untampered "$url"
unlocked
clean no
if is_ref "refs/heads/$ref"; then
  switch "$ref"
elif is_ref "refs/remotes/origin/$ref"; then
  switch --track -b "$ref" "refs/remotes/origin/$ref"
elif is_ref "refs/tags/$ref" && has_commit "refs/tags/$ref"; then
  switch --detach "refs/tags/$ref^{commit}"
elif is_ref "refs/remotes/$ref"; then
  switch --detach "refs/remotes/$ref"
elif case $ref in *[!0-9a-f]* | ? | ?? | ???) false ;; esac && has_commit "$ref"; then
  switch --detach "$ref"
else
  refuse 82 "$ref"
fi
print_outcome ''
