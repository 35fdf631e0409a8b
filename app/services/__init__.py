"""Use cases: they own the transaction. `request_*` queues an act, `perform_*` does it in a job.

No requests, no templates, no paramiko, no scheduler here; nothing is held open in the database while SSH runs.
"""
