"""Tables for LaTeX with booktabs and nothing else, which compile whatever text they hold and stay within the page."""

# ruff: noqa: RUF001 - signs that look like others are the subject here

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from amodal_bench.core import shown
from amodal_bench.paper.grid import Grid

PAGE = 66.0
"""Characters that a line of a page has room for in the usual size; a wider table is set small, in several blocks."""

BETWEEN = 2.4
"""Characters that the gap between two columns of the usual size is as wide as."""

SMALL = 0.0132
"""Share of a line that a character takes in the small size."""

GAP = 0.012
"""Share of a line that the gap beside a column takes in the small size."""

LINES, SMALL_LINES = 38, 56
"""Lines of a table that a page has room for in both sizes; a table does not go on by itself on the next page."""

LONGEST_WORD, LONGEST_LETTERS, PIECE = 20, 9, 10
"""A longer word is broken, one of letters alone by its syllables, and one of other signs into pieces."""

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}",
    "`": r"\textasciigrave{}", "|": r"\textbar{}",
}  # fmt: skip
"""Signs that are commands, and what stands for them."""

MATHEMATICS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
    "µ": "mu", "×": "times", "÷": "div", "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "→": "rightarrow",
    "←": "leftarrow", "∞": "infty", "·": "cdot", "√": "surd", "✓": "surd", "∈": "in", "∪": "cup", "∩": "cap",
}  # fmt: skip
WORDS = {
    "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}", "ß": r"\ss{}", "æ": r"\ae{}",
    "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
    "−": "$-$", "°": r"$^\circ$", "§": r"\S{}", "©": r"\copyright{}",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0307": ".",
    "\u030c": "v ", "\u0306": "u ", "\u030b": "H ", "\u0327": "c ", "\u030a": "r ", "\u0323": "d ",
}  # fmt: skip
NAMED = r"\orcode"
OR_CODE = rf"\providecommand{{{NAMED}}}[2]{{\ifdefined\Umathcode #1\else #2\fi}}"
"""A sign where the engine has all of Unicode, else its number."""

RAGGED = r"\cellragged"
IS_RAGGED = rf"\providecommand{{{RAGGED}}}{{\rightskip=0pt plus 3em\leavevmode\hskip0pt\relax}}"
"""Begins a folded cell: no stretched gaps, and its first word may be broken, too."""

_INTERVAL = re.compile(r"\[(-?[\d.]+), (?=-?[\d.]+\])")
_NARROW = re.compile(r"[ .,:;()\[\]ijl|'!-]")
_BROAD = re.compile(r"[MWmw<>±×#%&@=+\\~]")
_CAPITAL = re.compile(r"[A-HJ-LN-VX-Z]")


def escaped(text: str) -> str:
    """Text for LaTeX, where none of its characters is a command, and none stops any engine."""
    return "".join(map(_letter, shown.one_line(text)))


def latex(parts: Sequence[Grid], under: Sequence[str]) -> str:
    """Tables for LaTeX with booktabs, each to be put into a float by whoever uses it."""
    tables = [line for part in parts for line in _table(part)]
    text = "\n".join([*tables, *(f"% {escaped(line)}" for line in under)]) + "\n"
    own = [line for name, line in ((NAMED, OR_CODE), (RAGGED, IS_RAGGED)) if name in text]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *own, text])


def _letter(letter: str) -> str:
    if letter in SPECIAL or letter.isascii():
        return SPECIAL.get(letter, letter)
    if letter in WORDS:
        return WORDS[letter]
    if letter in MATHEMATICS:
        return f"$\\{MATHEMATICS[letter]}$"
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS:
        return f"\\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"{NAMED}{{{letter}}}{{{_code(letter)}}}"


def _code(letter: str) -> str:
    return f"U+{ord(letter):04X}"


