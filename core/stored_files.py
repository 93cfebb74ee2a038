"""Files of a tenant for a time: what was uploaded to be imported, what was built to be downloaded.

They are kept in the database, in pieces: any process of any machine can read them, row security keeps tenants apart, a backup
has them, and what expires is deleted by a due row. See docs/decisions/0008.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import BinaryIO, Final

from django.utils.translation import gettext_lazy as _

from core.due import DueKind, register_due_kind, schedule
from core.models import StoredFile, StoredPiece
from tenancy.errors import TooLarge
from tenancy.scope import tenant_scope

EXPIRE_KIND: Final = "core.expire_file"
PIECE_BYTES: Final = 1 << 20


class FileTooLarge(TooLarge):
    """A file beyond what may be kept."""


def store_file(
    *, name: str, content: Iterable[bytes], most_bytes: int, expires_at: datetime, now: datetime
) -> StoredFile:
    """Keep a file. Raises FileTooLarge beyond ``most_bytes``: let the transaction roll back then."""
    return store_pieces(
        name=name, pieces=_in_pieces(_up_to(most_bytes, content)), expires_at=expires_at, now=now
    )


def store_pieces(*, name: str, pieces: Iterable[bytes], expires_at: datetime, now: datetime) -> StoredFile:
    """Keep a file in pieces that are read one by one, as they are given."""
    file: StoredFile = StoredFile.objects.create(name=name[-255:], made_at=now, expires_at=expires_at)
    for number, piece in enumerate(pieces):
        file.size_bytes += len(piece)
        StoredPiece.objects.create(file=file, number=number, content=piece)
    file.save(update_fields=["size_bytes"])
    schedule(kind=EXPIRE_KIND, due={file.pk: expires_at})
    return file


def add_piece(*, file: StoredFile, number: int, content: bytes) -> None:
    """Keep one piece more of a file that is being built."""
    StoredPiece.objects.create(file=file, number=number, content=content)
    file.size_bytes += len(content)
    file.save(update_fields=["size_bytes"])


def read_piece(*, file_id: int, number: int) -> bytes | None:
    """One piece, counted from 0; None beyond the last, and when the file has expired."""
    pieces = StoredPiece.objects.filter(file=file_id, number=number)
    content = pieces.values_list("content", flat=True).first()
    return None if content is None else bytes(content)


def read_pieces(*, file_id: int) -> Iterator[bytes]:
    """The content of a file, a piece at a time; empty if it has expired."""
    for number in count():
        piece = read_piece(file_id=file_id, number=number)
        if piece is None:
            return
        yield piece


def stream_pieces(*, tenant_id: int, file_id: int) -> Iterator[bytes]:
    """The content of a file, for an answer that is sent while it is read: each piece in a scope and transaction of its own.

    A file that is deleted meanwhile ends early.
    """
    for number in count():
        with tenant_scope(tenant_id):
            piece = read_piece(file_id=file_id, number=number)
        if piece is None:
            return
        yield piece


def copy_to(*, file_id: int, target: BinaryIO) -> None:
    """Write the content of a file somewhere."""
    for piece in read_pieces(file_id=file_id):
        target.write(piece)


def delete_files(*, file_ids: Sequence[int]) -> None:
    """Delete files with their content; references to them become empty."""
    # First the pieces, by a statement: to delete what refers to a row Django would read all of it.
    StoredPiece.objects.filter(file__in=list(file_ids)).delete()
    StoredFile.objects.filter(pk__in=list(file_ids)).delete()


def _up_to(most_bytes: int, content: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in content:
        size += len(part)
        if size > most_bytes:
            raise FileTooLarge(
                _("A file may have at most %(most)s MB. Split it, and import one part after the other.")
                % {"most": most_bytes >> 20}
            )
        yield part


def _in_pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for part in content:
        waiting += part
        while len(waiting) >= PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
    if waiting:
        yield bytes(waiting)


def _expire(file_ids: Sequence[int], now: datetime) -> None:
    expired = StoredFile.objects.filter(pk__in=list(file_ids), expires_at__lte=now)
    delete_files(file_ids=list(expired.values_list("pk", flat=True)))


register_due_kind(DueKind(EXPIRE_KIND, act=_expire, batch_size=20))
