# What git does not know and what comes would overwrite, ignored files too. In the project; behind git.sh.

way() {
  GIT_INDEX_FILE=./.git/bareboat/way git "$@"
}

coming() {
  GIT_INDEX_FILE=./.git/bareboat/coming git "$@"
}

# Lines of names, quoted as git quotes them, become entries of an index; a repository is one, by its folder.
entries() {
  sed -e 's/\/\("*\)$/\1/' -e "s/^/100644 $(git hash-object --stdin </dev/null) 0$(printf '\t')/"
}

# Names that the tree $1 brings, and those that HEAD has and the index not. Submodules overwrite nothing.
coming_names() {
  set -- "$1" --name-only --no-renames --ignore-submodules=all
  git diff-tree -r --diff-filter=A "$2" "$3" "$4" HEAD "$1" --
  git diff-index --cached --diff-filter=D "$2" "$3" "$4" HEAD --
}

# Untracked files in folders where a file is to come; of a folder whose name git quotes, git itself has to tell.
under_names() {
  while IFS= read -r name; do
    [ ! -d "./$name" ] || [ -L "./$name" ] || git --literal-pathspecs ls-files --others -- "./$name"
  done
}

# Whatever is where something is to come, or where a folder for it is to be; untracked or not.
in_places() {
  coming diff-files --name-only --no-renames --diff-filter=MT
  coming ls-files --killed
  coming -c core.quotePath=false diff-files --name-only --no-renames --diff-filter=D | under_names
}

# True when something is in the way of the tree $1: the index `way` names it. In .git/bareboat, which must be there.
find_way() {
  rm -f ./.git/bareboat/way ./.git/bareboat/coming
  coming_names "$1" | entries | coming update-index --index-info
  [ -n "$(coming ls-files | head -n 1)" ] || return
  # What git knows is there three times, or twice: no line of its own.
  { git ls-files; git ls-files; in_places | LC_ALL=C sort -u; } | LC_ALL=C sort | LC_ALL=C uniq -u |
    entries | way update-index --index-info
  [ -n "$(way ls-files | head -n 1)" ]
}

# Refuses when something is in the way of the tree $1, and names it.
way_clear() {
  rm -rf ./.git/bareboat && mkdir -m 700 ./.git/bareboat || { room_left; refuse 84 'nothing can be made in .git'; }
  find_way "$1" || { rm -rf ./.git/bareboat; return 0; }
  way ls-files -z | report untracked "$(way ls-files | wc -l)"
  words=$(way ls-files | head -n 20)
  rm -rf ./.git/bareboat
  refuse 79 'files that git does not know are in the way:' "$words"
}
