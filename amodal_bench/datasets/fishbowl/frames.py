"""FishBowl's frames: out of video files, or out of folders of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from amodal_bench.core.digests import stat_of
from amodal_bench.core.errors import InputError
from amodal_bench.core.files import is_regular
from amodal_bench.core.types import Image
from amodal_bench.datasets.reading.files import COPY_AGAIN, instead_of, read_image

FRAMES_KEPT = 8
"""Frames of the current video that are kept, so that going back a little does not decode it again."""


class Frames(Protocol):
    """Where the frames of a video come from; frame numbers start at 0."""

    def read(self, video: str, frame: int) -> Image:
        """One frame, (H, W, 3) uint8 RGB. Raises `InputError` where there is none."""
        ...

    def place(self, video: str) -> Path:
        """The file or folder of a video's frames."""
        ...

    def file(self, video: str, frame: int) -> Path:
        """The file that a frame is read from."""
        ...

    def numbers(self, video: str) -> list[int]:
        """The frames that there are, ascending. Raises `InputError` where the video cannot be opened."""
        ...


@dataclass
class _Clip:
    """A video file while it is decoded.

    Attributes:
        path: of the file.
        stamp: its size and time of modification as it was opened.
        capture: OpenCV's.
        next: the number of the next frame.
        kept: the last frames that were read.
    """

    path: Path
    stamp: str | None
    capture: Any
    next: int = 0
    kept: dict[int, Image] = field(default_factory=dict)


class VideoFrames:
    """Frames out of mp4 files, decoded forward only.

    Seeking is not used: whether it lands on the right frame depends on the file, and a clip of 128 frames mostly has
    one key frame, from which a seek would decode as well. A step back beyond the kept frames starts the file anew.

    Args:
        file_of: the file of a video.
    """

    def __init__(self, file_of: Callable[[str], Path]) -> None:
        self.place = file_of
        self._clip: _Clip | None = None

    def __getstate__(self) -> dict[str, object]:
        """The open video stays behind when a dataset travels to another process."""
        return vars(self) | {"_clip": None}

    def read(self, video: str, frame: int) -> Image:
        """One frame, (H, W, 3) uint8 RGB.

        Raises:
            InputError: the file is missing, is no video, or ends before this frame.
        """
        clip, stamp = self._clip, stat_of(self.place(video))
        if (
            clip is None
            or (clip.path, clip.stamp) != (self.place(video), stamp)
            or (frame < clip.next and frame not in clip.kept)
        ):
            clip = self._clip = _Clip(self.place(video), stamp, _opened(self.place(video)))
        while clip.next <= frame:
            wanted = clip.next > frame - FRAMES_KEPT
            done, pixels = clip.capture.read() if wanted else (clip.capture.grab(), None)
            if not done:
                self._clip = None
                problem = f"it ends after {clip.next} frames"
                raise InputError(clip.path, problem, COPY_AGAIN, f"frame {frame}")
            if pixels is not None:
                clip.kept[clip.next] = np.ascontiguousarray(pixels[..., ::-1])  # OpenCV gives BGR
                clip.kept.pop(clip.next - FRAMES_KEPT, None)
            clip.next += 1
        return clip.kept[frame].copy()

    def file(self, video: str, frame: int) -> Path:  # noqa: ARG002
        """The video: all its frames are in it."""
        return self.place(video)

    def numbers(self, video: str) -> list[int]:
        """The numbers of as many frames as the container says.

        Its frame rate is wrong (25 for a step of 1/30 s) and not used anywhere.
        """
        capture = _opened(self.place(video))
        try:
            return list(range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))))
        finally:
            capture.release()


class PictureFrames:
    """Frames out of `folder/<video>/<frame in five digits>.png`, numbered from 00000."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, video: str, frame: int) -> Image:
        """One frame, (H, W, 3) uint8 RGB. Raises `InputError` where its file cannot be read."""
        return read_image(self.file(video, frame))

    def place(self, video: str) -> Path:
        """The folder of a video's frames."""
        return self.folder / video

    def file(self, video: str, frame: int) -> Path:
        """The picture of a frame."""
        return self.place(video) / f"{frame:05d}.png"

    def numbers(self, video: str) -> list[int]:
        """The numbers of the files that there are. Raises `InputError` for a missing folder."""
        if not self.place(video).is_dir():
            raise InputError(self.place(video), "the folder of the frames does not exist", COPY_AGAIN)
        return sorted(int(file.stem) for file in self.place(video).glob("*.png") if file.stem.isdecimal())


def _opened(path: Path) -> Any:
    """An opened `cv2.VideoCapture`; one thread, for such small frames gain nothing by more."""
    if not is_regular(path):
        raise InputError(path, "no such file", "check the path, or download it")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        if found := instead_of(path):
            raise InputError(path, f"no video: it is {found.what}", found.remedy)
        raise InputError(path, "cannot be read as a video, or is cut short", COPY_AGAIN)
    return capture
