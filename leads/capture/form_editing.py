"""Hosted forms made and changed by people: what they may not be, who changed what, and the wording of consents by version."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.capture.form_documents import IDENTIFYING, FormConsent, HostedForm, parse_form
from leads.capture.form_questions import list_offered
from leads.capture.values import fold_text
from leads.models import CaptureForm
from leads.versions import InvalidDocument, content_hash, path_problem
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, NotFound
from tenancy.models import Membership

MAX_NAME: Final = 120
MAX_FORMS: Final = 500


class NoSuchForm(NotFound):
    """The tenant has no such form."""


class FormChangedMeanwhile(Conflict):
    """Somebody saved the form since it was opened for editing."""


def get_form(*, form_id: int) -> CaptureForm:
    """One form. Raises NoSuchForm."""
    found: CaptureForm | None = CaptureForm.objects.filter(pk=form_id).first()
    if found is None:
        raise NoSuchForm(_("There is no such form."))
    return found


def make_form(*, name: str, document: Mapping[str, Any], by: Membership | None, now: datetime) -> CaptureForm:
    """A new form, closed until somebody opens it. Raises InvalidDocument."""
    ready = _check(name, document, previous=())
    form: CaptureForm = CaptureForm.objects.create(
        key=_free_key(name),
        public_id=uuid.uuid4(),
        name=name.strip(),
        document=ready,
        is_open=False,
        created_at=now,
    )
    record(act="form.made", subject=form.name, by=by, now=now, detail={"key": form.key, "document": ready})
    return form


def change_form(
    *,
    form: CaptureForm,
    name: str,
    document: Mapping[str, Any],
    replacing: str,
    by: Membership | None,
    now: datetime,
) -> None:
    """Change a form, at once for whoever opens it next; what was sent stays as it was sent.

    ``replacing`` is the ``revision_of`` that was opened. A consent whose words changed gets the next version. Raises
    InvalidDocument, FormChangedMeanwhile.
    """
    form = CaptureForm.objects.select_for_update().get(pk=form.pk)
    ready = _check(name, document, previous=parse_form(form.document).consents)
    if replacing != revision_of(form):
        raise FormChangedMeanwhile(
            _("Somebody else saved this form meanwhile. Save again to put yours in its place.")
        )
    if (form.name, form.document) == (name.strip(), ready):
        return
    detail = {"key": form.key, "before": {"name": form.name, "document": form.document}, "document": ready}
    form.name, form.document = name.strip(), ready
    form.save(update_fields=["name", "document"])
    record(act="form.changed", subject=form.name, by=by, now=now, detail=detail)


def duplicate_form(*, form: CaptureForm, name: str, by: Membership | None, now: datetime) -> CaptureForm:
    """A closed copy of a form under a name of its own."""
    copy: CaptureForm = CaptureForm.objects.create(
        key=_free_key(name),
        public_id=uuid.uuid4(),
        name=name[:MAX_NAME],
        document=form.document,
        is_open=False,
        created_at=now,
    )
    record(
        act="form.duplicated", subject=copy.name, by=by, now=now, detail={"of": form.name, "key": copy.key}
    )
    return copy


def set_open(*, form: CaptureForm, is_open: bool, by: Membership | None, now: datetime) -> None:
    """Let a form take submissions, or none. Raises InvalidDocument where visitors' answers would be refused."""
    form = CaptureForm.objects.select_for_update().get(pk=form.pk)
    if form.is_open == is_open:
        return
    if is_open:
        _check(form.name, form.document, previous=parse_form(form.document).consents)
    form.is_open = is_open
    form.save(update_fields=["is_open"])
    record(
        act="form.opened" if is_open else "form.closed",
        subject=form.name,
        by=by,
        now=now,
        detail={"key": form.key},
    )


def revision_of(form: CaptureForm) -> str:
    """Changes whenever the form does."""
    return content_hash({"name": form.name, "document": form.document})


