# home.sh: the folder in which the account's login begins, as it is physically.
cd -P -- "$HOME" && exec env pwd -P
