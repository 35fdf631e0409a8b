# What every git program of ours begins with, behind folders.sh. Exit statuses: see REFUSALS in programs.py.

# The account may bring variables that redirect git. What we set ourselves is not in this list.
unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE GIT_PREFIX GIT_NAMESPACE GIT_INDEX_FILE GIT_INDEX_VERSION GIT_CONFIG \
  GIT_CONFIG_PARAMETERS GIT_CONFIG_SYSTEM GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_SHALLOW_FILE \
  GIT_GRAFT_FILE GIT_REPLACE_REF_BASE GIT_ATTR_SOURCE GIT_EXEC_PATH GIT_TEMPLATE_DIR GIT_EXTERNAL_DIFF GIT_DIFF_OPTS \
  GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PROXY_COMMAND GIT_SSH GIT_SSH_VARIANT GIT_SSL_NO_VERIFY GIT_SSL_CERT \
  GIT_SSL_KEY GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_PROXY_SSL_CERT GIT_PROXY_SSL_KEY GIT_PROXY_SSL_CAINFO \
  GIT_HTTP_PROXY_AUTHMETHOD GIT_HTTP_USER_AGENT GIT_REDIRECT_STDIN GIT_REDIRECT_STDOUT GIT_REDIRECT_STDERR \
  GIT_DEFAULT_HASH GIT_DEFAULT_REF_FORMAT GIT_FLUSH GIT_QUARANTINE_PATH GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS \
  GIT_TRACE GIT_TRACE_FSMONITOR GIT_TRACE_PACK_ACCESS GIT_TRACE_PACKET GIT_TRACE_PACKFILE GIT_TRACE_PERFORMANCE \
  GIT_TRACE_REFS GIT_TRACE_SETUP GIT_TRACE_SHALLOW GIT_TRACE_CURL GIT_TRACE_CURL_NO_DATA GIT_TRACE_REDACT \
  GIT_CURL_VERBOSE GIT_TRACE2 GIT_TRACE2_EVENT GIT_TRACE2_PERF GIT_TRACE2_SETUP GIT_TRACE2_PARENT_SID SSH_ASKPASS \
  SSLKEYLOGFILE LANGUAGE PAGER EDITOR VISUAL XDG_CONFIG_HOME

work= watch=
trap 'exit 143' TERM INT HUP
trap stop_work EXIT

# Long work runs beside the shell, so that TERM is heard at once and passed on (busybox timeout tells only the shell).
run() {
  "$@" &
  work=$!
  wait "$work"
  result=$?
  work=
  return "$result"
}

stop_work() {
  trap '' TERM INT HUP
  [ -z "$watch" ] || kill -TERM "$watch" 2>/dev/null
  [ -n "$work" ] || return 0
  kill -TERM "$work" 2>/dev/null
  wait "$work" 2>/dev/null
  work=
}

