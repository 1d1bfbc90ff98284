"""One safetensors file with a JSON header: what models and checkpoints are kept in.

Layout: 8 bytes little-endian, the header's length; the header, JSON; the tensors' bytes. The
header's `__metadata__` holds two entries: `catena`, a JSON object of ours, and `sha256`, the digest
of that object's text and of the tensors, so that no damage goes unnoticed. Nothing in the file is
code, and nothing is allocated that the file's own size does not justify.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from catena.errors import CatenaError

MAGIC, DIGEST = "catena", "sha256"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file at once, or leave it as it was: a reader never sees half of it.

    Raises:
        CatenaError: when the folder is missing, the disk is full or writing is not allowed.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise CatenaError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CatenaError(
                f"{path}: cannot be written: {error.strerror}; what was there before is unharmed"
            ) from error
        raise


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts to one file, atomically."""
    # Copies, because safetensors refuses two tensors in the same memory, as tied weights are; and
    # ASCII, because a half of a surrogate pair, which a vocabulary may hold, has no UTF-8.
    solid = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(facts)
    write_atomically(path, to_bytes(solid, {MAGIC: text, DIGEST: _digest(text, solid)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a file.

    Raises:
        CatenaError: when the file is missing, damaged, cut short or not catena's.
    """
    facts = read_facts(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CatenaError(f"{path}: damaged or cut short: {error}") from error
    if metadata.get(DIGEST) != _digest(metadata[MAGIC], tensors):
        raise CatenaError(f"{path}: damaged: its content is not what was written")
    return tensors, facts


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a file without its tensors."""
    if not path.is_file():
        raise CatenaError(f"{path}: there is no such file")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CatenaError(
            f"{path}: not a catena file, or damaged or cut short ({error})"
        ) from error
    if MAGIC not in metadata:
        raise CatenaError(f"{path}: a safetensors file, but not one that catena wrote")
    try:
        facts = json.loads(metadata[MAGIC])
    except (json.JSONDecodeError, RecursionError) as error:
        raise CatenaError(f"{path}: damaged: its description is not JSON ({error})") from error
    if not isinstance(facts, dict):
        raise CatenaError(f"{path}: damaged: its description is not a JSON object")
    return facts


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors agree in dtype, shape and every bit, NaN included."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if not a.numel():
        return True
    return torch.equal(_bytes(a), _bytes(b))


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Of the facts' text, then of each tensor in the order of names: what it is, and its bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        # A line break ends each part, so that nothing can move from one into the next.
        digest.update(f"\n{name!r} {tensor.dtype} {list(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(memoryview(_bytes(tensor).numpy()))  # pyright: ignore[reportArgumentType]
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Tensor:
    """`[size]` uint8: the memory of a tensor that is not empty."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
