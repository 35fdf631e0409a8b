# head.sh URL, in the project: sha NUL subject NUL author NUL committed_at NUL, all empty before the first commit.
git_ready
untampered "$1"
if has_commit HEAD; then print_head; else printf '\0\0\0\0'; fi
