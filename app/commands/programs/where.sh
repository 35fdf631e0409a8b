# where.sh ROOT NAME KEY, in ROOT: where the folder is that goes into the trash, or comes out of it. Prints place, trash,
# both or neither; changes nothing.
root=$1 name=$2 job=$3

is_folder() {
  [ -d "$1" ] && [ ! -L "$1" ]
}

root_sound
for own in ./.bareboat ./.bareboat/trash; do
  [ ! -L "$own" ] || refuse 75 "$own in the projects root is a link"
done
word=neither
! is_folder "./$name" || word=place
if is_folder "./.bareboat/trash/$job"; then
  [ "$word" = place ] && word=both || word=trash
fi
printf '%s\n' "$word"
