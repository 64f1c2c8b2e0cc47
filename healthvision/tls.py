"""HTTPS by the server itself, where no proxy ends it: TLS 1.2 and 1.3 with forward secrecy and authenticated encryption.

https://www.rfc-editor.org/rfc/rfc9325 (BCP 195), https://profiles.ihe.net/ITI/TF/Volume2/ITI-19.html
"""

from __future__ import annotations

import ssl
from typing import Final

from healthvision.settings import Settings

TLS12_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.3 are all of that kind."""


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """None where no certificate is set.

    Raises:
        OSError: a file cannot be read, or the two do not belong together (SSLError).
    """
    if settings.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return context
