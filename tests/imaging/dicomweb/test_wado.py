"""WADO-RS: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.4.html"""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage

from imaging.archive.attributes import first, tag
from imaging.dicomweb.multipart import MediaType, body_parts
from imaging.formats import read
from tests.imaging.conftest import sample
from tests.imaging.uploads import series_of, upload

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = "1.2.840.10008.1.2.1"
COMPRESSED = [
    "MR_small_RLE.dcm",
    "RG3_J2KI.dcm",
    "JPEG-LL.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
]
OTHERWISE_ENCODED = [
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "SC_rgb_expb_16bit_2frame.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "liver_expb_1frame.dcm",
    "gdcm-US-ALOKA-16_big.dcm",
    "emri_small_big_endian.dcm",
    "rtdose_expb.dcm",
    "SC_rgb_expb_32bit.dcm",
    "OBXXXX1A_expb_2frame.dcm",
]


async def stored(archive, *contents: bytes) -> str:
    """The path of the study below the application."""
    done = await upload(archive, *contents)
    return f"/studies/{done.studies[0].study_instance_uid}"


async def stored_instance(archive, content: bytes) -> str:
    instance = (await upload(archive, content)).studies[0].instances[0]
    return f"/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.uid}"


async def parts_of(answer) -> list[tuple[MediaType, bytes]]:
    assert answer.status_code == 200, answer.text
    media = MediaType.parse(answer.headers["content-type"])
    assert media.name == "multipart/related"

    async def body():
        yield answer.content

    return [
        (part.content_type, b"".join([chunk async for chunk in part.chunks]))
        async for part in body_parts(body(), media.parameters["boundary"])
    ]


@pytest.mark.parametrize("name", COMPRESSED + OTHERWISE_ENCODED + ["CT_small.dcm", "reportsi.dcm"])
async def test_as_stored_means_byte_for_byte(web, archive, name: str) -> None:
    content = sample(name).read_bytes()
    path = await stored_instance(archive, content)
    [(media, found)] = await parts_of(await web.get(path, headers={"accept": AS_STORED}))
    assert found == content
    assert media.name == "application/dicom"
    assert (
        media.parameters["transfer-syntax"]
        == pydicom.dcmread(sample(name)).file_meta.TransferSyntaxUID
    )


@pytest.mark.parametrize("name", COMPRESSED + OTHERWISE_ENCODED + ["CT_small.dcm", "reportsi.dcm"])
@pytest.mark.parametrize(
    "accept", [None, 'multipart/related; type="application/dicom"', "multipart/related"]
)
async def test_the_default_is_explicit_little_endian_with_the_same_pixels(
    web, archive, name: str, accept: str | None
) -> None:
    """Table 8.7.3-2: the default transfer syntax is Explicit VR Little Endian."""
    path = await stored_instance(archive, sample(name).read_bytes())
    headers = {"accept": accept} if accept else {}
    [(media, found)] = await parts_of(await web.get(path, headers=headers))
    assert media.parameters["transfer-syntax"] == EXPLICIT
    dataset = pydicom.dcmread(io.BytesIO(found))
    assert dataset.file_meta.TransferSyntaxUID == EXPLICIT
    original = pydicom.dcmread(sample(name))
    assert dataset.SOPInstanceUID == original.SOPInstanceUID
    assert str(dataset.PatientName) == str(original.PatientName)
    if "Rows" in original:
        assert np.array_equal(read(found).pixels, read(sample(name)).pixels)


async def test_a_bare_instance_is_sent_where_it_is_asked_for(web, archive) -> None:
    content = sample("CT_small.dcm").read_bytes()
    path = await stored_instance(archive, content)
    answer = await web.get(path, headers={"accept": "application/dicom; transfer-syntax=*"})
    assert answer.content == content
    assert answer.headers["content-type"].startswith("application/dicom;")
    by_query = await web.get(path, params={"accept": "application/dicom; transfer-syntax=*"})
    assert by_query.content == content


async def test_a_study_and_a_series_come_with_all_instances(web, archive) -> None:
    path = await stored(archive, *series_of(4))
    whole = await parts_of(await web.get(path, headers={"accept": AS_STORED}))
    assert [content for _, content in whole] == series_of(4)
    [series] = (await web.get(path + "/series")).json()
    series_path = f"{path}/series/{first(series, 'SeriesInstanceUID')}"
    assert len(await parts_of(await web.get(series_path))) == 4


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90',
        "text/html",
    ],
)
async def test_what_cannot_be_made_is_not_acceptable(web, archive, accept: str) -> None:
    path = await stored_instance(archive, sample("CT_small.dcm").read_bytes())
    answer = await web.get(path, headers={"accept": accept})
    assert answer.status_code == 406
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_12_bit_jpeg_can_only_be_had_as_it_is(web, archive) -> None:
    content = sample("JPGExtended.dcm").read_bytes()
    path = await stored_instance(archive, content)
    assert (await web.get(path)).status_code == 406
    [(_, found)] = await parts_of(await web.get(path, headers={"accept": AS_STORED}))
    assert found == content


