"""The ZIP itself: files that are written one after the other, handed on in pieces, with a manifest and a text for people."""

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from core.stored_files import PIECE_BYTES
from leads.takeout.tables import describe_columns, list_staying, list_taken

Keep = Callable[[bytes], None]
# So much of a file is compressed in one go.
CHUNK_BYTES: Final = 1 << 17
CONSISTENCY: Final = (
    "One snapshot (REPEATABLE READ) of the database: every row as it was committed at snapshot_at, references between files"
    " included."
)


class PieceSink:
    """A file that is only written to: what comes is handed on in pieces of ``PIECE_BYTES``."""

    def __init__(self, keep: Keep) -> None:
        self._keep, self._waiting = keep, bytearray()

    def write(self, content: bytes) -> int:
        """Take a part of the file."""
        self._waiting += content
        while len(self._waiting) >= PIECE_BYTES:
            self._keep(bytes(self._waiting[:PIECE_BYTES]))
            del self._waiting[:PIECE_BYTES]
        return len(content)

    def flush(self) -> None:
        """What ZipFile asks for; a piece is handed on when it is full."""

    def close(self) -> None:
        """Hand on what is left."""
        if self._waiting:
            self._keep(bytes(self._waiting))
            self._waiting.clear()


class Archive:
    """A ZIP that is being written into a sink: holds no more than a piece and a chunk of it."""

    def __init__(self, keep: Keep, *, made_at: datetime) -> None:
        self._sink = PieceSink(keep)
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._made_at = made_at

    def add(self, name: str, rows: Iterable[bytes | memoryview], *, begins_with: bytes = b"") -> int:
        """Write a file from its rows; returns how many there were."""
        count, waiting = 0, bytearray(begins_with)
        about = zipfile.ZipInfo(name, self._made_at.timetuple()[:6])
        about.compress_type, about._compresslevel = zipfile.ZIP_DEFLATED, 4  # type: ignore[attr-defined]
        with self._zip.open(about, "w", force_zip64=True) as file:
            for row in rows:
                count += 1
                waiting += row
                if len(waiting) >= CHUNK_BYTES:
                    file.write(bytes(waiting))
                    waiting.clear()
            file.write(bytes(waiting))
        return count

    def close(self) -> None:
        """Write the end of the ZIP and hand on what is left."""
        with closing(self._sink):
            self._zip.close()


def manifest_of(
    *, account: str, snapshot_at: datetime, files: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> dict[str, Any]:
    """What a program has to know of the ZIP: ``files`` as ``describe_files`` gives them, ``counts`` the rows of each."""
    return {
        "made_by": "LeadSys",
        "account": account,
        "snapshot_at": snapshot_at.isoformat(),
        "consistency": CONSISTENCY,
        "csv": 'UTF-8 with a byte order mark, commas, quotes doubled, CRLF or LF inside quotes; an empty cell is no value, "" an'
        " empty text; instants in UTC; a text that a spreadsheet would calculate has an apostrophe before it.",
        "jsonl": "One JSON object a line.",
        "files": [{"file": each["file"], "rows": counts[each["file"]], **each} for each in files],
        "left_out": list_staying(),
    }


def describe_files() -> list[dict[str, Any]]:
    """What each file and column is, in the active language; inside a tenant scope, since own fields are columns."""
    return [
        {
            "file": table.file_name,
            "about": str(table.about),
            "columns": describe_columns(table),
            "withheld": dict(table.withheld),
        }
        for table in list_taken()
    ]


def manifest_text(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as a file."""
    return json.dumps(manifest, ensure_ascii=False, indent=1).encode()


def readme_text(manifest: Mapping[str, Any]) -> bytes:
    """The same for people, in the active language."""
    files = manifest["files"]
    width = max(len(each["file"]) for each in files)
    digits = max(len(str(each["rows"])) for each in files)
    lines = [
        _("Everything that %(account)s has in LeadSys") % {"account": manifest["account"]},
        "",
        _("As of %(instant)s (UTC): one snapshot, so that the files fit together.")
        % {"instant": manifest["snapshot_at"][:19].replace("T", " ")},
        _(
            "Not in it, since they would open doors: passwords, keys, secrets of webhooks, links of invitations."
        ),
        _("CSV files are UTF-8 with commas; import them into a spreadsheet as text. Instants are in UTC."),
        _("manifest.json says of each column what it is and to which file it refers."),
        "",
        *(f"{each['file']:<{width}}  {each['rows']:>{digits}}  {each['about']}" for each in files),
        "",
    ]
    return "\r\n".join(lines).encode("utf-8-sig")
