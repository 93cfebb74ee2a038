"""A rule document has a largest size, whatever it says."""

import pytest

from leads.models import RuleKind
from leads.versions import MAX_DOCUMENT_CHARACTERS, InvalidDocument, save_draft
from tests.conftest import NOW


@pytest.mark.parametrize("kind", RuleKind)
def test_a_document_beyond_all_measure_is_refused_unread(kind: RuleKind) -> None:
    document = {"rules": ["x" * MAX_DOCUMENT_CHARACTERS]}
    with pytest.raises(InvalidDocument, match="too large"):
        save_draft(kind=kind, document=document, by=None, now=NOW)
