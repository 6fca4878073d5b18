"""The page in a real browser, from the disk: 100,000 made-up instances with hostile names, all that readers do."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
from masks import box

from amodal_bench.core.rle import encode
from amodal_bench.core.shown import one_line
from amodal_bench.core.types import Floats, Mask
from amodal_bench.report.colours import compared, rgb
from amodal_bench.report.page.folder import Heading, index_of, write_fixed, write_index
from amodal_bench.report.page.masks import ANNOTATED, CHUNK, PREDICTED, write_piece
from amodal_bench.report.page.pictures import name_of, write_picture
from amodal_bench.report.page.rows import Rows, RunColumns

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
ROWS, HEIGHT, WIDTH = 100_000, 24, 20
UNREAD = 11
"""The row of an instance that no run could read."""
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">'\"&<!--\u202egpj.\u2028"
SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\u2028", "\\u2028")
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def executable() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (found := executable()) is None:
        pytest.skip("there is no Chromium on the PATH")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield opened
        opened.close()


def amodal(row: int) -> Mask:
    return box((HEIGHT, WIDTH), 4 + row % 3, 5, 12, 9)


def visible(row: int) -> Mask:
    return amodal(row) & ~box((HEIGHT, WIDTH), 0, 10, HEIGHT, 6)


def predicted(row: int, run: int) -> Mask:
    """A mask with holes and islands, of which no run length is like the other."""
    noise = np.random.default_rng(row * 2 + run).random((HEIGHT, WIDTH)) < 0.2
    return np.asarray(np.roll(amodal(row), run + 1, 1) ^ noise)


@dataclass(frozen=True)
class Made:
    """The page's file and the rows in it."""

    file: Path
    rows: Rows

    def column(self, key: str) -> Floats:
        """The numbers of a column as the list shows them, run B against run A, in its unit."""
        first, second = self.rows.runs
        return {
            "iou": 100 * second.iou, "occluded": 100 * second.occluded_iou, "rate": 100 * self.rows.rate,
            "pixels": np.where(self.rows.height, self.rows.pixels, np.nan),
            "gain": 100 * (second.iou - self.rows.visible_iou), "difference": 100 * (second.iou - first.iou),
        }[key]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, rng = tmp_path_factory.mktemp("page"), np.random.default_rng(0)

    def share() -> Floats:
        return rng.random(ROWS).astype(np.float32)

    ids = [f"id-{row:06d}" for row in range(ROWS - 1)] + [f"id-{HOSTILE}"]
    lacking = np.where(np.arange(ROWS) % 7 == 3, np.nan, share())
    errors = np.where(np.arange(ROWS) % 1000 == 5, 1, 0)
    runs = [
        RunColumns(f"model{HOSTILE}", HOSTILE, "a" * 12, "a", share(), share(), np.zeros(ROWS, np.int64)),
        RunColumns("model2", "", "b" * 12, "b", share(), lacking, errors),
    ]
    every = (np.arange(ROWS) != UNREAD).astype(np.int64)
    known = np.where(every, 0.0, np.nan)
    rows = Rows(ids, [f"image{row % 3}" for row in range(ROWS)],
                [("fish", HOSTILE, "plant")[row % 3] for row in range(ROWS)], share() + known,
                every * rng.integers(1, 90_000, ROWS), HEIGHT * every, WIDTH * every, share() + known, runs,
                [("", ""), ("failed", HOSTILE)])  # fmt: skip
    pictures = {frame: name_of("f", *frame) for frame in dict.fromkeys(rows.frames)}
    (folder / "pictures" / "small").mkdir(parents=True)
    for name in pictures.values():
        write_picture(folder, name, rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    last = (ROWS - 1) // CHUNK
    for number in (0, last):
        own = range(number * CHUNK, min((number + 1) * CHUNK, ROWS))
        truth = [[encode(mask(row))["counts"] for mask in (visible, amodal)] for row in own]
        answers: list[list[str | None]] = [[encode(predicted(row, run))["counts"] for run in range(2)] for row in own]
        answers[-1][0] = "nonsense"
        write_piece(folder, ANNOTATED, number, "", truth)
        write_piece(folder, PREDICTED, number, "", answers)
    write_fixed(folder, HOSTILE)
    file = write_index(folder, index_of(Heading(HOSTILE, "toy", "instance@2", "n", lacking=HOSTILE), rows, pictures))
    return Made(file, rows)


@dataclass
class Reader:
    """Somebody with the page open; whatever the console says and the network is asked for is kept."""

    page: Page
    said: list[str]
    asked: list[str]

    def ids(self) -> list[str]:
        """The ids that the list shows, from the top."""
        found = self.page.evaluate("""() => [...document.querySelectorAll('.rows .row')].map(
            (row) => [Number(row.dataset.at), row.querySelector('.id').textContent])""")
        return [id for _, id in sorted(found)]

    def count(self) -> int:
        return int(self.page.inner_text("#count").split(" ")[0].replace(",", ""))

    def shown(self) -> str:
        """The id above the picture."""
        return self.page.inner_text("#viewer h2").removesuffix(" #")

    def ready(self) -> None:
        """Wait until the masks of the chosen instance are drawn."""
        self.page.wait_for_function("document.querySelector('.stage canvas').width > 1")
        self.page.wait_for_timeout(50)

    def pixels(self, right: float = 0.5, down: float = 0.5) -> Any:
        """The colours of the first panel's canvas at a place in each pixel of the picture, its centre, (H, W, 4)."""
        found = self.page.evaluate("""([height, width, right, down]) => {
            const canvas = document.querySelector('.stage canvas'), draw = canvas.getContext('2d'), found = [];
            for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
              const at = [(x + right) * canvas.width / width, (y + down) * canvas.height / height].map(Math.floor);
              found.push(...draw.getImageData(at[0], at[1], 1, 1).data);
            }
            return found;
        }""", [HEIGHT, WIDTH, right, down])  # fmt: skip
        return np.array(found, np.uint8).reshape(HEIGHT, WIDTH, 4)

    def drag(self, plot: str, first: tuple[float, float], last: tuple[float, float]) -> None:
        """Drag over a plot, by shares of its canvas."""
        area = self.page.locator(f"#plot-{plot} canvas").bounding_box()
        assert area is not None
        points = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (first, last)]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=3)
        self.page.mouse.up()


