# own_playbooks.sh FILE_BYTES ALL_BYTES FILES [NAME], in the project's .bareboat. For each *.yml there, or for NAME only:
# `name NUL kind NUL text NUL`. kind: file, link, special or closed; only a file has a text, of FILE_BYTES at most, in
# which NUL is written as 1. Not more than FILES files and ALL_BYTES bytes are answered. Reads only; follows no link.
each=$1 all=$2 most=$3
shift 3

show() {
  printf '%s\0' "$1"
  if [ -L "./$1" ]; then printf 'link\0'
  elif [ ! -f "./$1" ]; then printf 'special\0'
  elif [ ! -r "./$1" ]; then printf 'closed\0'
  else
    printf 'file\0'
    head -c "$each" <"./$1" | tr '\000' '\001'
  fi
  printf '\0'
}

show_all() {
  for file in "$@"; do
    [ -e "./$file" ] || [ -L "./$file" ] || continue
    [ "$most" -gt 0 ] || break
    most=$((most - 1))
    show "$file"
  done
}

[ "$#" -gt 0 ] || set -- *.yml
show_all "$@" | head -c "$all"
