"""multipart bodies as a stream: https://www.rfc-editor.org/rfc/rfc2046#section-5.1"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.dicomweb.accept import accepted
from imaging.dicomweb.errors import BadRequest
from imaging.dicomweb.multipart import MediaType, body_parts, closing, part_header


async def pieces(content: bytes, cuts: list[int]):
    start = 0
    for cut in sorted(cut % (len(content) + 1) for cut in cuts):
        yield content[start:cut]
        start = max(start, cut)
    yield content[start:]


async def collected(content: bytes, cuts: list[int], boundary: str = "b") -> list[bytes]:
    return [
        b"".join([chunk async for chunk in part.chunks])
        async for part in body_parts(pieces(content, cuts), boundary)
    ]


def multipart(parts: list[bytes], boundary: str = "b") -> bytes:
    head = part_header(boundary, {"Content-Type": "application/dicom"})
    return b"".join(head + part + b"\r\n" for part in parts) + closing(boundary)


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n--", b"--b", b"\r\n-", b"\r"]),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(0, 500), max_size=12),
)
async def test_parts_come_out_as_they_went_in_wherever_the_stream_is_cut(parts, cuts) -> None:
    assert await collected(multipart(parts), cuts) == parts


@given(st.integers(1, 60), st.lists(st.integers(0, 100), max_size=4))
async def test_a_body_cut_short_is_an_error(missing: int, cuts: list[int]) -> None:
    content = multipart([b"x" * 50])
    with pytest.raises(BadRequest):
        await collected(content[:-missing][: len(content) - max(missing, 4)], cuts)


@pytest.mark.parametrize(
    "content", [b"", b"no boundary at all", b"--other\r\n\r\nx\r\n--other--\r\n"]
)
async def test_what_is_no_multipart_is_an_error(content: bytes) -> None:
    with pytest.raises(BadRequest):
        await collected(content, [])


async def test_a_part_that_is_not_read_is_skipped() -> None:
    seen = [
        part.headers["content-type"]
        async for part in body_parts(pieces(multipart([b"a" * 1000, b"b"]), []), "b")
    ]
    assert seen == ["application/dicom", "application/dicom"]


async def test_too_many_headers_are_refused() -> None:
    headers = {f"X-{number}": "1" for number in range(100)}
    with pytest.raises(BadRequest):
        await collected(part_header("b", headers) + b"x\r\n" + closing("b"), [])


def test_quoted_parameters_are_read() -> None:
    media = MediaType.parse('multipart/related; type="application/dicom"; boundary="a b;c"')
    assert media.parameters == {"type": "application/dicom", "boundary": "a b;c"}


def test_accept_ranges_are_ordered_by_quality() -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1"""
    ranges = accepted('image/png;q=0.1, multipart/related; type="image/jp2,x"; q=0.9, */*;q=0')
    assert [(one.name, one.multipart) for one in ranges] == [
        ("image/jp2,x", True),
        ("image/png", False),
    ]
    assert accepted(None)[0].name == "*/*"
    assert accepted("image/png", ["image/jpeg"])[0].name == "image/jpeg"
