"""Stored files as answers: sent piece by piece while they are read."""

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from core.models import StoredFile
from core.stored_files import stream_pieces


def file_response(file: StoredFile, *, content_type: str) -> StreamingHttpResponse:
    """A file to be kept, which may be far larger than what a process should hold.

    The scope of the request ends with the view: each piece is read in one of its own.
    """
    response = StreamingHttpResponse(
        stream_pieces(tenant_id=file.tenant_id, file_id=file.pk), content_type=content_type
    )
    response["Content-Length"] = file.size_bytes
    disposition = content_disposition_header(as_attachment=True, filename=file.name)
    response["Content-Disposition"] = disposition or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response
