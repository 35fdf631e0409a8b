# drop.sh URL KEY, in the project. The recovery ref KEY, and its snapshot, are given up.
git_ready
untampered "$1"
git update-ref -d "refs/bareboat/undo/$2"
git update-ref -d "refs/bareboat/recovery/$2"
