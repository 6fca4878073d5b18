"""`data fetch` against a server on this machine: cut, without ranges, changed, missing, and with bad archives."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import re
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from amodal_bench.cli.data import download as downloads
from amodal_bench.cli.data import unpack as unpacking
from amodal_bench.cli.data.command import main as data
from amodal_bench.cli.data.unpack import Unpacked, unpack
from amodal_bench.core.errors import InputError
from amodal_bench.datasets import card as cards

CONTENT = bytes(range(256)) * 1200
MOST = 10_000_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server does.

    Attributes:
        files: by path.
        ranges: whether it knows ranges.
        cuts: of the next responses, how many bytes are sent before the connection is closed.
        failures: status codes that the next requests are answered with.
        etag: the files' version.
        leads_to: where /a.bin has gone.
        length: what it says of the length instead.
        asked: path and Range header of each request.
        sent: bytes of bodies so far.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"/a.bin": CONTENT})
    ranges: bool = True
    sized: bool = True
    cuts: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    etag: str = '"1"'
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    leads_to: str = ""
    length: str = ""
    sent: int = 0


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            answer(self, state)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setattr(cards, "SCHEMES", ("http://127.0.0.1", "https://"))
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    wanted = handler.headers.get("Range")
    site.asked.append((handler.path, wanted))
    if site.failures:
        handler.send_error(site.failures.pop(0))
        return
    if site.leads_to and handler.path == "/a.bin":
        handler.send_response(302)
        handler.send_header("Location", site.leads_to)
        handler.end_headers()
        return
    content = site.files.get(handler.path)
    if content is None:
        handler.send_error(404)
        return
    start = 0
    if wanted and site.ranges and handler.headers.get("If-Range", site.etag) == site.etag:
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        assert match
        start = int(match[1])
        if start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.send_response(200)
    body = content[start:]
    if site.sized:
        handler.send_header("Content-Length", site.length or str(len(body)))
    handler.send_header("ETag", site.etag)
    handler.end_headers()
    if site.cuts:
        body = body[: site.cuts.pop(0)]
    site.sent += len(body)  # before it is sent: the client may look as soon as it has everything
    handler.wfile.write(body)


@pytest.fixture
def fetch(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Write a card of dataset "mine" with these files, fetch it into `tmp_path/root`; status, stdout and stderr."""
    monkeypatch.setattr(cards, "FOLDER", tmp_path)

    def run(*files: dict[str, Any], manual: tuple[str, ...] = ()) -> tuple[int, str, str]:
        card = {"title": "Mine", "paper": "Me, 2026", "homepage": site.address, "licence": "CC0", "size": "small"}
        write_card(tmp_path, "mine", **card, tree="a.bin", files=list(files), manual=list(manual))
        status = data(["fetch", "mine", "--root", str(tmp_path / "root")])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def write_card(folder: Path, name: str, **changes: Any) -> None:
    from omegaconf import OmegaConf

    texts = dict.fromkeys(("title", "paper", "homepage", "licence", "size", "tree"), "none")
    lists: dict[str, Any] = {key: [] for key in ("published", "files", "manual", "notes")}
    OmegaConf.save(OmegaConf.create({**texts, **lists, **changes}), folder / f"{name}.yaml")


def entry(site: Site, **changes: Any) -> dict[str, Any]:
    known = {"bytes": len(CONTENT), "sha256": DIGEST, "unpack": False, "most": MOST}
    return {"url": f"{site.address}/a.bin", "path": "data/a.bin"} | known | changes


Fetch = Callable[..., tuple[int, str, str]]


def target(tmp_path: Path) -> Path:
    return tmp_path / "root" / "data" / "a.bin"


def assert_whole(tmp_path: Path) -> None:
    assert target(tmp_path).read_bytes() == CONTENT
    assert [path.name for path in target(tmp_path).parent.iterdir()] == ["a.bin"]


