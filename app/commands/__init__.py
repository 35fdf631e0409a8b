"""What we say to a node: pure functions from values to a Command, and from output to values. No I/O here."""
