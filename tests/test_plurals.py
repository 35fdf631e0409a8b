import re
from pathlib import Path

import app
from app.plurals import counted

APP = Path(app.__file__).parent
PRINTED = re.compile(r"\{(?:len\([^{}]*\)|[a-z_.]*(?:count|total|size|length))\} (\w+s)\b")
BY_HAND = re.compile(r"'s' if|\"s\" if|else 's'|else \"s\"")


def test_one_thing_is_no_plural() -> None:
    assert [counted(count, "node") for count in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]
    assert counted(1, "job is", "jobs are") == "1 job is"
    assert counted(3, "job is", "jobs are") == "3 jobs are"


def test_no_text_counts_without_it() -> None:
    texts = {path: path.read_text() for path in [*APP.rglob("*.py"), *APP.rglob("templates/**/*.html")]}
    found = {str(path): hits for path, text in texts.items() if (hits := PRINTED.findall(text) + BY_HAND.findall(text))}
    assert found == {}
