"""The gateway's public keys: a JSON Web Key Set (RFC 7517) of a file or of a URL.

A set is read again after STRANGLER["KEYS_REFRESH"] seconds, and at once for a key that is not in it, but not more
often than every FLOOR seconds, so that made-up key names cause no calls. If the gateway can't be reached, the last
set stays.
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic

import jwt

from django_strangler.conf import options

FLOOR = 10.0
SET_BYTES = 262_144
TIMEOUT = 2.0

_log = logging.getLogger("django_strangler")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class GatewayKeys:
    """The key set at one place."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = -float("inf")
        self._lock = threading.Lock()

    def key(self, kid: str | None) -> jwt.PyJWK | None:
        """The key named `kid`, None if the gateway has no such key."""
        age = monotonic() - self._read_at
        if age > options().keys_refresh or (kid not in self._keys and age > FLOOR):
            self._read()
        return self._keys.get(kid)

    def _read(self) -> None:
        with self._lock:
            if monotonic() - self._read_at <= FLOOR:
                return
            try:
                document = json.loads(self._text())
                self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys}
            except (OSError, urllib.error.URLError, ValueError, jwt.PyJWTError) as error:
                _log.error("the gateway's keys at %s can't be read: %s", self._place, error)
            self._read_at = monotonic()

    def _text(self) -> bytes:
        if not self._place.startswith(("http://", "https://")):
            return Path(self._place).read_bytes()
        with _opener.open(self._place, timeout=TIMEOUT) as response:
            return bytes(response.read(SET_BYTES))


_sets: dict[str, GatewayKeys] = {}


def gateway_keys() -> GatewayKeys:
    """The key set that STRANGLER["KEYS"] names."""
    place = options().keys
    return _sets.setdefault(place, GatewayKeys(place))
