# status.sh URL LIMIT, in the project. The head, then git's own status, cut after LIMIT bytes; reads only.
git_ready
untampered "$1"
# Where there is a commit, which is nearly always, git is asked once.
print_head 2>/dev/null || if has_commit HEAD; then print_head || exit; else printf '\0\0\0\0'; fi

# head closes the pipe when it has enough; git then ends by SIGPIPE (141), which is no failure here.
# A pipe gives only the last status, so git's own comes back on descriptor 4.
exec 5>&1
ended=$(
  exec 4>&1
  { git status --porcelain=v2 --branch -z --untracked-files=normal --ignore-submodules=dirty; echo $? >&4; } |
    head -c "$2" >&5
)
case $ended in 0 | 141) ;; *) exit "${ended:-1}" ;; esac
