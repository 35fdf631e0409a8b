# undo.sh URL KEY JOB, in the project. Back to the snapshot KEY; what is there now becomes the snapshot JOB.
url=$1 target=refs/bareboat/undo/$2 job=$3
git_ready
untampered "$url"
unlocked
has_commit "$target" || refuse 93 "$target"
has_commit HEAD || refuse 84 'HEAD is no commit'
snapshot "$job" "$target"
put_back "$target" || { changing=; git update-ref -d "$before"; git update-ref -d "$recovery"; raw_end; refuse 79 'a file is in the way, or changed just now'; }
changing=
raw_end
print_outcome "$recovery"
