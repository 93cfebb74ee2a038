"""Documents of rules and of forms come from programs too: whatever stands at whichever place, nothing breaks."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

from leads.capture.form_editing import make_form
from leads.models import CaptureForm, RuleVersion, VersionStatus
from leads.versions import InvalidDocument, parse_document
from tests.conftest import NOW

JUNK: list[Any] = [None, True, 3, -1.5, "", "x", [], [[]], [None], {}, {"x": {}}, {"en": 3}, 10**30]


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document."""
    keys = (
        document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    )
    for key in keys:
        yield (*path, key)
        yield from places(document[key], (*path, key))


def spoilt(document: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """The document with something else at one place."""
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    return changed


def test_no_document_of_rules_breaks_its_reader(in_tenant: Any) -> None:
    turn = count()
    refused = 0
    for version in RuleVersion.objects.filter(status=VersionStatus.PUBLISHED).order_by("pk"):
        for path in places(version.document):
            # Two of them at each place, the next two at the next.
            for _each in range(2):
                document = spoilt(version.document, path, JUNK[next(turn) % len(JUNK)])
                with suppress(InvalidDocument):
                    parse_document(kind=version.kind, document=document)
                    continue
                refused += 1
    assert refused > 500


def test_no_document_of_a_form_breaks_its_reader(in_tenant: Any) -> None:
    [first, *_others] = CaptureForm.objects.order_by("pk")
    whole = first.document | {
        "intro": {"en": "x"},
        "consents": [{"purpose": "marketing", "text": {"en": "x"}, "required": True}],
        "defaults": {"origin": "x"},
        "origins": ["https://x.test"],
        "language": "en",
        "kind": "demo",
        "redirect": "https://x.test/",
        "privacy": "https://x.test/",
    }
    turn = count()
    refused = 0
    for path in places(whole):
        for _each in range(5):
            document = spoilt(whole, path, JUNK[next(turn) % len(JUNK)])
            with suppress(InvalidDocument):
                make_form(name="x", document=document, by=None, now=NOW).delete()
                continue
            refused += 1
    assert refused > 50
