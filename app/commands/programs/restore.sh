# restore.sh ROOT NAME KEY, in ROOT. One rename out of the trash: what is in the folder is not touched.
root=$1 name=$2 job=$3

absent() {
  [ ! -e "$1" ] && [ ! -L "$1" ] || refuse 74 "$name exists in the projects root"
}

root_sound
absent "./$name"
[ -d ./.bareboat ] || refuse 91 "there is no .bareboat/trash/$job"
( enter_own "$root" trash && [ -d "./$job" ] && [ ! -L "./$job" ] || refuse 91 "there is no .bareboat/trash/$job"
  enter ../.. "$root" || refuse 75 '.bareboat/trash was moved away'
  absent "./$name"
  mv -T -- "./.bareboat/trash/$job" "./$name" || { absent "./$name"; refuse 71 "$name cannot be put in its place"; }
  [ -d "./$name" ] && [ ! -L "./$name" ] || refuse 75 "$name is not where it was put" ) || exit
printf 'restored\n'