def test_a_file_is_fetched_checked_and_not_fetched_again(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    status, out, _ = fetch(entry(site), manual=("Fill in the form.", "Unpack what you are sent."))
    assert status == 0
    assert_whole(tmp_path)
    order = ["licence   CC0", "cite      Me, 2026", f"{len(CONTENT)} bytes, sha256 is right", "1. Fill in the form."]
    assert [out.index(text) for text in [*order, "2. Unpack"]] == sorted(out.index(t) for t in [*order, "2. Unpack"])
    assert fetch(entry(site))[0] == 0
    assert len(site.asked) == 1


def test_without_a_known_checksum_it_is_printed(site: Site, fetch: Fetch) -> None:
    status, out, _ = fetch(entry(site, bytes=None, sha256=None))
    assert status == 0 and f"sha256 {DIGEST} (the card has none" in out


@pytest.mark.parametrize("known", [True, False])
def test_a_cut_connection_goes_on_where_it_was_cut(site: Site, fetch: Fetch, tmp_path: Path, known: bool) -> None:
    site.cuts = [len(CONTENT) // 2, 1000]
    assert fetch(entry(site) if known else entry(site, bytes=None, sha256=None))[0] == 0
    assert_whole(tmp_path)
    assert [wanted for _, wanted in site.asked] == [
        None,
        f"bytes={len(CONTENT) // 2}-",
        f"bytes={len(CONTENT) // 2 + 1000}-",
    ]
    assert site.sent == len(CONTENT)


def test_the_next_command_goes_on_where_the_last_one_gave_up(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.cuts = [5000] + [0] * downloads.TRIES
    status, _, err = fetch(entry(site))
    assert status == 1
    assert f"{site.address}/a.bin: cut off after 5000 bytes (the connection was closed); give the same" in err
    assert not target(tmp_path).exists()
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)
    assert site.sent == len(CONTENT)


def test_a_server_without_ranges_is_asked_for_everything_again(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.ranges, site.cuts = False, [70000]
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)
    assert site.sent == len(CONTENT) + 70000


def test_a_server_that_tells_no_size(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.sized = False
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)


def test_the_rest_of_another_version_is_not_appended(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.cuts = [5000] + [0] * downloads.TRIES
    assert fetch(entry(site, sha256=None))[0] == 1
    site.files["/a.bin"], site.etag = CONTENT[::-1], '"2"'
    assert fetch(entry(site, sha256=None))[0] == 0
    assert target(tmp_path).read_bytes() == CONTENT[::-1]


def test_a_part_that_is_whole_already_is_taken(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    """What lies there is what a process leaves that was killed at the last moment."""
    for known in (True, False):
        part = target(tmp_path).with_name("a.bin.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(CONTENT)
        target(tmp_path).unlink(missing_ok=True)
        assert fetch(entry(site) if known else entry(site, bytes=None))[0] == 0
        assert_whole(tmp_path)
    assert site.sent == 0


def test_a_part_longer_than_the_file_is_begun_anew(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    for known in (True, False):
        part = target(tmp_path).with_name("a.bin.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(CONTENT + b"more")
        target(tmp_path).unlink(missing_ok=True)
        assert fetch(entry(site) if known else entry(site, bytes=None))[0] == 0
        assert_whole(tmp_path)


def test_a_busy_server_is_asked_again(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.failures = [503, 429]
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)


@pytest.mark.parametrize("code", [403, 404])
def test_a_file_that_is_not_there_is_one_line_and_the_others_are_fetched(
    site: Site, fetch: Fetch, tmp_path: Path, code: int
) -> None:
    site.failures = [code]
    status, out, err = fetch(entry(site, path="gone.bin"), entry(site), manual=("Ask them.",))
    assert status == 1
    assert f"/a.bin: cannot be downloaded (HTTP {code} " in err
    assert_whole(tmp_path)
    assert "1. Ask them." in out


def test_nobody_answers(site: Site, fetch: Fetch) -> None:
    status, _, err = fetch(entry(site, url="http://127.0.0.1:9/a.bin"))
    assert status == 1
    assert "http://127.0.0.1:9/a.bin: cut off after 0 bytes" in err and "refused" in err


def test_a_wrong_checksum_sets_the_file_aside(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    status, _, err = fetch(entry(site, sha256="0" * 64))
    assert status == 1
    assert f"a.bin.wrong: from {site.address}/a.bin: sha256 {DIGEST} instead of {'0' * 64}; try again" in err
    assert [path.name for path in target(tmp_path).parent.iterdir()] == ["a.bin.wrong"]


def test_another_size_than_the_card_says_is_found_before_anything_is_fetched(site: Site, fetch: Fetch) -> None:
    status, _, err = fetch(entry(site, bytes=17))
    assert status == 1
    assert f"/a.bin: has {len(CONTENT)} bytes but the card says 17" in err
    assert site.asked == [("/a.bin", None)]


@pytest.mark.parametrize(("content", "what"), [(b"mine", "4 bytes instead"), (CONTENT[::-1], "sha256")])
def test_a_file_of_the_users_is_never_replaced(
    site: Site, fetch: Fetch, tmp_path: Path, content: bytes, what: str
) -> None:
    target(tmp_path).parent.mkdir(parents=True)
    target(tmp_path).write_bytes(content)
    status, _, err = fetch(entry(site))
    assert status == 1 and what in err and "delete it to fetch it again" in err
    assert target(tmp_path).read_bytes() == content and not site.asked


def test_a_folder_that_cannot_be_written_is_one_line(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the folder should be")
    status, _, err = fetch(entry(site))
    assert status == 1 and err.startswith("error: ") and "cannot be written" in err


# Archives


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes | None], mode: str = "w:gz") -> bytes:
    """A tar; a member without content is a link to the path that it is named after, from "=" on."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.name, _, info.linkname = name.partition("=")
                info.type = tarfile.SYMTYPE
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


FILES = {"train/1.txt": b"one", "train/deep/2.txt": b"two" * 999, "empty.txt": b""}
ARCHIVES: dict[str, Callable[[Any], bytes]] = {
    "a.zip": zipped,
    "a.tar": lambda members: tarred(members, "w:"),
    "a.tgz": tarred,
    "a.tar.xz": lambda members: tarred(members, "w:xz"),
}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("path", ["pictures", "pictures/{name}"])
def test_an_archive_is_unpacked_where_it_lies_and_may_be_deleted(
    site: Site, fetch: Fetch, tmp_path: Path, name: str, path: str
) -> None:
    site.files[f"/{name}"] = ARCHIVES[name](FILES)
    wanted = {"url": f"{site.address}/{name}", "path": path.format(name=name), "unpack": True}
    file = entry(site, **wanted, bytes=None, sha256=None)
    status, out, _ = fetch(file)
    assert status == 0 and "unpacked 3 files" in out
    folder = tmp_path / "root" / "pictures"
    assert {n: (folder / n).read_bytes() for n in FILES} == FILES
    (folder / name).unlink()
    status, out, _ = fetch(file)
    assert status == 0 and "already unpacked" in out
    assert len(site.asked) == 1


ESCAPES = ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..\\out.txt", "C:\\out.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("escape", ESCAPES)
def test_an_archive_with_an_escaping_path_is_refused_whole(tmp_path: Path, kind: str, escape: str) -> None:
    archive, folder = tmp_path / f"a.{kind}", tmp_path / "folder"
    members = {"good.txt": b"good", escape: b"bad"}
    archive.write_bytes(zipped(members) if kind == "zip" else tarred(dict(members)))
    with pytest.raises(InputError) as caught:
        unpack(archive, folder, MOST)
    assert f"a.{kind}: its member {escape!r} would be written outside of the folder" in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == [archive.name]


def test_no_link_is_ever_made(tmp_path: Path) -> None:
    """A link to a file of the archive is a copy of it; a chain of members cannot write through a link either."""
    links = {"copy.txt=good.txt": None, "out=/etc": None, "passwd=/etc/passwd": None, "self=self": None}
    (tmp_path / "a.tar").write_bytes(tarred({"good.txt": b"good", **links, "out/file.txt": b"inside"}))
    unpacked = unpack(tmp_path / "a.tar", tmp_path / "folder", MOST)
    assert unpacked == Unpacked(3, ["out", "passwd", "self"])
    found = {path.relative_to(tmp_path / "folder").as_posix() for path in (tmp_path / "folder").rglob("*")}
    assert found == {"good.txt", "copy.txt", "out", "out/file.txt"}
    assert (tmp_path / "folder" / "copy.txt").read_bytes() == b"good"
    assert not any(path.is_symlink() for path in (tmp_path / "folder").rglob("*"))


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    noise = hashlib.sha256(b"x").digest() * 400
    whole = bytearray(ARCHIVES[name]({"a.txt": noise, "b.txt": noise[::-1]}))
    if damage == "flipped" and name == "a.tar":
        pytest.skip("a tar without compression has no checksum of its contents")
    middle = len(whole) // 2
    whole[middle] ^= 255
    content = {"cut": bytes(whole[:middle]), "flipped": bytes(whole), "text": b"<html>log in first</html>"}[damage]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: .*cannot be unpacked \(.*download or copy it again") as caught:
        unpack(tmp_path / name, tmp_path / "folder", MOST)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [("x", "x/y"), ("x/y", "x")])
def test_a_member_in_the_way_of_another_and_a_full_disk_have_their_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    with pytest.raises(InputError, match=r"x: cannot be written \((file exists|is a directory)\); remove or rename"):
        unpack(tmp_path / "a.zip", tmp_path / "folder", MOST)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); make room, then give the"):
        unpack(tmp_path / "a.zip", tmp_path / "other", MOST)


def test_zeros_are_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(10240))
    with pytest.raises(InputError, match="no archive, or an empty one: there is no file in it; download"):
        unpack(tmp_path / "a.tar", tmp_path / "folder", MOST)


def with_sparse_member() -> bytes:
    """A tar whose only member has a hole of 100 bytes, as GNU tar writes one (POSIX format 0.1)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("holes.txt")
        info.pax_headers = {"GNU.sparse.map": "100,1", "GNU.sparse.size": "101", "GNU.sparse.numblocks": "1"}
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    return buffer.getvalue()


def with_a_long_header() -> bytes:
    """A tar whose first header says that the next member's name has 4 GiB, of which not one byte is stored."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))


def links(count: int) -> bytes:
    return tarred({"good.txt": bytes(1000), **{f"{n}.txt=good.txt": None for n in range(count)}})


def without_text() -> bytes:
    return zipped({"good.txt": b"x", "é.txt": b"x"}).replace("é".encode(), b"\x91\xab")


def without_a_name() -> bytes:
    return zipped({"good.txt": b"x", "bad.txt": b"x"}).replace(b"bad.txt", b"\0ad.txt")


BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zip": (
        "a.zip",
        lambda: zipped({"a.txt": bytes(9_000_000), "b.txt": bytes(2_000_000)}),
        "more than the 10,000,000",
    ),
    "tar": (
        "a.tgz",
        lambda: tarred({"a.txt": bytes(9_000_000), "b.txt": bytes(2_000_000)}),
        "more than the 10,000,000",
    ),
    "sparse": ("a.tar", with_sparse_member, "'holes.txt' is sparse"),
    "long header": ("a.tgz", with_a_long_header, "a header of 4,294,967"),
    "itself": ("a.zip", lambda: zipped({"good.txt": b"x", "./A.ZIP": b"x"}), "would be written over itself"),
    "nameless": ("a.zip", without_a_name, "has a member without a name"),
    "no text": ("a.zip", without_text, "cannot be unpacked"),
    "its mark": ("a.zip", lambda: zipped({"a.zip.unpacked": b"x"}), "would be written over itself"),
}


@pytest.mark.parametrize(("name", "made", "says"), BOMBS.values(), ids=BOMBS)
def test_an_archive_that_is_too_much_is_refused_whole(
    tmp_path: Path, name: str, made: Callable[[], bytes], says: str
) -> None:
    (tmp_path / name).write_bytes(made())
    tracemalloc.start()
    with pytest.raises(InputError, match=f"{name}: .*{says}") as caught:
        unpack(tmp_path / name, tmp_path, MOST)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == [name]


def test_what_an_archive_does_not_say_is_counted_as_it_comes(tmp_path: Path) -> None:
    """A link has no size, and its copy has that of what it leads to."""
    (tmp_path / "a.tgz").write_bytes(links(9))
    assert unpack(tmp_path / "a.tgz", tmp_path / "folder", 10_000).files == 10
    (tmp_path / "a.tgz").write_bytes(links(10))
    with pytest.raises(InputError, match=r"more than the 10,000 bytes .* delete what was unpacked of it"):
        unpack(tmp_path / "a.tgz", tmp_path / "folder", 10_000)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 3)
    for name, made in (("a.zip", zipped), ("a.tar", tarred)):
        (tmp_path / name).write_bytes(made({f"{n}.txt": b"" for n in range(4)}))
        with pytest.raises(InputError, match="has more than 3 members"):
            unpack(tmp_path / name, tmp_path / "folder", MOST)


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_that_never_ends_is_cut_off(site: Site, fetch: Fetch, tmp_path: Path, sized: bool) -> None:
    site.sized = sized
    status, _, err = fetch(entry(site, bytes=None, sha256=None, most=1000))
    assert status == 1
    assert f"has {len(CONTENT)} bytes but the card says 1000 at most" in err if sized else "more than the 1000" in err
    assert not list((tmp_path / "root" / "data").glob("*.bin*"))


def test_a_server_that_sends_more_than_it_says_is_cut_off(site: Site, fetch: Fetch) -> None:
    site.sized = False
    status, _, err = fetch(entry(site, bytes=1000, sha256=None))
    assert status == 1 and "sends more than the 1000 bytes that it may have" in err


def test_a_server_that_crawls_is_given_up(
    site: Site, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "SLOWEST", (0.0, 1 << 40))
    status, _, err = fetch(entry(site))
    assert status == 1 and " bytes came in 0 seconds" in err
    assert not target(tmp_path).exists()


def test_a_few_bytes_at_each_attempt_do_not_go_on_for_ever(site: Site, fetch: Fetch) -> None:
    site.cuts = [1] * 100
    status, _, err = fetch(entry(site))
    assert status == 1 and f"cut off after {downloads.TRIES} bytes" in err


@pytest.mark.parametrize("leads_to", ["http://example.org/a.bin", "file:///etc/passwd", "ftp://x/a"])
def test_an_address_that_leads_to_another_scheme_is_not_followed(
    site: Site, fetch: Fetch, tmp_path: Path, leads_to: str
) -> None:
    site.leads_to = leads_to
    status, _, err = fetch(entry(site))
    assert status == 1 and re.search("leads to an address that begins with|is not allowed", err)
    assert not target(tmp_path).exists()
    site.leads_to = f"{site.address}/b.bin"
    site.files["/b.bin"] = CONTENT
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)


def test_headers_that_no_server_sends_are_no_traceback(site: Site, fetch: Fetch, tmp_path: Path) -> None:
    site.etag, site.cuts, site.length = "\x1b]0;x\xff", [5000], "many"
    assert fetch(entry(site))[0] == 0
    assert_whole(tmp_path)


def test_an_archive_that_was_not_unpacked_to_its_end_is_unpacked_again(
    site: Site, fetch: Fetch, tmp_path: Path
) -> None:
    site.files["/a.zip"] = zipped(FILES)
    folder = tmp_path / "root"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "1.txt").write_bytes(b"o")
    (folder / "a.zip").write_bytes(site.files["/a.zip"])
    file = entry(site, url=f"{site.address}/a.zip", path="a.zip", unpack=True, bytes=None, sha256=None)
    assert fetch(file)[0] == 0
    assert (folder / "train" / "1.txt").read_bytes() == b"one" and not site.asked


# Cards


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"title": None}, "title: None is not a text"),
        ({"colour": "red"}, "colour is not a key of a card; the keys are title"),
        ({"notes": "one"}, "notes: 'one' is not a list"),
        ({"published": [{"split": "val"}]}, "published[0].variant is missing"),
        ({"published": [{"split": 1, "variant": 2019, "images": "many", "instances": 1, "source": "x"}]}, "'many'"),
        (
            {"files": [{"url": "ftp://x/a", "path": "a", "bytes": 1, "sha256": None, "unpack": False, "most": 9}]},
            "web address",
        ),
        (
            {
                "files": [
                    {"url": "https://x/a", "path": "../a", "bytes": 1, "sha256": None, "unpack": True, "most": 9}
                ]
            },
            "inside",
        ),
        (
            {"files": [{"url": "https://x/a", "path": "a", "bytes": 1, "sha256": "12", "unpack": True, "most": 9}]},
            "64 hex digits",
        ),
        (
            {"files": [{"url": "https://x/a", "path": "a", "bytes": -1, "sha256": None, "unpack": True, "most": 9}]},
            "files[0].bytes",
        ),
        (
            {"files": [{"url": "https://x/a", "path": "a", "bytes": 1, "sha256": None, "unpack": 1, "most": 9}]},
            "neither true",
        ),
    ],
)
def test_a_malformed_card_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], problem: str
) -> None:
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    write_card(tmp_path, "mine", **changes)
    with pytest.raises(InputError) as caught:
        cards.load_card("mine")
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}: ") and problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"), [("title: [", "not valid YAML"), ("- a", "is not a mapping"), ("", "is mis")]
)
def test_a_card_that_is_no_card_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        cards.load_card("mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", cards.card_names())
def test_every_card_can_be_read(name: str) -> None:
    card = cards.load_card(name)
    assert card.name == name and card.tree
    places = [file.place(Path("root")) for file in card.files]
    assert len(places) == len(set(places))
