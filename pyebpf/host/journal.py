"""The journal of systemd: entries with fields, by its native protocol.

Source:  "Native Journal Protocol" of systemd's documentation, and ``systemd.journal-fields(7)``.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pyebpf.owner import Owner

#: Where it listens.
SOCKET = "/run/systemd/journal/socket"
_INFO = 6  # a priority, as of syslog


class Journal(Owner):
    """A connection to the journal.

    Args:
        identifier: what the entries are called: the program's name.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, identifier: str) -> None:
        self._identifier = identifier
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(SOCKET)
        except OSError as err:
            self._socket.close()
            raise OSError(err.errno, f"no journal of systemd: {err.strerror}", SOCKET) from None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def write(self, message: str, fields: Mapping[str, object]) -> None:
        """Write an entry.

        Args:
            message: its text.
            fields: others by their names: capital letters, digits and underscores.
        """
        entry = {
            "MESSAGE": message,
            "PRIORITY": _INFO,
            "SYSLOG_IDENTIFIER": self._identifier,
            **fields,
        }
        self._socket.send(b"".join(_field(name, str(value)) for name, value in entry.items()))


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if b"\n" in data:
        return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%b=%b\n" % (name.encode(), data)
