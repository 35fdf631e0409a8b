"""One program for each peer, run in a process of its own: `python -m bench.peers.NAME FLEET.json COUNT REPEATS`.

Those of other tools run in their own virtual environment: nothing here may import app, but for `bareboat`.
"""
