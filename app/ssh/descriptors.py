"""File descriptors: each connection that is kept takes one, and the limit that a process is given is often 1024."""

import resource
from typing import Final

WANTED: Final = 65_536
RESERVE: Final = 256  # the database, requests, logs, handshakes under way
PER_NODE: Final = 2  # a second connection while the first is busy, or is being replaced


def raise_limit() -> int:
    """Make the soft limit as high as the hard one allows, up to WANTED. Returns for how many nodes that is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    return WANTED // PER_NODE if soft == resource.RLIM_INFINITY else nodes_for(soft)


def nodes_for(descriptors: int) -> int:
    return max(0, (descriptors - RESERVE) // PER_NODE)


def descriptors_for(nodes: int) -> int:
    return nodes * PER_NODE + RESERVE
