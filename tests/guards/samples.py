"""Two tenants with something of everything, and who asks: what the guards put into addresses and send.

An address with a parameter that nobody knows yet fails with a message that leads here: add a function that makes one such
thing in the tenant of the scope, under the parameter's name, or under "name_of_the_address.parameter" where the same word
means another thing.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import models
from django.test import Client
from django.utils import timezone

from core.models import WebhookEndpoint
from core.saved_views.kinds import get_kind
from core.saved_views.services import make_view
from core.sealing import seal
from core.stored_files import store_file
from core.webhooks.endpoints import send_test
from core.webhooks.signing import make_secret
from insights.models import Campaign, CampaignSpend
from leads.bulk.kinds import get_bulk_act
from leads.bulk.runs import advance_bulk, start_bulk
from leads.capture.ordered_imports import ImportOrders
from leads.capture.page_imports import (
    get_import,
    order_columns,
    start_import,
    stop_import,
    upload_import,
)
from leads.exports import start_export
from leads.merging.merge import merge_leads
from leads.models import (
    CaptureForm,
    Company,
    CustomField,
    DataExport,
    DataExportState,
    DuplicateProposal,
    Erasure,
    HeldLead,
    Lead,
    LeadNote,
    LeadTask,
    RuleKind,
    Stage,
    Submission,
    SubmissionState,
)
from leads.pipeline import Reason, ReasonCode
from leads.reasons import RE_ENGAGEMENT
from leads.versions import publish_version, save_draft
from nurturing.models import Message
from nurturing.services import enroll_lead
from routing.calendar_changes import close_days, get_calendar, key_of
from tenancy.invitations import invite
from tenancy.keys import create_key
from tenancy.models import ApiKey, Membership, Role, Scope, Team, TeamFunction, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_team
from tests.conftest import NOW
from tests.guards.addresses import Address
from tests.guards.rows import make_row

# Who asks for pages. "outsider" is the other tenant's administrator at our address, "foreign" the same person at their own
# address with our ids in it.
ROLES = tuple(role.value for role in Role)
PEOPLE = ("nobody", "outsider", "foreign", *ROLES)
# Who asks for the API: no key, the other tenant's key with every scope, our keys with one scope each.
KEYS = ("no key", "other key", *Scope.values)


@dataclass
class World:
    """Our tenant, the other one, and who can ask in their name."""

    ours: Tenant
    theirs: Tenant
    admin: Membership
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    sessions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    made: dict[type[models.Model], models.Model] = field(default_factory=dict)

    def request(self, who: str, method: str, path: str) -> Any:
        """One request in somebody's name, with an empty form or object as its body."""
        # One client for all, since each new one loads the middleware anew; it forgets who asked before.
        self.client.cookies.clear()
        if who in KEYS:
            headers = {"authorization": f"Bearer {self.keys[who]}"} if who in self.keys else {}
            body = b"" if method in {"GET", "HEAD"} else b"{}"
            return self.client.generic(method, path, body, "application/json", headers=headers)
        if who in self.sessions:
            self.client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[who]
        kind = "application/x-www-form-urlencoded" if method == "POST" else ""
        return self.client.generic(method, path, b"", kind, headers={"accept-language": "en"})

    def path(self, address: Address, who: str) -> str:
        """The address as this one asks for it, with ids of our tenant."""
        values = {name: self.sample(address, name) for name in address.parameters if name != "slug"}
        slug = self.theirs.slug if who == "foreign" else self.ours.slug
        return address.path(values | {"slug": slug}) + QUERIES.get(address.name, "")

    def lacks(self, address: Address) -> str:
        """What must be added here before the address can be asked; empty when nothing is missing."""
        missing = [
            name for name in address.parameters if name != "slug" and _key(address, name) not in SAMPLES
        ]
        where = "add it to SAMPLES in tests/guards/samples.py"
        return f"{address.route}: nobody knows a {', '.join(missing)}; {where}" if missing else ""

    def sample(self, address: Address, parameter: str) -> Any:
        """What stands for a parameter; made once."""
        key = _key(address, parameter)
        if key not in self.samples:
            with tenant_scope(self.ours.pk):
                self.samples[key] = SAMPLES[key](self)
        return self.samples[key]


