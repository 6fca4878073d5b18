"""`amodal-bench paper TABLE ...`: the tables by name, and `all` for every one."""

from __future__ import annotations

import click

from amodal_bench.cli.verbs import Verbs
from amodal_bench.cli.words import folders_behind, place
from amodal_bench.paper.table import names, title_of

ALL = "all"
OTHERS = {
    "plan": ("plan", "freeze a table's cells before they are run"),
    "verdict": ("verdict", "say of a frozen plan, cell by cell, what held"),
}


class Tables(Verbs):
    """A verb for each table; its file is read when help is shown or it is called."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb that makes one table, or all of them; None where there is no such table."""
        if cmd_name not in self.verbs or cmd_name in OTHERS:
            return super().get_command(ctx, cmd_name)
        from amodal_bench.cli.paper.table import made

        return made(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the table that the words begin with, among those of the user's folders, too."""
        own = names([place(folder) for folder in folders_behind(args)])
        self.verbs = {**dict.fromkeys(own, ("table", "")), **self.verbs}
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables with their titles."""
        titles = {name: title_of(file) for name, file in names().items()}
        self.verbs = {name: (module, titles.get(name, what)) for name, (module, what) in self.verbs.items()}
        super().format_commands(ctx, formatter)


main = Tables(
    "paper",
    "amodal_bench.cli.paper",
    {**dict.fromkeys(names(), ("table", "")), ALL: ("table", "every table"), **OTHERS},
)
