"""How large an image may become, checked from its header before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from imaging.errors import CorruptImage, ImageTooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on decoding. The defaults admit a 4,000-slice CT volume and the largest mammogram."""

    max_frame_pixels: int = 256 * 1024 * 1024
    """Rows times columns of one frame."""
    max_decoded_bytes: int = 4 * 1024**3
    """All frames that one call decodes, as stored values."""
    max_expansion: int = 1000
    """Decoded bytes for one encoded byte, above ``expansion_floor_bytes`` (a black frame compresses well)."""
    expansion_floor_bytes: int = 256 * 1024 * 1024


def check_size(
    limits: Limits,
    *,
    rows: int,
    columns: int,
    frames: int,
    bytes_per_pixel: int,
    encoded_bytes: int,
) -> None:
    """Checks what decoding would need.

    ``bytes_per_pixel`` counts all samples. ``encoded_bytes`` is what the pixels take in the file.

    Raises:
        CorruptImage: no rows, columns or frames.
        ImageTooLarge: past a limit, or a decompression bomb.
    """
    if rows < 1 or columns < 1 or frames < 1:
        raise CorruptImage(f"the image says it has {rows} rows, {columns} columns, {frames} frames")
    if rows * columns > limits.max_frame_pixels:
        raise ImageTooLarge(
            f"a frame of {columns}x{rows} pixels is past the limit of {limits.max_frame_pixels} pixels"
        )
    decoded = rows * columns * frames * bytes_per_pixel
    if decoded > limits.max_decoded_bytes:
        raise ImageTooLarge(
            f"{frames} frame(s) of {columns}x{rows} would take {decoded} bytes; "
            f"the limit is {limits.max_decoded_bytes}"
        )
    if decoded > limits.expansion_floor_bytes and decoded > encoded_bytes * limits.max_expansion:
        raise ImageTooLarge(
            f"{encoded_bytes} encoded bytes would become {decoded}: taken for a decompression bomb"
        )
