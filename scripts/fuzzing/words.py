"""What is typed: overrides as Hydra's parser gets them, and the settings that come of them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from amodal_bench.config.compose import compose, refuse_choices
from amodal_bench.config.overrides import parsed, readable, refuse_sweeps
from amodal_bench.config.settings import Settings
from fuzzing.judge import Reader
from fuzzing.values import TEXTS, damaged, texts

WHOLE = (
    "seed=3", "model=hull", "dataset=toy", "dataset.images=5", "view=crop", "view.margin=0.25", "protocol=pooled",
    "+a.b=[1,2]", "~sheet", "sheet=0", "protocol.filter.min_occlusion=0.1", "ids=~/ids.txt", "results=/tmp/a b",
    "dataset.root='x y'", "a={b: 1}", "model=random/sam", "engine.batch_size=2", "leakage=none", "baselines=null",
    "+x=${seed}", "dataset.split=val", "logger=csv", "experiment=leakage", "model@other=hull", "hydra.mode=RUN",
)  # fmt: skip
VALUES = (
    "",
    "-1",
    "0",
    "1e400",
    "nan",
    "null",
    "[",
    "{a:",
    "'",
    "a,b",
    "range(3)",
    "choice(a,b)",
    "${oc.env:HOME}",
    "~x/y",
    "$HOME",
    "9" * 5000,
    "[" * 200,
    "${" * 50,
    "glob(*)",
    "\\",
    "é",
    "=",
    "int(x)",
    "${a}",
    "_base/published",
)


class OverridesReader(Reader):
    """Overrides, made readable for Hydra and parsed."""

    name = "overrides"
    whole: ClassVar[tuple[str, ...]] = WHOLE

    def changed(self, random: Random) -> bytes:
        words = random.sample(self.whole, random.choice([1, 1, 2, 3]))
        number = random.randrange(len(words))
        key, _, value = words[number].partition("=")
        kind = random.randrange(6)
        if kind == 0:
            words[number] = f"{key}={random.choice(VALUES)}"
        elif kind == 1:
            words[number] = f"{random.choice(['+', '++', '~', '.', ''])}{key}={random.choice(TEXTS)}"
        elif kind == 2:
            words[number] = f"{key}{random.choice(TEXTS)}={value}"
        elif kind == 3:
            words[number] = f"{key}.{random.choice(['x', 'images', '_target_', '0', ''])}={value}"
        elif kind == 4:
            words[number] = damaged(words[number].encode(), random)[:2000].decode(errors="surrogateescape")
        else:
            words[number] = f"{random.choice(self.whole).partition('=')[0]}={value}"
        return "\n".join(word.replace("\n", " ") for word in words).encode(errors="surrogatepass")

    def generated(self) -> SearchStrategy[bytes]:
        keys = st.sampled_from([word.partition("=")[0] for word in self.whole]) | texts
        word = st.tuples(keys, st.sampled_from(VALUES) | texts | st.text("[]{}'\",=:$() a1", max_size=9)).map(
            "=".join
        )
        return st.lists(word | texts, min_size=1, max_size=3).map(
            lambda found: "\n".join(found).encode(errors="surrogatepass")
        )

    def read(self, data: bytes) -> None:
        words = data.decode(errors="surrogatepass").split("\n")
        found = readable(words)
        assert len(found) == len(words) and all(parsed(each) is not None for each in found)
        assert readable(found) == found, "what is readable is changed again"
        refuse_sweeps(words)
        refuse_choices(found, [])


class SettingsReader(OverridesReader):
    """Overrides, composed to the settings of a run."""

    name = "settings"

    def read(self, data: bytes) -> None:
        settings = compose(data.decode(errors="surrogatepass").split("\n"), list[Path]())
        assert isinstance(settings, Settings)


READERS: tuple[type[Reader], ...] = (OverridesReader, SettingsReader)
