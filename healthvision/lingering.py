"""Closing a connection so that the last answer arrives although its reader is still sending: RFC 9112 section 9.6.

A socket that is closed with bytes unread resets the connection, and the reset can overtake the answer: whoever sent too
much would not learn so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class LingeringTransport:
    """A TCP transport whose ``close``, while ``is_sending`` says so, ends our direction and leaves theirs open.

    It is closed for good when the other side is, or after ``patience_s``. What still comes is the protocol's to drop:
    ``is_closing`` is true from the start. TLS has no half: there ``close`` closes.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        is_sending: Callable[[], bool],
        patience_s: float,
    ) -> None:
        self._transport = transport
        self._is_sending = is_sending
        self._patience_s = patience_s
        self._end: asyncio.TimerHandle | None = None
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.abort = transport.abort

    def is_closing(self) -> bool:
        return self._end is not None or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not (self._is_sending() and self._transport.can_write_eof()):
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(self._patience_s, self._transport.abort)

    def lost(self) -> None:
        """The connection is no more."""
        if self._end is not None:
            self._end.cancel()
