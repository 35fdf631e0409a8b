# resolve.sh HOST: the addresses that this node finds for it, as getent prints them.
command -v getent >/dev/null 2>&1 || { echo 'getent is not installed' >&2; exit 85; }
getent ahosts "$1" | head -n 64
