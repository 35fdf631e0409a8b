# Processes of a job, by session and by the mark in their environment. Linux: /proc. Needs bb_folder.

# PID: its state, session and start time. The name in the line may hold blanks and brackets; it ends at the last one.
look() {
  bb_line=
  { read -r bb_line <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$bb_line" ] || return
  set -- ${bb_line##*) }
  bb_state=$1 bb_session=$4 bb_start=${20}
  case $bb_state in Z | X | x) return 1 ;; esac
}

boot() {
  bb_boot=
  { read -r bb_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
}

# FILE: the identity `PID START BOOT` in it; false when there is none, or when it is from before a reboot.
identity() {
  bb_pid= bb_started= bb_booted=
  { read -r bb_pid bb_started bb_booted <"$1"; } 2>/dev/null
  case $bb_pid in '' | *[!0-9]*) return 1 ;; esac
  boot
  [ "$bb_booted" = "$bb_boot" ]
}

# The start time tells a process from a later one that got its number.
runs() {
  identity "$1" && look "$bb_pid" && [ "$bb_start" = "$bb_started" ]
}

# What is alive of the work: its session, and whatever left that but kept its mark.
find_work() {
  bb_found=
  ! has_session || find_session "$bb_pid"
  for bb_file in $(marked); do
    bb_file=${bb_file#/proc/}
    bb_file=${bb_file%/environ}
    case " $bb_found " in *" $bb_file "*) continue ;; esac
    ! look "$bb_file" || bb_found="$bb_found $bb_file"
  done
}

# While anything of a session is there, its number is not given to others; but when its leader is another, it is over.
has_session() {
  identity work && { ! look "$bb_pid" || [ "$bb_start" = "$bb_started" ]; }
}

# So many may be a fork bomb, and leave no room for a fork of ours: stopped, which they cannot ignore, then killed.
end_swarm() {
  bb_turn=0
  while bb_found=; has_session && find_session "$bb_pid"; is_swarm $bb_found && [ "$bb_turn" -lt 50 ]; do
    kill -STOP $bb_found
    kill -KILL $bb_found
    bb_turn=$((bb_turn + 1))
  done 2>/dev/null
}

is_swarm() {
  [ "$#" -gt 200 ]
}

# The grep of busybox sees no further than to the first NUL; there all are asked first whether it is worth a closer look.
marked() {
  set -- "BAREBOAT_JOB=$bb_folder/"
  if printf 'a\0b\n' | grep -qF b; then
    grep -slF -e "$1" /proc/[0-9]*/environ
  elif cat /proc/[0-9]*/environ | tr '\0' '\n' | grep -qxF -e "$1"; then
    for bb_file in /proc/[0-9]*; do
      case " $bb_found " in *" ${bb_file#/proc/} "*) continue ;; esac
      look "${bb_file#/proc/}" && [ "$bb_session" != 0 ] || continue
      ! tr '\0' '\n' <"$bb_file/environ" | grep -qxF -e "$1" || printf '%s/environ\n' "$bb_file"
    done
  fi 2>/dev/null
}

find_session() {
  for bb_file in /proc/[0-9]*; do
    bb_file=${bb_file#/proc/}
    ! look "$bb_file" || [ "$bb_session" != "$1" ] || bb_found="$bb_found $bb_file"
  done
}

# GRACE: seconds between TERM, once to each, and KILL; and look again, each time. What is left is in bb_found.
stop_work() {
  bb_told=' ' bb_round=0 bb_last=$(($1 * 5))
  end_swarm
  while find_work; [ -n "$bb_found" ] && [ "$bb_round" -lt $((bb_last + 25)) ]; do
    if [ "$bb_round" -lt "$bb_last" ]; then end_new; else kill -KILL $bb_found; fi 2>/dev/null
    bb_round=$((bb_round + 1))
    nap
  done
}

end_new() {
  for bb_file in $bb_found; do
    case $bb_told in *" $bb_file "*) continue ;; esac
    kill -TERM "$bb_file"
    kill -CONT "$bb_file"
    bb_told="$bb_told$bb_file "
  done
}

nap() {
  sleep 0.2 2>/dev/null || sleep 1
}
