# durable_attach.sh: into the folder of a job that was started before.
bb_word=attached
find_job || bb_word=absent
