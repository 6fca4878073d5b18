"""The commands that people read: those in the README, in docs/ and in the pages beside them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "datasets/README.md", "results/README.md")]
PAGES = sorted([*BESIDE, *(ROOT / "docs").glob("*.md")])
VERBS = ("data", "models", "results", "published", "paper", "toy", "predict")
PAPER = ("data", "sample", "budget", "toy", "weights", "tolerance", "again", "ids")
"""Words of `amodal-bench paper` that are no settings of a run."""

PROGRAM = re.compile(r"^(\S*/)?(amodal-bench|python3? -m amodal_bench)\s+")


@dataclass(frozen=True)
class Command:
    """A command line of a page that calls this program, as words without redirection."""

    page: str
    words: tuple[str, ...]

    @property
    def verb(self) -> tuple[str, ...]:
        """`("data", "check")`, `("predict",)`, or nothing for a run."""
        if not self.words or self.words[0] not in VERBS:
            return ()
        if self.words[0] == "published" and (len(self.words) == 1 or self.words[1].startswith("-")):
            return ("published", "list")  # what it does where no verb is named
        return self.words[:1] if self.words[0] == "predict" else self.words[:2]

    @property
    def overrides(self) -> list[str]:
        """Its words of the form KEY=VALUE, and the one that the name behind `data VERB` or `models VERB` means."""
        given = [word for word in self.words if re.match(r"^[a-z_][\w.@]*=", word)]
        if self.verb[:1] == ("paper",):
            given = [word for word in given if word.partition("=")[0] not in PAPER]
        group = {"data": "dataset", "models": "model"}.get(self.verb[0]) if self.verb else None
        return [f"{group}={self.name}", *given] if group and self.name else given

    @property
    def name(self) -> str | None:
        """The dataset or model that `data VERB NAME` or `models VERB NAME` is about; None for other commands."""
        if len(self.words) < 3 or self.verb[:1] not in {("data",), ("models",)} or self.verb[1] == "tiny":
            return None
        word = self.words[2]
        return word if re.fullmatch(r"[a-z_0-9]+|[A-Z]+", word) else None

    @property
    def options(self) -> list[str]:
        """Its words that begin with a dash."""
        return [word.partition("=")[0] for word in self.words if word.startswith("-")]

    @property
    def config_dirs(self) -> list[Path]:
        """The folders behind `--config-dir` that lie in this repository."""
        at = [n + 1 for n, word in enumerate(self.words) if word == "--config-dir"]
        return [ROOT / self.words[n] for n in at if not placeholder(self.words[n])]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def placeholder(word: str) -> bool:
    """Whether a word stands for another one, such as NAME or FOLDER."""
    return re.fullmatch(r"[A-Z_]+", word) is not None


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def spans(page: Path) -> list[str]:
    """The inline code of a page, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def lines(page: Path) -> Iterator[str]:
    """The lines of a page's bash blocks, without comments."""
    for block in re.findall(r"^```bash\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        yield from filter(None, (line.strip() for line in block.replace("\\\n", " ").splitlines()))


def commands(page: Path) -> Iterator[Command]:
    """Each call of this program in a page, in bash blocks and in inline code."""
    for line in [*lines(page), *spans(page)]:
        if (found := PROGRAM.match(line)) is None or "…" in line:
            continue
        words = shlex.split(line[found.end() :], comments=True)
        end = next((n for n, word in enumerate(words) if word in {">", "|", "&&"}), len(words))
        yield Command(page.name, tuple(words[:end]))


def all_commands() -> list[Command]:
    """The different commands of all pages."""
    return list({command.words: command for page in PAGES for command in commands(page)}.values())
