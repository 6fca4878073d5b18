"""`amodal-bench paper TABLE ...`: the tables by name, and `all` for every one."""

from __future__ import annotations

import click

from amodal_bench.cli.verbs import Verbs
from amodal_bench.cli.words import folders_behind, place
from amodal_bench.paper.figures.declared import figure_names, read_figure
from amodal_bench.paper.table import names, title_of

ALL, FIGURE = "all", "figure"
OTHERS = {
    "plan": ("plan", "freeze a table's cells before they are run"),
    "verdict": ("verdict", "say of a frozen plan, cell by cell, what held"),
}


class Tables(Verbs):
    """A verb for each table and each figure; its file is read when help is shown or it is called."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb that makes one table or figure, or all of them; None where there is no such thing."""
        if cmd_name not in self.verbs or cmd_name in OTHERS:
            return super().get_command(ctx, cmd_name)
        if self.verbs[cmd_name][0] == FIGURE:
            from amodal_bench.cli.paper.figure import made as drawn

            return drawn(cmd_name)
        from amodal_bench.cli.paper.table import made

        return made(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the table or figure that the words begin with, among those of the user's folders, too."""
        folders = [place(folder) for folder in folders_behind(args)]
        own = {**dict.fromkeys(names(folders), ("table", "")), **dict.fromkeys(figure_names(folders), (FIGURE, ""))}
        self.verbs = {**own, **self.verbs}
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables and figures with their titles."""
        titles = {name: title_of(file) for name, file in names().items()}
        titles |= {name: read_figure(file).title for name, file in figure_names().items()}
        self.verbs = {name: (module, titles.get(name, what)) for name, (module, what) in self.verbs.items()}
        super().format_commands(ctx, formatter)


main = Tables(
    "paper",
    "amodal_bench.cli.paper",
    {
        **dict.fromkeys(names(), ("table", "")),
        **dict.fromkeys(figure_names(), (FIGURE, "")),
        ALL: ("table", "every table and figure"),
        **OTHERS,
    },
)