def _key(address: Address, parameter: str) -> str:
    special = f"{address.name}.{parameter}"
    return special if special in SAMPLES else parameter


def make_world(ours: Tenant, theirs: Tenant) -> World:
    """A session for each of PEOPLE and a key for each of KEYS in two tenants that have their administrator."""
    with tenant_scope(theirs.pk):
        outsider = Membership.objects.select_related("user").get(roles=[Role.ADMIN])
    with tenant_scope(ours.pk):
        admin = Membership.objects.select_related("user").get(roles=[Role.ADMIN])
    world = World(ours=ours, theirs=theirs, admin=admin)
    with tenant_scope(ours.pk):
        people = {role: admin if role == Role.ADMIN else make_member(role=role) for role in ROLES}
        for scope in Scope.values:
            world.keys[scope] = create_key(name=scope, scopes=[scope], by=admin, now=NOW)[1]
    with tenant_scope(theirs.pk):
        world.keys["other key"] = create_key(name="all", scopes=list(Scope), by=None, now=NOW)[1]
    members = {"outsider": outsider, "foreign": outsider} | people
    world.sessions = {who: _session(member) for who, member in members.items()}
    return world


def _session(member: Membership) -> str:
    client = Client()
    assert member.user is not None
    client.force_login(member.user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def row_of(model: type[models.Model]) -> Callable[[World], int]:
    """A sample for an id: any row of the model."""

    def make(world: World) -> int:
        return int(make_row(model, world.made).pk)

    return make


def column_of(model: type[models.Model], name: str) -> Callable[[World], Any]:
    """A sample for what a row is known by besides its id."""

    def make(world: World) -> Any:
        return getattr(make_row(model, world.made), name)

    return make


def _colleague(_world: World) -> int:
    return int(make_member(role=Role.SDR).pk)


def _team(_world: World) -> int:
    team: Team = make_team(function=TeamFunction.SDR)
    return int(team.pk)


def _invitation(world: World) -> int:
    return int(invite(email="caio@x.test", roles=[Role.SALES], by=world.admin, now=NOW)[0].pk)


def _token(world: World) -> str:
    return invite(email="dora@x.test", roles=[Role.SALES], by=world.admin, now=NOW)[1]


def _lead(_world: World) -> int:
    lead: Lead = make_lead()
    return int(lead.pk)


def _merge(world: World) -> int:
    pair = {"survivor_id": make_lead().pk, "loser_id": make_lead().pk}
    return int(merge_leads(**pair, choices={}, by=world.admin, now=timezone.now()).pk)


def _note(world: World) -> int:
    return int(LeadNote.objects.create(lead=make_lead(), text="x", written_at=NOW, written_by=world.admin).pk)


def _deleted_note(world: World) -> int:
    note = LeadNote.objects.get(pk=_note(world))
    LeadNote.objects.filter(pk=note.pk).update(deleted_at=NOW)
    return int(note.pk)


def _task(world: World) -> int:
    return int(LeadTask.objects.create(lead=make_lead(), title="x", made_at=NOW, assignee=world.admin).pk)


def _held_lead(_world: World) -> int:
    reason = asdict(Reason(ReasonCode.CAPTURED))
    held = HeldLead.objects.create(
        lead=make_lead(), step="score", reason=reason, error="Broken", first_failed_at=NOW, held_at=NOW
    )
    return int(held.pk)


def _enrollment(world: World) -> int:
    lead = make_lead(stage=Stage.NURTURE)
    entered = enroll_lead(lead_id=lead.pk, sequence=RE_ENGAGEMENT, by=world.admin, now=NOW)
    return int(entered.pk)


def _drafted(_world: World) -> str:
    save_draft(kind=RuleKind.GRADING, document={"start": "D", "criteria": []}, by=None, now=NOW)
    return RuleKind.GRADING.value


def _published_twice(world: World) -> str:
    """A kind whose first version can be gone back to."""
    draft = save_draft(kind=RuleKind.CLOCKS, document={"policies": []}, by=None, now=NOW)
    publish_version(version=draft, by=world.admin, now=NOW)
    return RuleKind.CLOCKS.value


def _export(world: World) -> int:
    export = start_export(
        kind=get_kind("leads"), parameters={}, columns="all", file_format="csv", by=world.admin, now=NOW
    )
    return int(export.pk)


def _view(world: World) -> int:
    view = make_view(
        kind=get_kind("leads"),
        name="Everything",
        parameters={},
        columns=[],
        sharing="all",
        team_id=None,
        by=world.admin,
        now=NOW,
    )
    return int(view.pk)


def _bulk_run(world: World, *, now: datetime = NOW) -> int:
    run = start_bulk(
        act=get_bulk_act("add_tag"),
        values={"tag": "feira"},
        kind=get_kind("leads"),
        parameters={},
        by=world.admin,
        now=now,
    )
    return int(run.pk)


def _bulk_run_to_undo(world: World) -> int:
    make_lead()
    now = timezone.now()
    run_id = _bulk_run(world, now=now)
    while advance_bulk(run_id=run_id, now=now):
        pass
    return run_id


def _data_export_with_file(world: World) -> int:
    now = timezone.now()
    file = store_file(
        name="all.zip", content=[b"PK"], most_bytes=10, expires_at=now + timedelta(days=1), now=now
    )
    export = DataExport.objects.create(
        asked_by=world.admin, asked_by_name="Ana", asked_at=now, state=DataExportState.DONE, file=file
    )
    return int(export.pk)


def _import(world: World) -> int:
    content = b"E-mail;Nome\nana@x.test;Ana\n"
    run = upload_import(name="leads.csv", subject="leads", content=[content], by=world.admin, now=NOW)
    return int(run.pk)


def _tried_import(world: World) -> int:
    """One that can be started."""
    run_id = _import(world)
    order_columns(
        run=get_import(import_id=run_id),
        subject="leads",
        orders=ImportOrders(is_automatic=True, is_dry_run=True),
        now=NOW,
    )
    return run_id


def _stopped_import(world: World) -> int:
    """One that can be gone on with."""
    run = get_import(import_id=_tried_import(world))
    start_import(run=run, by=world.admin, now=NOW)
    stop_import(run=run, by=world.admin, now=NOW)
    return int(run.pk)


def _export_by_key(_world: World) -> int:
    """Of the key that may read leads: a file is its maker's alone."""
    by = ApiKey.objects.select_related("service").get(name=Scope.LEADS_READ.value).service
    return int(
        start_export(
            kind=get_kind("leads"), parameters={}, columns="all", file_format="csv", by=by, now=NOW
        ).pk
    )


def _held_submission(_world: World) -> int:
    held = Submission.objects.create(
        source=Submission.Source.API,
        payload={"email": "elsa@cliente.test"},
        state=SubmissionState.HELD,
        error="Broken",
    )
    return int(held.pk)


def _endpoint(_world: World) -> int:
    made = WebhookEndpoint.objects.create(
        url="https://crm.example.com/hooks",
        event_types=["lead.created"],
        listens_since=NOW,
        secret=seal(make_secret()),
    )
    return int(made.pk)


def _delivery(world: World) -> int:
    found = WebhookEndpoint.objects.filter(pk=world.samples.get("endpoint_id")).first()
    endpoint = found or WebhookEndpoint.objects.get(pk=_endpoint(world))
    return int(send_test(endpoint=endpoint, by=None, now=NOW).pk)


def _sent_to_form(_world: World, *, is_spam: bool = False) -> int:
    """Something sent to the form that ``form_id`` is."""
    state = SubmissionState.REFUSED if is_spam else SubmissionState.RECEIVED
    sent = Submission.objects.create(
        source=Submission.Source.FORM,
        form=CaptureForm.objects.order_by("pk").first(),
        payload={"email": "ana@empresa.com.br"},
        state=state,
        is_spam=is_spam,
    )
    return int(sent.pk)


def _closure(_world: World) -> str:
    close_days(
        calendar=get_calendar(),
        label="Carnaval",
        first=NOW.date(),
        last=NOW.date(),
        hours=None,
        is_yearly=False,
        by=None,
        now=NOW,
    )
    return key_of(get_calendar().closures[-1])


def _passkey(_world: World) -> int:
    passkey = Authenticator.objects.create(
        user=make_member(role=Role.SDR).user,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "Laptop", "credential": {}},
    )
    return int(passkey.pk)