@pytest.fixture
def read(browser: Browser, made: Made) -> Iterator[Callable[..., Reader]]:
    contexts = []

    def opened(fragment: str = "", width: int = 1400, **settings: Any) -> Reader:
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        reader = Reader(context.new_page(), [], [])
        reader.page.on("console", lambda message: reader.said.append(message.text))
        reader.page.on("pageerror", lambda error: reader.said.append(str(error)))
        reader.page.on("request", lambda request: reader.asked.append(request.url))
        reader.page.goto(made.file.as_uri() + fragment)
        reader.page.wait_for_selector("html[data-ready=yes]")
        return reader

    yield opened
    for context in contexts:
        context.close()


def test_it_opens_and_obeys_no_name(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.ready()
    assert reader.count() == ROWS and reader.shown() == "id-000000"
    assert len(reader.ids()) < 60, "only what can be seen is drawn"
    assert reader.page.title() == one_line(HOSTILE)
    assert reader.page.inner_text("#lacking") == f"Not run: {one_line(HOSTILE)}." and not reader.page.is_visible(
        "#lost"
    )
    reader.page.keyboard.press("End")
    reader.ready()
    assert reader.shown() == f"id-{SHOWN}" and reader.ids()[-1] == f"id-{SHOWN}"
    assert "mask cannot be read" in reader.page.inner_text(".panel .notes")
    for tab in ("numbers", "errors"):
        reader.page.click(f"#tab-{tab}")
    assert SHOWN in reader.page.inner_text("#errors")
    assert reader.page.evaluate("document.querySelectorAll('[onerror], img[src=x]').length") == 0
    assert reader.page.title() != "owned" and reader.said == []
    assert all(url.startswith(("file:", "data:")) for url in reader.asked)
    assert len([url for url in reader.asked if "/masks/" in url]) == 4, "two pieces, when they are needed"


def test_rows_are_sorted_by_every_column(read: Callable[..., Reader], made: Made) -> None:
    reader = read()
    for key in ("iou", "occluded", "rate", "pixels", "gain", "difference"):
        values = made.column(key).astype(np.float32)
        for sign in (1, -1):
            reader.page.click(f"[data-sort={key}]")
            expected = np.lexsort((np.arange(ROWS), sign * values))[:5]
            assert reader.ids()[:5] == [made.rows.ids[row] for row in expected], key
    reader.page.click("[data-sort=category]")
    assert reader.page.inner_text(".rows .category") == SHOWN
    reader.page.click("[data-sort=error]")
    reader.page.click("#direction")
    assert reader.page.inner_text(".rows .error") == "failed"


def test_filters_leave_what_they_say(read: Callable[..., Reader], made: Made) -> None:
    reader = read()
    reader.page.click("#filters summary")
    bounds = {"iou": (20, 70), "occluded": (10, 90), "rate": (5, 95), "pixels": (100, 80_000), "gain": (-60, 60),
              "difference": (-70, 50)}  # fmt: skip
    kept = np.ones(ROWS, bool)
    for key, (low, high) in bounds.items():
        values = made.column(key)
        kept &= (values >= low) & (values <= high)
        reader.page.fill(f"#{key}-least", str(low))
        reader.page.fill(f"#{key}-most", str(high))
        assert abs(reader.count() - kept.sum()) <= 2, f"{key}: a float at the border may fall on either side"
    reader.page.select_option("label:has-text('category') select", label="fish")
    assert abs(reader.count() - (kept & (np.arange(ROWS) % 3 == 0)).sum()) <= 2
    reader.page.click("#clear")
    assert reader.count() == ROWS
    reader.page.select_option("label:has-text('errors') select", "failed")
    assert reader.count() == ROWS / 1000
    reader.page.select_option("label:has-text('errors') select", "")
    reader.page.fill("#search", "ID-00001")
    assert reader.count() == 10 and reader.ids()[0] == "id-000010"
    reader.page.fill("#search", "none such")
    assert "No instance passes" in reader.page.inner_text("#list")
    reader.page.keyboard.press("Escape")
    reader.page.click("#tab-errors")
    reader.page.click("#errors >> text=show 100")
    assert reader.count() == ROWS / 1000 and reader.shown() == "id-000005", "the filters of before are gone"
    reader.page.click("#tab-errors")
    reader.page.click("#errors tr:nth-child(2) td:nth-child(2) button")
    gain = made.column("gain")
    assert (
        abs(reader.count() - (gain <= -0.05).sum()) <= 2 and reader.shown() == made.rows.ids[int(np.nanargmin(gain))]
    )
    reader.page.keyboard.press("Escape")
    assert reader.count() == ROWS, "Escape clears them"


def test_a_brush_selects_rows(read: Callable[..., Reader], made: Made) -> None:
    reader = read()
    first, second = made.rows.runs
    for plot, x in (("occlusion", made.rows.rate), ("paired", first.iou)):
        reader.drag(plot, (0.5, 0.05), (0.99, 0.4))
        area = reader.page.locator(f"#plot-{plot} canvas").bounding_box()
        assert area is not None
        width, height = area["width"] - 50, area["height"] - 42
        from_x = (0.5 * area["width"] - 40) / width
        from_y = 1 - (0.4 * area["height"] - 8) / height
        expected = ((x >= from_x) & (second.iou >= from_y)).sum()
        assert reader.count() == pytest.approx(expected, rel=0.03) and 0 < reader.count() < ROWS
        reader.page.click("text=clear selection")
        assert reader.count() == ROWS
    reader.drag("occlusion", (0.5, 0.05), (0.8, 0.4))
    reader.drag("paired", (0.5, 0.05), (0.8, 0.4))
    both = reader.count()
    reader.page.click("#plot-paired >> text=clear selection")
    assert 0 < both < reader.count() < ROWS


def test_masks_are_drawn_as_they_are_and_layers_toggle(read: Callable[..., Reader]) -> None:
    reader = read(device_scale_factor=2)
    reader.page.keyboard.press("z")
    reader.page.keyboard.press("c")
    reader.ready()
    inside, own, seen = predicted(0, 0), amodal(0), visible(0)
    colours = {rgb(region.colour): mask for region, mask in compared(inside, own, seen).items()}
    pixels = reader.pixels()
    for colour, mask in colours.items():
        near = (np.abs(pixels[..., :3].astype(int) - colour) <= 3).all(axis=2) & (pixels[..., 3] > 0)
        assert np.array_equal(near, mask), colour
    reader.page.keyboard.press("o")
    assert np.array_equal(reader.pixels()[..., 3] > 0, inside | own | seen), "V, A and the prediction"
    reader.page.keyboard.press("a")
    reader.page.keyboard.press("v")
    assert np.array_equal(reader.pixels()[..., 3] > 0, inside)
    reader.page.keyboard.press("f")
    assert not reader.pixels().any()
    reader.page.keyboard.press("c")
    below, after = np.diff(inside.astype(int), axis=0), np.diff(inside.astype(int), axis=1)
    assert np.array_equal(reader.pixels(down=1.0)[:-1, :, 3] > 0, below != 0), "lines between rows"
    assert np.array_equal(reader.pixels(right=1.0)[:, :-1, 3] > 0, after != 0), "lines between columns"
    assert not reader.pixels()[..., 3].any()
    assert reader.page.locator(".panel").count() == 2
    reader.page.keyboard.press("1")
    assert reader.page.locator(".panel").count() == 1
    assert reader.page.get_attribute("[data-layer='0']", "aria-pressed") == "false"
    reader.page.click("[data-layer='0']")
    assert reader.page.locator(".panel").count() == 2
    assert reader.page.evaluate("document.activeElement.dataset.layer") == "0", "the button keeps the focus"


def test_an_instance_has_a_link_of_its_own(read: Callable[..., Reader], made: Made) -> None:
    reader = read(f"#id={quote(made.rows.ids[321])}")
    assert reader.shown() == "id-000321" and "id-000321" in reader.ids()
    reader.page.keyboard.press("j")
    assert reader.page.url.endswith("#id=id-000322") and reader.shown() == "id-000322"
    reader.page.evaluate("location.hash = '#id=id-000007'")
    reader.page.wait_for_function("document.querySelector('#viewer h2').textContent.startsWith('id-000007')")
    again = read("#id=" + quote(f"id-{SHOWN}"))
    assert again.shown() == f"id-{SHOWN}"
    for fragment, said in (
        ("#id=%E0%A4%A", "%E0%A4%A: is not"),
        ("#id=no%20body", "no body: is not"),
        ("#other", ""),
    ):
        other = read(fragment)
        assert other.shown() == "id-000000" and other.page.inner_text("#lost").startswith(said)
        assert other.page.is_visible("#lost") == bool(said)
        other.page.keyboard.press("j")
        assert not other.page.is_visible("#lost")


def test_what_is_not_known_is_a_dash_and_no_difference_has_no_colour(read: Callable[..., Reader], made: Made) -> None:
    reader = read(f"#id={quote(made.rows.ids[UNREAD])}")
    facts = reader.page.inner_text(".facts")
    assert "0 px" not in facts and "- %" not in facts and reader.page.inner_text(".selected .pixels") == "-"
    v = ".facts tbody tr:first-child td:nth-child(3)"
    assert reader.page.inner_text(v) == "-"
    reader.page.keyboard.press("Home")
    assert reader.page.inner_text(v) == "0.0", "V finds nothing of what is hidden"
    assert f"{WIDTH}\u00d7{HEIGHT}" in reader.page.inner_text(".facts")
    reader.page.click("#filters summary")
    for word, bound in (("least", "-0.04"), ("most", "0.04")):
        reader.page.fill(f"#difference-{word}", bound)
    cells = reader.page.locator(".rows .difference")
    assert set(cells.all_inner_texts()) == {"0.0"}
    assert not {"up", "down"} & set(" ".join(each.get_attribute("class") or "" for each in cells.all()).split())


@pytest.mark.parametrize("width", [1160, 1300, 1400])
def test_no_error_is_cut_where_there_is_room(read: Callable[..., Reader], width: int) -> None:
    reader = read(width=width)
    reader.page.select_option("label:has-text('errors') select", "failed")
    error = reader.page.locator(".rows .error").first
    if width > 1250:
        assert error.inner_text() == "failed"
    assert error.evaluate("(own) => { own.textContent = 'unreadable'; return own.scrollWidth <= own.clientWidth; }")


def test_the_keyboard_does_all(read: Callable[..., Reader]) -> None:
    reader = read()
    keys = {
        "j": 1,
        "ArrowDown": 2,
        "ArrowRight": 3,
        "k": 2,
        "ArrowUp": 1,
        "ArrowLeft": 0,
        "PageDown": 10,
        "PageUp": 0,
    }
    for key, at in keys.items():
        reader.page.keyboard.press(key)
        assert reader.shown() == f"id-{at:06d}", key
    assert reader.page.inner_text(".rows .row.selected .id") == "id-000000"
    reader.page.keyboard.press("?")
    assert reader.page.is_visible("#help") and "next instance" in reader.page.inner_text("#help")
    reader.page.keyboard.press("j")
    reader.page.keyboard.press("Escape")
    assert not reader.page.is_visible("#help") and reader.shown() == "id-000000"
    reader.page.keyboard.press("/")
    reader.page.keyboard.type("jv99")
    assert reader.page.input_value("#search") == "jv99" and reader.count() == 0
    reader.page.keyboard.press("Escape")
    reader.page.keyboard.press("Escape")
    assert reader.count() == ROWS
    reader.page.focus("#tab-instances")
    reader.page.keyboard.press("ArrowRight")
    assert reader.page.is_visible("#numbers") and not reader.page.is_visible("#instances")
    unnamed = reader.page.evaluate("""() => [...document.querySelectorAll('button, input, select')].filter((each) =>
        !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length)).length""")
    assert unnamed == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_narrow_screens_do_not_scroll_sideways(read: Callable[..., Reader], width: int) -> None:
    reader = read(width=width)
    reader.page.click("#filters summary")
    for tab in ("instances", "numbers", "errors"):
        reader.page.click(f"#tab-{tab}")
        assert reader.page.evaluate("document.documentElement.scrollWidth") <= width, tab
    reader.page.click("#tab-instances")
    assert reader.page.is_visible(".stage") and reader.ids()


def test_the_dark_is_dark(read: Callable[..., Reader]) -> None:
    light = {}
    for scheme in ("light", "dark"):
        reader = read(color_scheme=scheme)
        found = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
        light[scheme] = sum(map(int, re.findall(r"\d+", found)[:3]))
    assert light["light"] > 700 and light["dark"] < 100


def test_nothing_takes_a_second(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.page.click("#filters summary")
    acts: dict[str, Callable[[int], object]] = {
        "sort": lambda _: reader.page.click("[data-sort=difference]"),
        "filter": lambda n: reader.page.fill("#iou-least", str(30 + n)),
        "search": lambda n: reader.page.fill("#search", str(n)),
        "brush": lambda n: reader.drag("occlusion", (0.3, 0.1), (0.6 + n / 10, 0.6)),
        "next": lambda _: reader.page.keyboard.press("j"),
        "clear": lambda _: reader.page.click("#clear") if reader.page.is_enabled("#clear") else None,
    }
    for name, act in acts.items():
        seconds = []
        for n in range(3):  # the best of three: other processes share the machine
            before = time.perf_counter()
            act(n)
            reader.page.evaluate(PAINTED)
            seconds.append(time.perf_counter() - before)
        assert min(seconds) < 1, name
