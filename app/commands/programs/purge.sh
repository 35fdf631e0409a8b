# purge.sh ROOT KEY, in ROOT. Removes one thing from the trash, for good. Prints missing or deleted.
root=$1 job=$2
root_sound
[ -d ./.bareboat ] || { printf 'missing\n'; exit 0; }
enter_own "$root" trash
[ -e "./$job" ] || [ -L "./$job" ] || { printf 'missing\n'; exit 0; }
empty_trash || refuse 90 ".bareboat/trash/$job"
printf 'deleted\n'
