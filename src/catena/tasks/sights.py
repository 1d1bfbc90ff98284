"""What captions are of, as sequences: pictures from files or arrays, or features."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.sequences import Sequences, as_tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PICTURES = "[n, height, width, 3] of bytes"
FEATURES = "[n, d] or [n, regions, d] of numbers"


def is_pictures(sources: Any) -> bool:
    """Whether sources are pictures, in files or as an array of bytes; otherwise they are features.

    Raises:
        CatenaError: for what is neither.
    """
    if isinstance(sources, Sequences):
        return False
    if isinstance(sources, (str, Path)):
        raise CatenaError(f"give a list of pictures, not one name: [{str(sources)!r}]")
    if isinstance(sources, (np.ndarray, Tensor)):
        return sources.ndim == 4
    sources = list(sources)
    if sources and all(isinstance(one, (str, Path)) for one in sources):
        return True
    if sources and all(isinstance(one, (np.ndarray, Tensor)) for one in sources):
        return False
    raise CatenaError(
        f"captions are of picture files, of pictures {PICTURES}, or of features {FEATURES}, or a "
        "list of arrays [regions, d]"
    )


def pictures_as_sequences(sources: Any, size: int) -> Sequences:
    """Pictures `[n · size, size, 3]` of bytes: each a sequence of its rows.

    Raises:
        CatenaError: for an array of other things, and a file that cannot be decoded.
    """
    if isinstance(sources, (np.ndarray, Tensor)):
        scaled = _scaled(_checked(as_tensor(sources)), size)
    else:
        scaled = torch.from_numpy(read_pictures(sources, size))
    lengths = torch.full((len(scaled),), size, dtype=torch.int64)
    return Sequences(scaled.reshape(-1, size, 3), lengths)


def read_pictures(paths: Iterable[str | Path], size: int) -> np.ndarray:
    """The pictures of files, scaled: `[n, size, size, 3]` bytes.

    Raises:
        CatenaError: as `read_picture` does; its `sequence` is the number of the file.
    """
    found: list[Tensor] = []
    for number, path in enumerate(paths):
        try:
            found.append(_scaled(torch.from_numpy(read_picture(path))[None], size))
        except CatenaError as error:
            raise CatenaError(str(error), sequence=number) from error
    return torch.cat([torch.zeros((0, size, size, 3), dtype=torch.uint8), *found]).numpy()


def features_as_sequences(sources: Any) -> Sequences:
    """Features `[total, d]` of n sources, float32.

    Raises:
        CatenaError: for an array of another shape, and for numbers that are not finite.
    """
    found = sources if isinstance(sources, Sequences) else _regions(sources)
    if len(found.event) != 1 or not found.event[0] or found.values.is_complex():
        raise CatenaError(f"features are {FEATURES}, not {found}")
    values = found.values.float()
    if not bool(values.isfinite().all()):
        place = int((~values.isfinite().all(1)).nonzero()[0])
        row = int(torch.searchsorted(found.offsets, place, right=True)) - 1
        raise CatenaError(f"features {row + 1}: a number is not finite", sequence=row)
    return found.with_values(values)


def read_picture(path: str | Path) -> np.ndarray:
    """The picture of a file, `[height, width, 3]` bytes, the first where there are several; what
    shines through is white.

    Raises:
        CatenaError: where Pillow is not installed, and when the file cannot be read or decoded.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise CatenaError("reading pictures needs Pillow: pip install 'catena[caption]'") from error
    try:
        with Image.open(path) as image:
            whole = _of_bytes(image).convert("RGBA")
    except UnidentifiedImageError as error:
        raise CatenaError(f"{path}: not a picture that can be decoded") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        told = getattr(error, "strerror", None) or error
        raise CatenaError(f"{path}: the picture cannot be read: {told}") from error
    flat = Image.new("RGBA", whole.size, "white")
    flat.alpha_composite(whole)
    return np.array(flat.convert("RGB"))


def _of_bytes(image: Picture) -> Picture:
    """A picture of more than a byte a pixel as one of bytes, which Pillow would cut off at white.

    Raises:
        ValueError: where nobody knows what number is white.
    """
    from PIL.Image import fromarray

    if image.mode[0] not in "IF":
        return image
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() >= 1 << 16:
        raise ValueError("its numbers have 32 bits, and none is known to be white; save it with 16")
    return fromarray((grey >> 8).astype(np.uint8))


def _checked(pixels: Tensor) -> Tensor:
    """An array of pictures, if that is what it is."""
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[3] != 3:
        kind = str(pixels.dtype).removeprefix("torch.")
        raise CatenaError(f"pictures are {PICTURES}, not {tuple(pixels.shape)} of {kind}")
    if 0 in pixels.shape[1:3]:
        raise CatenaError(f"pictures of shape {tuple(pixels.shape)} have no pixels")
    return pixels


def _scaled(pixels: Tensor, size: int) -> Tensor:
    """Pictures `[n, height, width, 3]` as `[n, size, size, 3]`."""
    if not len(pixels):
        return pixels.new_zeros((0, size, size, 3))
    if pixels.shape[1:3] == (size, size):
        return pixels
    channels = pixels.permute(0, 3, 1, 2).float()
    scaled = torch.nn.functional.interpolate(
        channels, (size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _regions(sources: Any) -> Sequences:
    if not isinstance(sources, (np.ndarray, Tensor)):
        return Sequences.from_list(sources)
    array = as_tensor(sources)
    if array.dim() not in (2, 3):
        raise CatenaError(f"features are {FEATURES}, not {tuple(array.shape)}")
    regions = array[:, None] if array.dim() == 2 else array
    lengths = torch.full((len(regions),), regions.shape[1], dtype=torch.int64)
    return Sequences(regions.reshape(-1, regions.shape[2]), lengths)
