# What every durable act begins with, behind folders.sh: ROOT KEY OUT ERR WAIT PATIENCE NONCE, in ROOT. The environment
# of the work may be in ours, so all variables here begin with bb_.
bb_root=$1 bb_key=$2 bb_out=$3 bb_err=$4 bb_wait=$5 bb_patience=$6 bb_nonce=$7
shift 7
bb_folder=$bb_root/.bareboat/jobs/$bb_key

# One look proves all of the way: a link in it would lead elsewhere.
enter_jobs() {
  [ -d ./.bareboat/jobs ] || ( enter_own "$bb_root" jobs ) || exit
  enter ./.bareboat/jobs "$bb_root/.bareboat/jobs" || refuse 75 '.bareboat/jobs is not where it should be'
}

enter_job() {
  enter "./$bb_key" "$bb_folder" || refuse 75 "the folder of job $bb_key is not where it should be"
}

# From ROOT into the folder of the job; fails, changing nothing, when there is none.
find_job() {
  [ -d "./.bareboat/jobs/$bb_key" ] || return
  enter_jobs
  enter_job
}

# `pid` is taken by linking, once: by the guard, which then runs, or by who gives up on it; then it never will.
give_up() {
  [ -e status ] || printf '' >status
  ln status pid 2>/dev/null
}
