# durable_word.sh: started or attached, for who does not follow.
printf '%s\n' "$bb_word"
