"""Bodies as they were before they were compressed, and never more of them than asked for."""

from __future__ import annotations

import gzip
import sys
import zlib

import brotli
import pytest

from strangler.comparison.response import DECODED, Response, TooLarge, Undecodable, decoded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WIDE: dict[int, int] = {zstd.CompressionParameter.window_log: 24, zstd.CompressionParameter.content_size_flag: 0}
"""A window that a browser would refuse."""

TEXT = b'{"name": "Grand Piano", "price": "1999.00"}' * 50


def response(body: bytes, *codings: bytes) -> Response:
    return Response(200, tuple((b"Content-Encoding", coding) for coding in codings), body)


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(TEXT, mtime=0)),
        (b"x-gzip", gzip.compress(TEXT, mtime=0)),
        (b"GZIP ", gzip.compress(TEXT, mtime=0)),
        (b"gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        (b"deflate", zlib.compress(TEXT)),
        (b"deflate", raw_deflate(TEXT)),
        (b"br", brotli.compress(TEXT)),
        (b"zstd", zstd.compress(TEXT)),
        (b"zstd", zstd.compress(TEXT[:100]) + zstd.compress(TEXT[100:])),
        (b"identity", TEXT),
        (b"br, gzip", gzip.compress(brotli.compress(TEXT), mtime=0)),
    ],
)
def test_a_body_is_what_it_was_before_it_was_compressed(coding: bytes, body: bytes) -> None:
    assert decoded(response(body, coding)).body == TEXT


def test_the_coding_is_gone_once_it_is_undone() -> None:
    found = decoded(Response(200, ((b"content-encoding", b"gzip"), (b"etag", b"1")), gzip.compress(b"a", mtime=0)))
    assert found == Response(200, ((b"etag", b"1"),), b"a")


def test_codings_in_headers_of_their_own_are_undone_in_reverse() -> None:
    assert decoded(response(gzip.compress(zlib.compress(TEXT), mtime=0), b"deflate", b"gzip")).body == TEXT


@pytest.mark.parametrize("coding", DECODED)
def test_a_coding_without_a_body_is_the_answer_to_a_head(coding: bytes) -> None:
    assert decoded(response(b"", coding)).body == b""


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        (b"gzip", TEXT, "is not gzip"),
        (b"gzip", gzip.compress(b"", mtime=0) * 101, "more than 100 members"),
        (b"gzip", gzip.compress(TEXT, mtime=0)[:-4], "gzip body ends early"),
        (b"deflate", b"\xff" * 20, "is not deflate"),
        (b"br", b"\xff" * 20, "is not br"),
        (b"br", brotli.compress(TEXT)[:-4], "br body ends early"),
        (b"zstd", TEXT, "is not zstd"),
        (b"zstd", zstd.compress(TEXT)[:-4], "zstd body ends early"),
        (b"zstd", zstd.compress(b"") * 101, "more than 100 frames"),
        (b"zstd", zstd.compress(TEXT * 20_000, options=WIDE), "too much memory"),
        (b"compress", TEXT, "'compress' is not understood"),
        (b"utf-8", TEXT, "'utf-8' is not understood"),
    ],
)
def test_a_body_that_is_not_what_it_says(coding: bytes, body: bytes, message: str) -> None:
    with pytest.raises(Undecodable, match=message):
        decoded(response(body, coding))


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(bytes(10_000_000), mtime=0)),
        (b"deflate", zlib.compress(bytes(10_000_000))),
        (b"br", brotli.compress(bytes(10_000_000))),
        (b"zstd", zstd.compress(bytes(10_000_000))),
        (b"gzip, gzip", gzip.compress(gzip.compress(bytes(10_000_000), mtime=0), mtime=0)),
        (b"identity", bytes(10_000_000)),
    ],
)
def test_a_body_that_grows_beyond_the_bound_is_given_up(coding: bytes, body: bytes) -> None:
    with pytest.raises(TooLarge):
        decoded(response(body, coding), most=1_000_000)
    assert len(decoded(response(body, coding), most=10_000_000).body) == 10_000_000
