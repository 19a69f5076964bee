"""Recognise text in page images with PP-OCRv6, offline, in English and Chinese (rapidocr on onnxruntime)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from ingest.readers.images.recognized_page import (
    GrayImage,
    Quad,
    RecognizedLine,
    RecognizedPage,
    Recognizer,
    estimate_skew,
    line_boxes,
)
from kgrag.errors import ReadError
from kgrag.models.device import is_installed, usable_cores

OCR_ADVICE = "install it with `pip install 'kgrag[ocr]'`"
MIN_CONFIDENCE = 0.7
"""Lines below it are left out: on blurred and noisy pages, about half of their characters were wrong."""
MIN_UPRIGHT_CONFIDENCE = 0.8
"""Mean confidence of the longest lines below which the page is tried upside down."""
DETECTION_SIDE = 1040
"""Longest side of the image in which lines are found, in pixels: 11 pixels for a line of 10 points on A4."""
MIN_LINE_PIXELS = 9
"""Median height of lines found below which they are searched again in twice the size."""
MAX_WINDOW_SHAPE = 2.5
"""Height of an image, in widths, above which it is recognised in parts, such as the screenshot of a long page."""
LINE_HEIGHT = 48
"""Height of the model's input, in pixels."""
LINE_STRETCH = 0.8
"""Width of a line in the model's input, relative to its shape; time grows with it, and at 0.6 errors, to 1.4 %."""
WIDE_STRETCH = 1.2
WIDE_CONFIDENCE = 0.975
"""Lines below it are recognised again, wider: in dense ones, the model loses one of two equal letters."""
MAX_LINE_SHAPE = 80
"""Width of a line, in heights, above which it is squeezed further."""
SAMPLE_LINES = 5
ColorImage: TypeAlias = GrayImage
"""(height, width, 3)."""
Reading: TypeAlias = tuple[str, float]
"""Text of a line, and its confidence."""


def find_recognizer() -> Recognizer | None:
    """Return the recogniser of text in images, or None if the extra ``ocr`` is not installed."""
    return recognize if is_installed("rapidocr") else None


def recognize(image: GrayImage) -> RecognizedPage:
    """Return the lines of text in an image (height, width), which may be turned by any multiple of 90 degrees."""
    import numpy as np

    boxes = _find_boxes(image)
    turn = 0
    if _is_sideways(boxes):
        image, turn = np.ascontiguousarray(np.rot90(image, -1)), 1
        boxes = _find_boxes(image)
    if not boxes:
        return RecognizedPage([])
    found = _recognize_lines(image, boxes)
    if _is_upside_down(image, boxes, found):
        image, turn = np.ascontiguousarray(np.rot90(image, 2)), turn + 2
        boxes = _find_boxes(image)
        found = _recognize_lines(image, boxes)
    skew = estimate_skew(boxes)
    height, width = image.shape
    lines, dropped_count = [], 0
    for (text, confidence), box in zip(found, line_boxes(boxes, skew, width, height), strict=True):
        if confidence >= MIN_CONFIDENCE:
            lines.append(RecognizedLine(text, box, confidence))
        elif text.strip():
            dropped_count += 1
    return RecognizedPage(lines, skew, turn, dropped_count)


@cache
def _engine() -> Any:
    """Load the models from the package's own files, once per process; nothing is downloaded.

    Raises:
        ReadError: a library of the extra cannot be imported.
    """
    try:
        import cv2
        import onnxruntime  # noqa: F401
        import rapidocr
    except ImportError as error:
        raise ReadError(
            f"expected the libraries for text recognition (OCR), found none that work ({error}): {OCR_ADVICE}"
        ) from error
    cv2.setNumThreads(1)
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_cls": False,
            "Global.max_side_len": 4 * DETECTION_SIDE,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Det.limit_type": "max",
            "Det.limit_side_len": 4 * DETECTION_SIDE,
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            # lines are spread over threads here: threads inside the model spend half of their time waiting
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that recognise lines: one per core, or as many as OMP_NUM_THREADS says, as in workers."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return ThreadPoolExecutor(int(limit) if limit.isdigit() and int(limit) else usable_cores())


