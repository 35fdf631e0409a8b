"""What crosses an edge, api and web alike: shape, types, lengths. Policy and existence are decided by services.

Nothing is repaired: a value is in its grammar or refused, and the refusal names the field and the rule.
"""
