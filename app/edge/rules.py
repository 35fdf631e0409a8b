"""Rules of addresses that start quickly."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from werkzeug.routing import Rule


class LateRule(Rule):
    """Compiles what builds its addresses when one is built. A process builds few of its hundreds of kinds of address,
    a command none; to compile them all was most of what the wiring took."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
