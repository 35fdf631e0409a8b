"""Playbooks as text: read, judged with file, line and key, and bound to inputs. Pure: no files, no rows, no nodes.

`reader` knows YAML, `schema` what may be written, `playbook` what it means.
"""