async def test_files_that_are_not_dicom_come_back_in_their_own_type(web, archive) -> None:
    target = io.BytesIO()
    PillowImage.new("L", (20, 10), 128).save(target, "PNG")
    path = await stored_instance(archive, target.getvalue())
    bare = await web.get(path, headers={"accept": "image/*"})
    assert (bare.headers["content-type"], bare.content) == ("image/png", target.getvalue())
    either = await web.get(path, headers={"accept": f"{AS_STORED}, */*;q=0.5"})
    assert either.content == target.getvalue()
    assert (await web.get(path, headers={"accept": AS_STORED})).status_code == 406
    [metadata] = (await web.get(path + "/metadata")).json()
    assert first(metadata, "Modality") == "OT"
    rendered = await web.get(path + "/rendered", headers={"accept": "image/png"})
    assert PillowImage.open(io.BytesIO(rendered.content)).size == (20, 10)


@pytest.mark.parametrize(
    "path", ["/studies/1.2", "/studies/1.2/series/1.3", "/studies/1/series/2/instances/3"]
)
async def test_what_is_not_there_is_404(web, path: str) -> None:
    for suffix in ("", "/metadata", "/thumbnail"):
        assert (await web.get(path + suffix)).status_code == 404


async def test_an_instance_is_not_found_under_another_study(web, archive) -> None:
    path = await stored_instance(archive, sample("CT_small.dcm").read_bytes())
    assert (await web.get(path.replace("/studies/1.", "/studies/2."))).status_code == 404


async def test_metadata_is_the_data_set_with_pixels_as_a_url(web, archive) -> None:
    path = await stored_instance(archive, sample("CT_small.dcm").read_bytes())
    [metadata] = (await web.get(path + "/metadata")).json()
    expected = pydicom.dcmread(sample("CT_small.dcm"), stop_before_pixels=True)
    found = pydicom.Dataset.from_json(metadata, lambda *_: b"")
    for element in expected:
        if element.VR not in {"SQ", "OB", "OW", "UN"} and element.tag.element != 0:
            same = str(found[element.tag].value) == str(element.value)
            assert same or found[element.tag].value == element.value, (
                element.tag
            )  # 0.0 and 0.000000
    url = metadata[tag("PixelData")]["BulkDataURI"]
    answer = await web.get(url, headers={"accept": "application/octet-stream"})
    assert answer.content == pydicom.dcmread(sample("CT_small.dcm")).PixelData


@pytest.mark.parametrize(
    "name",
    [
        "eCT_Supplemental.dcm",
        "liver.dcm",
        "RG1_J2KI.dcm",
        "examples_overlay.dcm",
    ],
)
async def test_every_bulk_data_uri_of_metadata_leads_somewhere(web, archive, name: str) -> None:
    content = sample(name).read_bytes()
    path = await stored_instance(archive, content)
    [metadata] = (await web.get(path + "/metadata")).json()
    uris = [value["BulkDataURI"] for value in metadata.values() if "BulkDataURI" in value]
    assert uris
    for uri in uris:
        assert (await web.get(uri)).status_code == 200
    assert (await web.get(path + "/bulkdata/00099999")).status_code == 404
    assert (await web.get(path + "/bulkdata/xyz")).status_code == 400


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("examples_ybr_color.dcm", "image/jpeg"),
        ("emri_small_jpeg_2k_lossless.dcm", "image/jp2"),
        ("emri_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("emri_small_RLE.dcm", "image/dicom-rle"),
    ],
)
async def test_frames_as_stored_are_code_streams_in_their_type(
    web, archive, name, media_type
) -> None:
    from pydicom.encaps import generate_frames

    dataset = pydicom.dcmread(sample(name))
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)))
    path = await stored_instance(archive, sample(name).read_bytes())
    for accept in (
        f'multipart/related; type="{media_type}"',
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    ):
        found = await parts_of(await web.get(path + "/frames/2,5", headers={"accept": accept}))
        assert [content for _, content in found] == [frames[1], frames[4]]
        assert found[0][0].name == media_type


