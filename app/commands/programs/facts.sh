# facts.sh ROOT all|changing, behind pwd.sh: what the node is and has, a `name value` a line. What cannot be found is left out. Writes
# nothing. `changing` is asked often, and starts no program at all; a shell that tells `$said` by itself sets `is_told`.
said=
fact() {
  [ -z "$2" ] || said="$said$1 $2
"
}

first_line() {
  line=
  [ ! -r "$1" ] || IFS= read -r line <"$1"
}

# Read, never sourced.
system_name() {
  [ -r /etc/os-release ] || return 0
  while IFS= read -r line; do
    case $line in PRETTY_NAME=*) fact os "${line#*=}"; return 0 ;; esac
  done </etc/os-release
}

memory() {
  [ -r /proc/meminfo ] || return 0
  while read -r key value _; do
    case $key in
      MemTotal:) fact memory_total_kib "$value" ;;
      MemAvailable:) fact memory_available_kib "$value"; return 0 ;;
    esac
  done </proc/meminfo
}

# Total and free, which stand before the last percentage; unknown for file systems that do not count.
usage() {
  df -P "$1" . 2>/dev/null |
    sed -n "2s/.* \\([0-9][0-9]*\\)  *[0-9][0-9]*  *\\([0-9][0-9]*\\)  *[0-9][0-9]*%.*/$2_total \\1\\n$2_free \\2/p"
}

root_state() {
  [ -d "$1" ] && cd -P -- "$1" 2>/dev/null || { fact root missing; return 0; }
  [ ! -f ./.bareboat/root ] || fact mark there
  state=ok
  is_safe "$1" "$2" || state=unsafe
  [ "$state" = unsafe ] || [ -w . ] || state=not_writable
  fact root "$state"
  [ "$2" = all ] || return 0
  room $(stat -f -c '%S %b %a %c %d' . 2>/dev/null)
}

# Size of a block, blocks, available ones, inodes, free ones. One stat is cheaper than df, which not every stat replaces.
room() {
  case $#$* in 5*[!0-9\ ]* | [!5]*) usage -k disk_kib; usage -i inodes; return 0 ;; esac
  fact disk_kib_total "$(($2 * ($1 / 512) / 2))"
  fact disk_kib_free "$(($3 * ($1 / 512) / 2))"
  [ "$4" != 0 ] || return 0
  fact inodes_total "$4"
  fact inodes_free "$5"
}

# Who may write there changes seldom: that takes two programs.
is_safe() {
  [ "$PWD" = "$1" ] || return 1
  [ "$2" = all ] || return 0
  [ "$(where)" = "$1" ] && is_private $(ls -ldn . 2>/dev/null)
}

is_private() {
  case $1 in d????w* | d???????w*) return 1 ;; esac
  [ "$3" = 0 ] || [ "$3" = "$(id -u)" ]
}

lasting() {
  fact clock "$(date +%s)"
  system_name
  first_line /proc/sys/kernel/osrelease
  fact kernel "${line:-$(uname -r)}"
  fact arch "$(uname -m)"
  ! command -v git >/dev/null 2>&1 || fact git "$(git --version 2>/dev/null)"
  ! command -v nproc >/dev/null 2>&1 || fact cpus "$(nproc 2>/dev/null)"
}

[ "$2" != all ] || lasting
first_line /proc/loadavg
fact load1 "${line%% *}"
first_line /proc/uptime
fact uptime "${line%%.*}"
memory
root_state "$1" "$2"
[ -n "${is_told-}" ] || printf %s "$said"
