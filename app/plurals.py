"""Numbers of things, for people: `1 project`, `3 projects`."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """`many` where it is more than an `s` at the end: `counted(2, "job is", "jobs are")`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