@pytest.mark.parametrize(
    "name",
    ["rtdose.dcm", "emri_small_big_endian.dcm", "emri_small_RLE.dcm", "SC_rgb_rle_2frame.dcm"],
)
async def test_frames_uncompressed_are_little_endian_pixels(web, archive, name: str) -> None:
    path = await stored_instance(archive, sample(name).read_bytes())
    accept = {"accept": 'multipart/related; type="application/octet-stream"'}
    [(media, content)] = await parts_of(await web.get(path + "/frames/2", headers=accept))
    expected = read(sample(name), frame=1).pixels
    assert content == expected.astype(expected.dtype.newbyteorder("<")).tobytes()
    assert media.parameters["transfer-syntax"] == EXPLICIT


@pytest.mark.parametrize(
    ("frames", "status"), [("0", 404), ("16", 404), ("x", 400), ("1,,2", 400), ("-1", 400)]
)
async def test_frames_that_are_none(web, archive, frames: str, status: int) -> None:
    path = await stored_instance(archive, sample("rtdose.dcm").read_bytes())
    assert (await web.get(f"{path}/frames/{frames}")).status_code == status


async def rendered(web, path: str, **query: str) -> PillowImage.Image:
    answer = await web.get(path, params=query, headers={"accept": "image/png"})
    assert answer.status_code == 200, answer.text
    return PillowImage.open(io.BytesIO(answer.content))


async def test_rendered_is_what_display_shows(web, archive) -> None:
    content = sample("CT_small.dcm").read_bytes()
    path = await stored_instance(archive, content)
    picture = await rendered(web, path + "/rendered")
    assert np.array_equal(np.asarray(picture), np.rint(read(content).display() * 255))
    narrow = await rendered(web, path + "/rendered", window="40,80,linear-exact")
    values = read(content).modality_values()
    assert np.allclose(np.asarray(narrow), np.clip(values / 80, 0, 1) * 255, atol=1)


async def test_viewports_scale_and_crop(web, archive) -> None:
    path = await stored_instance(archive, sample("examples_rgb_color.dcm").read_bytes())
    assert (await rendered(web, path + "/rendered")).size == (320, 240)
    assert (await rendered(web, path + "/rendered", viewport="100,100")).size == (100, 75)
    cropped = await rendered(web, path + "/rendered", viewport="64,64,10,20,64,64")
    expected = read(sample("examples_rgb_color.dcm")).pixels[20:84, 10:74]
    assert np.array_equal(np.asarray(cropped), expected)


@pytest.mark.parametrize(
    "query",
    ["window=1", "window=a,b", "window=1,0", "window=1,2,cubic", "viewport=1", "viewport=0,5", "viewport=99999,5",
     "viewport=5,5,9999,0,5,5", "quality=0", "quality=x"],
)  # fmt: skip
async def test_renderings_that_cannot_be_are_refused(web, archive, query: str) -> None:
    path = await stored_instance(archive, sample("CT_small.dcm").read_bytes())
    assert (await web.get(f"{path}/rendered?{query}")).status_code == 400


async def test_a_frame_is_rendered_alone_and_thumbnails_are_small(web, archive) -> None:
    path = await stored_instance(archive, sample("examples_ybr_color.dcm").read_bytes())
    frame = await rendered(web, path + "/frames/7/rendered")
    assert np.array_equal(np.asarray(frame), read(sample("examples_ybr_color.dcm"), frame=6).pixels)
    study = path.split("/series/")[0]
    for where in (path, study, path.split("/instances/")[0], path + "/frames/2"):
        answer = await web.get(where + "/thumbnail")
        assert answer.headers["content-type"] == "image/jpeg"
        assert max(PillowImage.open(io.BytesIO(answer.content)).size) == 128
    assert (await web.get(path + "/rendered", headers={"accept": "text/html"})).status_code == 406


async def test_what_has_no_pixels_is_not_rendered(web, archive) -> None:
    path = await stored_instance(archive, sample("reportsi.dcm").read_bytes())
    assert (await web.get(path + "/rendered")).status_code == 404
    assert (await web.get(path + "/thumbnail")).status_code == 404
    assert (await web.get(path + "/frames/1")).status_code == 404


async def test_other_methods_and_paths_end_in_outcomes(web) -> None:
    for method, path, status in (("DELETE", "/studies/1.2", 405), ("GET", "/patients", 404)):
        answer = await web.request(method, path)
        assert answer.status_code == status
        assert answer.json()["resourceType"] == "OperationOutcome"
