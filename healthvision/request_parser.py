"""httptools' request parser, for a server that stays with HTTP/1.1: an offer to upgrade is let lie, the request is not.

RFC 9110 section 7.8 lets a server ignore ``Upgrade``. httptools instead ends such a request at its head, and whatever
body follows is lost or taken for the next request. Every JDK's HttpClient offers ``h2c`` with each request of its first
connection (https://github.com/Kludex/uvicorn/issues/2722).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PlainParser:
    """Parses for a protocol that does nothing between ``on_message_begin`` and its end while ``should_upgrade``.

    A request that offers an upgrade is parsed twice: as it came, and from the end of its head on again without the
    offer. CONNECT is no offer but a method: it is left to end at its head.
    """

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self._parser = httptools.HttpRequestParser(protocol)
        # uvicorn's own choice: what comes after a request that ends the connection is no error.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: bytes) -> None:
        """Takes bytes in.

        Raises:
            httptools.HttpParserError: they are no HTTP/1.1.
            httptools.HttpParserUpgrade: the method is CONNECT.
        """
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._parser.get_method() == b"CONNECT":
                    raise
                data = self._head_without_offer() + data[offer.args[0] :]
            else:
                return

    def _head_without_offer(self) -> bytes:
        protocol = self._protocol
        lines = [
            b"%b %b HTTP/%b"
            % (self._parser.get_method(), protocol.url, self._parser.get_http_version().encode()),
            *(b"%b: %b" % (name, value) for name, value in protocol.headers if name != b"upgrade"),
        ]
        return b"\r\n".join([*lines, b"", b""])

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        return self._parser.should_upgrade()