def _find_boxes(image: GrayImage) -> list[Quad]:
    """Return the corners of the lines in an image, clockwise from the upper left one."""
    import numpy as np

    boxes: list[Quad] = []
    for top, bottom in pairwise(_window_edges(image)):
        window = image[top:bottom]
        found, line_pixels = _detect(window, DETECTION_SIDE)
        if found and line_pixels < MIN_LINE_PIXELS and max(window.shape) > DETECTION_SIDE:
            found, _ = _detect(window, 2 * DETECTION_SIDE)
        boxes += [quad + np.array((0, top), dtype=np.float32) for quad in found]
    return boxes


def _window_edges(image: GrayImage) -> list[int]:
    """Return the upper edges of the parts of a tall image and its lower edge; cuts lie where rows are blank."""
    height, width = image.shape
    edges = [0]
    size = round(MAX_WINDOW_SHAPE * width)
    while height - edges[-1] > size:
        first = edges[-1] + size // 2
        edges.append(first + int(image[first : edges[-1] + size].std(axis=1).argmin()))
    return [*edges, height]


def _detect(image: GrayImage, side: int) -> tuple[list[Quad], float]:
    """Return the lines in an image scaled to a longest side, and their median height in the scaled image."""
    import cv2
    import numpy as np

    scale = min(2.0, side / max(image.shape))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    found = _engine()(cv2.cvtColor(scaled, cv2.COLOR_GRAY2BGR), use_rec=False).boxes
    if found is None or not len(found):
        return [], 0.0
    boxes = np.asarray(found, dtype=np.float32)
    heights = np.minimum(
        np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1), np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    )
    return list(boxes / scale), float(np.median(heights))


def _is_sideways(boxes: Sequence[Quad]) -> bool:
    """Whether most of the text, by length, runs up or down the image."""
    import numpy as np

    sizes = [(float(np.linalg.norm(box[1] - box[0])), float(np.linalg.norm(box[3] - box[0]))) for box in boxes]
    tall = sum(height for width, height in sizes if height > 1.5 * width)
    return tall > sum(width for width, height in sizes if height <= 1.5 * width)


def _is_upside_down(image: GrayImage, boxes: Sequence[Quad], found: Sequence[Reading]) -> bool:
    """Whether the longest lines, if read with a low confidence, are read with a higher one after half a turn."""
    import numpy as np

    longest = sorted(range(len(boxes)), key=lambda number: -float(np.linalg.norm(boxes[number][1] - boxes[number][0])))
    longest = longest[:SAMPLE_LINES]
    upright = sum(found[number][1] for number in longest) / len(longest)
    if upright >= MIN_UPRIGHT_CONFIDENCE:
        return False
    turned = _recognize_lines(image, [np.roll(boxes[number], 2, axis=0) for number in longest])
    return sum(confidence for _, confidence in turned) / len(longest) > upright


def _crop(image: GrayImage, box: Quad, stretch: float) -> ColorImage:
    """Cut out a line, level it, and scale it to the model's input."""
    import cv2
    import numpy as np

    width = max(float(np.linalg.norm(box[1] - box[0])), 1.0)
    height = max(float(np.linalg.norm(box[3] - box[0])), 1.0)
    target_width = max(LINE_HEIGHT // 4, round(LINE_HEIGHT * stretch * min(width / height, MAX_LINE_SHAPE)))
    # first in its own size: an interpolation that shrinks while it turns would skip pixels
    size = max(round(width), 1), max(round(height), 1)
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(box, dtype=np.float32), target)
    line = cv2.warpPerspective(image, matrix, size, borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    method = cv2.INTER_AREA if size[1] > LINE_HEIGHT else cv2.INTER_CUBIC
    line = cv2.resize(line, (target_width, LINE_HEIGHT), interpolation=method)
    return np.asarray(cv2.cvtColor(line, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def _recognize_lines(image: GrayImage, boxes: Sequence[Quad]) -> list[Reading]:
    """Return the text and the confidence of each line."""

    def read(box: Quad) -> Reading:
        found = read_crop(_crop(image, box, LINE_STRETCH))
        if found[1] >= WIDE_CONFIDENCE:
            return found
        return max(found, read_crop(_crop(image, box, WIDE_STRETCH)), key=lambda reading: reading[1])

    def read_crop(crop: ColorImage) -> Reading:
        result = _engine().recognize_txt([crop])
        return result.txts[0], float(result.scores[0])

    return list(_threads().map(read, boxes))
