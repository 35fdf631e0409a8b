"""`make demo`: a throw-away installation with a node of its own on loopback, all of it in `instance/demo`.

It goes the way of a user: the product's own commands, then REST. Nothing outside the checkout is touched, but for
/run/sshd: sshd wants it when root starts it; it is made when absent, and removed again at the end.
"""
