#!/bin/sh
# Tell Bareboat how a project of this node is, with the node's token.
#
#   report-status.sh ACTIVE            run in the project's folder
#   report-status.sh ERROR 'the build broke'
#
# Or as a git hook of the project, so that work done by hand on the node is seen (Bareboat's own git runs no hooks):
#
#   install -m 755 report-status.sh /data/projects/shop/.git/hooks/post-merge     # also post-checkout, post-commit
#   echo 7 > /data/projects/shop/.git/bareboat-project                            # the project's id in Bareboat
#
# As a hook it runs .git/bareboat-check, where there is an executable file of that name, and reports ERROR with the last
# line that it wrote when that fails; ACTIVE otherwise.
#
# Address and token are in a file that only the SSH account may read (chmod 600), ~/.bareboat-report or $BAREBOAT_REPORT:
#
#   url=https://bareboat.example.com
#   token=bbn_…
#
# The token is never in an argument, where every user of the node could see it. Needs curl, or GNU wget, and git.
set -u
umask 077
settings=${BAREBOAT_REPORT:-$HOME/.bareboat-report}

fail() {
    echo "report-status: $1" >&2
    exit 1
}

value_of() {
    sed -n "s/^$1=//p" "$settings" | head -n 1
}

# What JSON holds between quotes: printable ASCII, other characters as '?', at most 1900 of them.
json_text() {
    printf '%s' "$1" | LC_ALL=C tr '\n\t' '  ' | LC_ALL=C tr -c '\040-\176' '?' | cut -c 1-1900 | sed 's/[\\"]/\\&/g'
}

check() {
    status=ACTIVE message=
    [ -x "$git_dir/bareboat-check" ] || return 0
    if ! said=$("$git_dir/bareboat-check" 2>&1); then
        status=ERROR message=$(printf '%s\n' "$said" | tail -n 1)
    fi
}

send() {
    if command -v curl > /dev/null 2>&1; then
        printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$token" \
            | curl --config - --silent --show-error --fail --max-time 20 --output /dev/null --data-binary "@$work/body" "$address"
    elif wget --version 2> /dev/null | grep -q '^GNU Wget'; then
        printf 'header = Authorization: Bearer %s\nheader = Content-Type: application/json\n' "$token" > "$work/wgetrc"
        wget --config="$work/wgetrc" --quiet --tries=1 --timeout=20 --output-document=/dev/null --post-file="$work/body" "$address"
    else
        fail 'neither curl nor GNU wget is here'
    fi
}

git_dir=$(git rev-parse --absolute-git-dir) || exit 1
case ${0##*/} in
    post-*) check ;;
    *) status=${1:-} message=${2:-} ;;
esac
case $status in
    ACTIVE | ERROR) ;;
    *) fail "say ACTIVE or ERROR, not '$status'" ;;
esac
[ -r "$settings" ] || fail "$settings cannot be read"
url=$(value_of url) token=$(value_of token)
project=$(head -n 1 "$git_dir/bareboat-project" 2> /dev/null) || fail "$git_dir/bareboat-project is missing: the project's id"
case $project in
    '' | *[!0-9]*) fail "$git_dir/bareboat-project does not hold the project's id" ;;
esac
case $token in
    '' | *[!A-Za-z0-9_-]*) fail "$settings holds no token" ;;
esac
address=${url%/}/api/v1/internal/projects/$project/status
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
printf '{"status": "%s", "message": "%s"}' "$status" "$(json_text "$message")" > "$work/body"
send || fail "$url did not take it; is a job changing the project, or is the token an old one?"
