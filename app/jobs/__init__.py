"""Queue, runner and schedule. They know no kind of work by name: services register what is to be done.

The table is the truth and the queue a nudge: an id delivered twice is harmless, one lost is found by the sweep.
"""
