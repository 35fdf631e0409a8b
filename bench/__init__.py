"""What Bareboat costs, measured: `make bench`. Nothing here is part of the product; docs/performance.md explains it."""