# What an address needs beside its parameters to find anything.
QUERIES = {"lead-story": "?before=2030-01-01T00:00:00Z"}

SAMPLES: dict[str, Callable[[World], Any]] = {
    "member_id": _colleague,
    "team_id": _team,
    "invitation_id": _invitation,
    "key_id": row_of(ApiKey),
    "token": _token,
    "lead_id": _lead,
    "company_id": row_of(Company),
    "proposal_id": row_of(DuplicateProposal),
    "other_id": _lead,
    "merge_id": _merge,
    "note_id": _note,
    "note-restore.note_id": _deleted_note,
    "task_id": _task,
    "field_id": row_of(CustomField),
    "calendar-reopen.key": _closure,
    "api-day-off.key": _closure,
    "endpoint_id": _endpoint,
    "delivery_id": _delivery,
    "clock.kind": lambda _world: "first_contact",
    "add-reason.kind": lambda _world: "reject",
    "change-reason.kind": lambda _world: "reject",
    "move-reason.kind": lambda _world: "reject",
    "retire-reason.kind": lambda _world: "reject",
    "bring-back-reason.kind": lambda _world: "reject",
    "change-reason.name": lambda _world: "no_budget",
    "move-reason.name": lambda _world: "no_budget",
    "retire-reason.name": lambda _world: "no_budget",
    "bring-back-reason.name": lambda _world: "no_budget",
    "sort": lambda _world: "leads",
    "submission_id": row_of(Submission),
    "campaign_id": row_of(Campaign),
    "spend_id": row_of(CampaignSpend),
    "form_id": row_of(CaptureForm),
    "form-submission.submission_id": _sent_to_form,
    "form-not-spam.submission_id": partial(_sent_to_form, is_spam=True),
    "api-form-submission.submission_id": _sent_to_form,
    "api-form-not-spam.submission_id": partial(_sent_to_form, is_spam=True),
    "export_id": _export,
    "api-export.export_id": _export_by_key,
    "api-export-file.export_id": _export_by_key,
    "data-export.export_id": row_of(DataExport),
    "data-export-file.export_id": row_of(DataExport),
    "api-data-export.export_id": row_of(DataExport),
    "api-data-export-file.export_id": _data_export_with_file,
    "view_id": _view,
    **{
        f"{name}.kind": lambda _world: "leads"
        for name in (
            *("list-columns", "view-list", "view-new", "view-change"),
            *("view-save", "view-default", "view-delete", "view-count"),
            *("export-new", "bulk-new"),
        )
    },
    "bulk-new.act": lambda _world: "add_tag",
    "run_id": _bulk_run,
    "api-bulk-undo.run_id": _bulk_run_to_undo,
    "erasure_id": row_of(Erasure),
    "import_id": _import,
    "api-import-start.import_id": _tried_import,
    "api-import-resume.import_id": _stopped_import,
    "part": lambda _world: "score",
    "kind": lambda _world: "scoring",
    "name": lambda _world: "main",
    "number": lambda _world: 1,
    "rules-review.kind": _drafted,
    "api-rules-draft.kind": _drafted,
    "api-rules-publish.kind": _drafted,
    "api-rules-roll-back.kind": _published_twice,
    "rules-new.kind": lambda _world: "sequence",
    "held_id": _held_lead,
    "held-submission-retry.submission_id": _held_submission,
    "held-submission-discard.submission_id": _held_submission,
    "public_id": column_of(CaptureForm, "public_id"),
    "message_id": row_of(Message),
    "enrollment_id": _enrollment,
    "unsubscribe.token": column_of(Message, "token"),
    "pk": _passkey,
    # allauth's mail for a forgotten password
    "uidb36": lambda _world: "1",
    "key": lambda _world: "nonsense",
    # the operators' admin
    "app_label": lambda _world: "tenancy",
    "url": lambda _world: "nonsense",
    "content_type_id": lambda _world: 1,
    "object_id": lambda world: world.ours.pk,
    "tenancy_user_change.object_id": lambda world: world.admin.user_id,
    "tenancy_user_delete.object_id": lambda world: world.admin.user_id,
    "tenancy_user_history.object_id": lambda world: world.admin.user_id,
    "auth_user_password_change.id": lambda world: world.admin.user_id,
}