def _table(part: Grid) -> list[str]:
    columns = [[part.heads[k], *(row[k] for row in part.rows)] for k in range(len(part.heads))]
    longest = [max(map(_wide, column)) for column in columns]
    if sum(longest) + BETWEEN * len(columns) <= PAGE:
        every, spec = range(len(columns)), f"l{'r' * (len(columns) - 1)}"
        pages = _pages([1.0] * len(part.rows), LINES)
        return [
            line for page in pages for line in [r"\noindent", *_tabular(part, page, every, spec, small=False), ""]
        ]
    words = [max((_shortest(word) for cell in column for word in _words(cell)), default=1.0) for column in columns]
    lines: list[str] = []
    for block in _blocks([SMALL * word + GAP for word in words]):
        least = [SMALL * words[k] for k in block]
        wish = [max(SMALL * longest[k] - own, 0.001) for k, own in zip(block, least, strict=True)]
        rest = max(1.0 - sum(least) - GAP * len(block), 0.0)
        stretch = min(rest / sum(wish), 1.0)
        shares = [own + stretch * more for own, more in zip(least, wish, strict=True)]
        spec = "".join(f"p{{{share:.3f}\\linewidth}}" for share in shares)
        high = [max(math.ceil(1.2 * SMALL * _wide(row[k]) / own) for k, own in zip(block, shares, strict=True))
                for row in part.rows]  # fmt: skip
        for page in _pages(high, SMALL_LINES):
            lines += [r"{\scriptsize\setlength{\tabcolsep}{2pt}\sloppy\noindent"]
            lines += [*_tabular(part, page, block, spec, small=True), r"\par}", ""]
    return lines


def _pages(high: Sequence[float], most: float) -> list[range]:
    """Rows that fit below each other on a page, by how many lines each has; one part at least."""
    starts, room = [0], most
    for r, own in enumerate(high):
        if own > room and r > starts[-1]:
            starts.append(r)
            room = most
        room -= own
    return [range(start, end) for start, end in pairwise([*starts, len(high)])]


def _blocks(shares: Sequence[float]) -> list[list[int]]:
    """Columns that fit beside each other, the first one in every block."""
    starts, room = [1], 1.0 - shares[0]
    for k in range(1, len(shares)):
        if shares[k] > room and k > starts[-1]:
            starts.append(k)
            room = 1.0 - shares[0]
        room -= shares[k]
    return [[0, *range(start, end)] for start, end in pairwise([*starts, len(shares)])]


def _tabular(part: Grid, page: Sequence[int], block: Sequence[int], spec: str, small: bool) -> list[str]:
    def cell(text: str, bold: bool = False) -> str:
        inside = _folded(text) if small else escaped(text)
        return (f"{RAGGED} " if small else "") + (f"\\textbf{{{inside}}}" if bold else inside)

    lines = [f"% {escaped(part.title)}", f"\\begin{{tabular}}{{{spec}}}", "\\toprule"]
    lines += [_row([cell(part.heads[k]) for k in block]), "\\midrule"]
    lines += [
        _row([cell(row[k], (r, k) in part.bold) for k in block]) for r, row in enumerate(part.rows) if r in page
    ]
    return [*lines, "\\bottomrule", "\\end{tabular}"]


def _row(cells: Sequence[str]) -> str:
    text = " & ".join(cells) + " \\\\"
    # Behind a line's end and behind a rule these two would be its option.
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _words(text: str) -> list[str]:
    return _INTERVAL.sub(r"[\1,_", shown.one_line(text)).split()


def _folded(text: str) -> str:
    """A cell that may be folded: an interval stays whole, and a long word has places to break."""
    found = []
    for word in shown.one_line(text).split():
        whole = len(word) <= LONGEST_WORD or word.isalpha()
        pieces = [word] if whole else [word[k : k + PIECE] for k in range(0, len(word), PIECE)]
        found.append("\\allowbreak{}".join(map(escaped, pieces)))
    return _INTERVAL.sub(r"[\1,~", " ".join(found))


def _wide(text: str) -> float:
    """How many characters wide a text is."""
    told = [letter if letter in WORDS or letter in MATHEMATICS or unicodedata.normalize("NFD", letter)[0].isascii()
            else _code(letter) for letter in shown.one_line(text)]  # fmt: skip
    plain = "".join(told)
    broad = 0.7 * len(_BROAD.findall(plain)) + 0.4 * len(_CAPITAL.findall(plain))
    return len(plain) - 0.5 * len(_NARROW.findall(plain)) + broad


def _shortest(word: str) -> float:
    """How many characters of a word have to stand on one line."""
    if word.isalpha() and word.isascii():
        return min(_wide(word), LONGEST_LETTERS)
    return (
        _wide(word)
        if len(word) <= LONGEST_WORD
        else max(_wide(word[k : k + PIECE]) for k in range(0, len(word), PIECE))
    )