git_ready() {
  command -v git >/dev/null 2>&1 || refuse 73 'git is not installed'
  version=$(git --version 2>/dev/null)
  version=${version#git version }
  minor=${version#*.}
  major=${version%%.*} minor=${minor%%.*}
  case $major$minor in '' | *[!0-9]*) refuse 73 'git does not tell its version' ;; esac
  number=$((major * 1000 + minor))
  [ "$number" -ge 2020 ] || refuse 73 "git $major.$minor is older than 2.20"
  [ "$number" -ge 2031 ] || old_git_config
  [ -z "$BAREBOAT_KNOWN_HOSTS" ] || ssh_ready
}

# What ssh may trust, and which key it asks our agent for: no secrets, in the private folder of the job.
ssh_ready() {
  [ -d "$BAREBOAT_JOB" ] || refuse 75 'the folder of the job is not where it should be'
  printf '%s\n' "$BAREBOAT_KNOWN_HOSTS" >"${BAREBOAT_JOB}known_hosts" &&
    printf '%s\n' "$BAREBOAT_PUBLIC_KEY" >"${BAREBOAT_JOB}identity.pub" ||
    refuse 71 'the folder of the job cannot be written to'
  [ -z "$BAREBOAT_PUBLIC_KEY" ] || [ -S "$SSH_AUTH_SOCK" ] ||
    refuse 88 'sshd made no socket for the agent (AllowAgentForwarding, or restrict in authorized_keys)'
}

# GIT_CONFIG_COUNT is unknown to git before 2.31: the same settings in the way that `git -c` hands them on.
old_git_config() {
  GIT_CONFIG_PARAMETERS= index=0
  while [ "$index" -lt "$GIT_CONFIG_COUNT" ]; do
    eval "setting=\$GIT_CONFIG_KEY_$index=\$GIT_CONFIG_VALUE_$index"
    GIT_CONFIG_PARAMETERS="$GIT_CONFIG_PARAMETERS '$(printf %s "$setting" | sed "s/'/'\\\\''/g")'"
    index=$((index + 1))
  done
  GIT_CONFIG_PARAMETERS=${GIT_CONFIG_PARAMETERS# }
  export GIT_CONFIG_PARAMETERS
  unset GIT_CONFIG_COUNT
}

own_config() {
  git config --local --no-includes "$@"
}

# git since 2.35 does nothing in what belongs to somebody else, and its advice (safe.directory) is not read here.
ours() {
  [ ! -O "$1" ] || return 0
  set -- "$2" $(ls -ldn -- "$1")
  refuse 98 "$1 belongs to user $4"
}

# Before any other git call in an existing tree: only settings that our clone writes, or a person harmlessly might.
# $1: the address that origin must have; empty: not compared.
untampered() {
  [ -e ./.git ] || [ -L ./.git ] || refuse 84 'there is no .git folder'
  [ -d ./.git ] && [ ! -L ./.git ] || refuse 77 '.git is not a folder'
  ours . 'the project'
  ours ./.git .git
  for odd in objects/info/alternates commondir config.worktree remotes; do
    [ ! -e "./.git/$odd" ] && [ ! -L "./.git/$odd" ] || refuse 77 ".git/$odd"
  done
  # An old way to name remotes, which still redirects an address without a slash; its empty folder is git's own.
  [ ! -L ./.git/branches ] && [ -z "$(ls -A ./.git/branches 2>/dev/null)" ] || refuse 77 .git/branches
  keys=$(own_config --list --name-only) || refuse 84 'the configuration of the repository cannot be read'
  strange=$(printf '%s\n' "$keys" | LC_ALL=C grep -Evx "$BAREBOAT_CONFIG_KEYS")
  case $? in
    0) refuse 77 "$(printf '%s\n' "$strange" | head -n 20)" ;;
    1) ;;
    *) refuse 84 'the configuration of the repository cannot be checked' ;;
  esac
  [ -z "$1" ] || [ "$(own_config --get-all remote.origin.url)" = "$1" ] || refuse 77 remote.origin.url
}

unlocked() {
  [ ! -e ./.git/index.lock ] || refuse 78 '.git/index.lock'
}

has_commit() {
  git rev-parse --quiet --verify "$1^{commit}" >/dev/null 2>&1
}

# $1: what to think of untracked files. What is in submodules is theirs; their configuration is not looked into.
clean() {
  changes=$(git status --porcelain --untracked-files="$1" --ignore-submodules=all) || refuse 84 'git status fails'
  [ -z "$changes" ] || { report_changes "$1"; refuse 79 "$(printf '%s\n' "$changes" | head -n 20)"; }
}

# What a refusal is about goes to stdout, for refusals.py: a word with how many there are, then the first of them.
report() {
  printf '%s %d\0' "$1" "$2"
  head -c 32768
  printf '\0'
}

report_changes() {
  git status --porcelain=v2 -z --untracked-files="$1" --ignore-submodules=all |
    report changes "$(printf '%s\n' "$changes" | wc -l)"
}

# sha NUL subject NUL author NUL committed_at NUL
print_head() {
  git log -1 -z --encoding=UTF-8 --format=tformat:%H%x00%s%x00%an%x00%cI HEAD --
}

# Of a branch that is checked out, as its file says; other kinds of storage are git's to read. Empty: detached.
print_branch() {
  line=
  [ ! -f .git/HEAD ] || IFS= read -r line <.git/HEAD
  case $line in
    'ref: refs/heads/.invalid') ;;
    'ref: refs/heads/'*) printf %s "${line#ref: refs/heads/}"; return ;;
  esac
  git symbolic-ref --quiet --short HEAD
}

# What an act ends with: the head, the branch (empty: detached), $1, a recovery ref (or empty), and $2, how many commits
# of HEAD the upstream has not (or empty: not known).
print_outcome() {
  print_head || refuse 84 'HEAD is no commit'
  printf '%s\0%s\0%s\0' "$(print_branch)" "$1" "$2"
}
