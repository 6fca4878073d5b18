"""`amodal-bench published [VERB ...]`: which module does a verb's work."""

from __future__ import annotations

import click

from amodal_bench.cli.verbs import HELP, Verbs

VERBS = {
    "list": ("listing", "show published values, every one where several disagree; the verb where none is named"),
    "explain": ("explain", "which way of scoring a stored run explains a published number?"),
}


class Published(Verbs):
    """The verbs about published values; without one of them the values are listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options without a verb as those of `list`."""
        alone = not args or (args[0].startswith("-") and args[0] not in HELP)
        return super().parse_args(ctx, ["list", *args] if alone and not ctx.resilient_parsing else args)


main = Published("published", "amodal_bench.cli.published", VERBS)
