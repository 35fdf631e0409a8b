# durable_collect.sh, in ROOT: removes the folder of a job whose process has ended. Prints removed, missing or running.
find_job || { printf 'missing\n'; exit 0; }
[ -e pid ] || give_up
[ -e exit ] || ! runs pid || { printf 'running\n'; exit 0; }
enter .. "$bb_root/.bareboat/jobs" && rm -rf "./$bb_key" || refuse 71 "the folder of job $bb_key cannot be removed"
printf 'removed\n'
