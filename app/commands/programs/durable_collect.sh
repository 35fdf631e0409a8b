# durable_collect.sh, in ROOT: removes the folder of a job whose process has ended, and what it left in .bareboat/tmp when
# it was killed. Prints removed, missing or running.
find_job || { printf 'missing\n'; exit 0; }
[ -e pid ] || give_up
[ -e exit ] || ! runs pid || { printf 'running\n'; exit 0; }
[ ! -d ../../tmp ] || ( enter ../../tmp "$bb_root/.bareboat/tmp" && rm -rf "./$bb_key" ) ||
  refuse 71 "what job $bb_key left in .bareboat/tmp cannot be removed"
enter .. "$bb_root/.bareboat/jobs" && rm -rf "./$bb_key" || refuse 71 "the folder of job $bb_key cannot be removed"
printf 'removed\n'
