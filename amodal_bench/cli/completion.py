"""Shell completion, as click does it; in bash a setting is completed as one word, although bash cuts it at `=`."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    shell_complete,
    split_arg_string,
)


class _Bash(BashComplete):
    """Bash cuts words at `=`, and replaces only what stands behind it."""

    cut = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is typed, and that one; settings are put together again."""
        words = split_arg_string(os.environ["COMP_WORDS"])
        position = int(os.environ["COMP_CWORD"])
        last = words[position] if position < len(words) else ""
        whole: list[str] = []
        for word in [*words[1:position], last]:
            if whole and (word == "=" or whole[-1].endswith("=")):
                whole[-1] += word
            else:
                whole.append(word)
        key, equals, _ = whole[-1].partition("=")
        self.cut = f"{key}{equals}" if equals and whole[-1] != last else ""
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """A line for the shell's function, without what bash does not replace."""
        return f"{item.type},{str(item.value).removeprefix(self.cut)}"


def complete(command: click.Command, program: str, variable: str, instruction: str) -> int:
    """Do what the shell's completion function asks for; returns the exit status."""
    add_completion_class(_Bash, "bash")
    return shell_complete(command, {}, program, variable, instruction)
