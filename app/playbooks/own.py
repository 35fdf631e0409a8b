"""What a project's own playbook may not say: it is written by whoever may push, and judged here before all else."""

from app.playbooks.reader import Source


def refuse_for_others(source: Source) -> None:
    """Raises PlaybookInvalid. A regular expression can take for ever, and it would do so in our process."""
    if source.data.get("on") == "node":
        raise source.problem(("on",), "a project's own playbook is for the project; write `on: project`")
    inputs = source.data.get("inputs")
    for name, asked in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(asked, dict) and "pattern" in asked:
            words = "a project's own playbook takes no pattern; write `type: choice`, or let a step judge the value"
            raise source.problem(("inputs", name, "pattern"), words)
