"""A controller in a process of its own: `python -m tests.support.controller SETTINGS.json`; ends at end of input."""

import gc
import json
import logging
import sys
from pathlib import Path

gc.disable()  # as wsgi.py does

from app import create_app, start_background, stop

gc.freeze()
gc.enable()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    app = create_app(json.loads(Path(sys.argv[1]).read_text()))
    start_background(app)
    print("ready", flush=True)
    sys.stdin.read()
    stop(app)


if __name__ == "__main__":
    main()