def _check(name: str, document: Mapping[str, Any], *, previous: Sequence[FormConsent]) -> dict[str, Any]:
    """The document as it is kept: with the versions of its consents. Raises InvalidDocument naming every fault."""
    problems: list[FieldProblem] = []
    if not 1 <= len(name.strip()) <= MAX_NAME:
        message = _("Give a name of 1 to %(count)s characters.") % {"count": MAX_NAME}
        problems.append(path_problem("name", message))
    try:
        form = parse_form(document)
    except InvalidDocument as invalid:
        problems += invalid.errors
    else:
        problems += _faults_of_fields(form)
    if problems:
        raise InvalidDocument(_("The form has faults."), errors=problems)
    ready = {
        key: value for key, value in document.items() if value not in ("", None, [], {}) and key != "consent"
    }
    if form.origins:
        ready["origins"] = list(form.origins)
    if form.consents:
        ready["consents"] = [_versioned(consent, previous) for consent in form.consents]
    return ready


def _faults_of_fields(form: HostedForm) -> list[FieldProblem]:
    """What would make every visitor's answer be refused, or no lead of it."""
    problems = []
    offered = {each.name: each for each in list_offered()}
    for index, field in enumerate(form.fields):
        path = f"fields[{index}]"
        known = offered.get(field.name)
        if known is None:
            problems.append(path_problem(f"{path}.name", _("This field is not offered any more. Remove it.")))
        elif field.choices and not known.may_be_listed:
            problems.append(path_problem(f"{path}.choices", _("Only a text has choices.")))
        elif known.choices and (strange := set(field.choices).difference(dict(known.choices))):
            message = _("“%(choice)s” is not a choice of this field.")
            problems.append(path_problem(f"{path}.choices", message % {"choice": sorted(strange)[0]}))
    if not any(field.is_required and field.name in IDENTIFYING for field in form.fields):
        message = _(
            "Ask for the e-mail, the phone or the name, and require it: without one there is no lead."
        )
        problems.append(path_problem("fields", message))
    return problems


def _versioned(consent: FormConsent, previous: Sequence[FormConsent]) -> dict[str, Any]:
    """A consent as it is kept; new words have the next number."""
    before = next((each for each in previous if each.purpose == consent.purpose), None)
    version = "1"
    if before is not None:
        is_same = before.text.as_json() == consent.text.as_json()
        version = before.version if is_same else _next(before.version)
    return {
        "purpose": consent.purpose,
        "version": version,
        "text": consent.text.as_json(),
        "required": consent.is_required,
    }


def _next(version: str) -> str:
    return str(int(version) + 1) if version.isascii() and version.isdigit() else f"{version[:16]}-2"


def _free_key(name: str) -> str:
    """A key made of a name, which no other form has: what events and rules call the form."""
    plain = re.sub(r"[^a-z0-9]+", "-", fold_text(name)).strip("-")[:48] or "form"
    taken = set(CaptureForm.objects.filter(key__startswith=plain).values_list("key", flat=True))
    if CaptureForm.objects.count() >= MAX_FORMS:
        message = _("There are %(count)s forms already, which is as many as there may be.") % {
            "count": MAX_FORMS
        }
        raise InvalidDocument(message, errors=[path_problem("name", message)])
    numbers = (plain if number == 1 else f"{plain}-{number}" for number in range(1, MAX_FORMS + 2))
    return next(key for key in numbers if key not in taken)


register_acts(
    {
        "form.made": _("Made the form %(subject)s"),
        "form.changed": _("Changed the form %(subject)s"),
        "form.duplicated": _("Made the form %(subject)s as a copy of %(of)s"),
        "form.opened": _("Opened the form %(subject)s"),
        "form.closed": _("Closed the form %(subject)s"),
        "form.exported": _("Exported %(rows)s submissions of the form %(subject)s"),
        "form.not_spam": _("Took a submission of the form %(subject)s out of spam"),
    }
)
