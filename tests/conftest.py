"""Fixtures that all tests may use."""

pytest_plugins = [
    "tests.support.garbage",
    "tests.support.fixtures",
    "tests.support.databases",
    "tests.support.application",
    "tests.support.forge",
    "tests.support.http_git",
    "tests.support.private_git",
    "tests.support.writes",
    "tests.support.live",
    "tests.support.proxy",
    "tests.support.controller_process",
    "tests.support.netns",
    "tests.support.moments",
    "tests.support.parts",
    "tests.support.services",
    "tests.support.code_server",
]
