"""When garbage is looked for. Python does so every few hundred objects, which was a third of the time of tests in this
process: their applications come and go by hundreds of thousands of objects. Here it is done behind each module, so that
what was left open (an error) is told right behind the module that left it."""

import gc

import pytest

_THRESHOLDS = (100_000, 50, 100)


def pytest_collection_finish() -> None:
    gc.set_threshold(*_THRESHOLDS)
    _collect()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        _collect()


def _collect() -> None:
    """What is alive between modules is so to the end: nobody has to look through it again."""
    gc.collect()
    gc.freeze()
