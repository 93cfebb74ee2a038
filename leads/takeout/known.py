"""What goes out of the hub's tables and of those of the floors below it."""

from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext_lazy as _

from leads.models import CustomField, CustomType, Grade
from leads.takeout.tables import Extra, TakenTable, register_staying, register_taken

_HASH: Final = "The hash of a secret."
_SIGNS: Final = "It signs."
_MINOR: Final = "In hundredths of the currency."
_VALUES: Final = {
    CustomType.TEXT: "text_value",
    CustomType.INTEGER: "integer_value",
    CustomType.DECIMAL: "decimal_value",
    CustomType.DATE: "date_value",
}
_TAGGED: Final = """LEFT JOIN LATERAL (
    SELECT string_agg(g.tag, '; ' ORDER BY g.tag) AS tags FROM leads_leadtag g WHERE g.lead_id = t.id
) tagged ON true"""


def register_hub_takeout() -> None:
    """Called once, when the app is ready."""
    register_staying("core.DueRow", why="Work that waits for a worker.")
    register_staying("core.StoredFile", "core.StoredPiece", why="Files that expire within days.")
    register_staying("leads.DataExport", why="About these files themselves; the audit log names each.")
    register_staying("leads.LeadSearch", why="Made from the lead, for the search.")
    register_staying(
        *("leads.Rerun", "leads.RerunLane", "leads.DuplicateSearch"), why="How far work in the background is."
    )
    register_taken(*_people(), *_set_up(), *_leads(), *_history(), *_selling(), *_intake(), *_records())


def _people() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="tenancy.Membership",
            file="members",
            about=_("People who work in the account, and the services with which keys act"),
            columns=("id", "kind", "name", "roles", "is_active", "joined_at"),
            withheld={"user_id": "The login is the person's own; its e-mail address is given."},
            extras=lambda: (Extra(name="email", sql="u.email", about="The login.", is_text=True),),
            joins=lambda: 'LEFT JOIN "tenancy_user" u ON u.id = t.user_id',
        ),
        TakenTable(
            model="tenancy.Team",
            file="teams",
            about=_("Teams"),
            columns=("id", "name", "function", "lead_member_id"),
        ),
        TakenTable(
            model="tenancy.TeamMember",
            file="team_members",
            about=_("Who is in which team"),
            columns=("id", "team_id", "member_id"),
        ),
        TakenTable(
            model="tenancy.Invitation",
            file="invitations",
            about=_("Invitations"),
            columns=(
                *("id", "email", "roles", "team_id", "invited_by_id"),
                *("created_at", "expires_at", "accepted_at", "revoked_at"),
            ),
            withheld={"token_hash": _HASH},
        ),
        TakenTable(
            model="tenancy.ApiKey",
            file="api_keys",
            about=_("API keys, without what they open with"),
            columns=(
                *("id", "name", "scopes", "service_id", "created_by_id", "is_operators"),
                *("created_at", "expires_at", "last_used_at", "revoked_at"),
            ),
            withheld={"prefix": "The beginning of a secret.", "key_hash": _HASH},
        ),
    )


def _set_up() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="leads.RuleVersion",
            file="rules",
            about=_(
                "Rules in every version: scoring, grade, gates, routing, clocks, sequences, reasons, frameworks"
            ),
            columns=(
                *("id", "kind", "name", "number", "status", "document", "content_hash"),
                *("created_at", "created_by_id", "published_at", "published_by_id", "note"),
            ),
            as_json=True,
        ),
        TakenTable(
            model="leads.CaptureForm",
            file="forms",
            about=_("Forms"),
            columns=("id", "key", "public_id", "name", "document", "is_open", "created_at"),
            as_json=True,
        ),
        TakenTable(
            model="leads.CustomField",
            file="custom_fields",
            about=_("The account's own fields"),
            columns=("id", "name", "label", "type", "choices", "created_at", "retired_at"),
        ),
        TakenTable(
            model="leads.Origin",
            file="origins",
            about=_("Origins as they were first spelt"),
            columns=("id", "key", "label"),
        ),
        TakenTable(
            model="leads.TagChange",
            file="tag_changes",
            about=_("Tags that were renamed or deleted"),
            columns=("id", "tag", "target", "made_by_id", "made_at", "done_count", "finished_at"),
        ),
        TakenTable(
            model="core.SavedView",
            file="saved_views",
            about=_("Saved views and segments"),
            columns=(
                *("id", "kind", "name", "made_by_id", "sharing", "team_id"),
                *("parameters", "columns", "made_at", "changed_at"),
            ),
        ),
        TakenTable(
            model="core.ListPreference",
            file="list_preferences",
            about=_("How each person likes each list"),
            columns=("id", "member_id", "kind", "opens_with_id", "columns"),
        ),
        TakenTable(
            model="core.WebhookEndpoint",
            file="webhooks",
            about=_("Webhooks, without their secrets"),
            columns=(
                *("id", "url", "description", "event_types", "is_on", "listens_since", "former_until"),
                *("failing_since", "paused_until", "gave_up_at", "created_at", "created_by_id"),
            ),
            withheld={"secret": _SIGNS, "former_secret": _SIGNS},
        ),
    )


def _leads() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="leads.Lead",
            file="leads",
            about=_(
                "Leads, each with its company, stage, score, grade, owners, tags and own fields beside it"
            ),
            columns=(
                *("id", "external_id", "email", "email_kind", "name", "first_name", "last_name", "phone"),
                *("job_title", "seniority", "company_id", "country", "state", "city", "postal_code"),
                *("language", "time_zone", "origin", "campaign", "medium", "landing_page"),
                *("created_at", "recorded_at"),
            ),
            withheld={"name_key": "Made from the name, for its order."},
            notes={"created_at": "First contact.", "recorded_at": "When LeadSys first knew of it."},
            extras=_of_lead,
            joins=_beside_lead,
        ),
        TakenTable(
            model="leads.LeadState",
            file="lead_standings",
            about=_("Where each lead stands, in full"),
            columns=(
                *("lead_id", "stage", "stage_at", "stage_act", "stage_reason", "furthest_stage", "score"),
                *("grade", "last_event_at", "last_positive_at", "live_since", "asked_for_contact_at"),
                *("enrolled_at", "owner_marketing_id", "owner_sdr_id", "owner_sales_id", "kept_sdr_id"),
                *("kept_sales_id", "team_sdr_id", "team_sales_id", "claimed_until", "clock_due_at"),
                *("told_owner_id", "told_stage_at", "created_at"),
            ),
            notes={
                "furthest_stage": "0 new, 1 mql, 2 working, 3 sql, 4 opportunity, 5 customer.",
                "live_since": "Empty where only files tell of the lead.",
            },
        ),
        TakenTable(
            model="leads.Company",
            file="companies",
            about=_("Companies"),
            columns=(
                *("id", "name", "domain", "cnpj", "size", "revenue_minor", "industry"),
                *("is_named_by_hand", "created_at"),
            ),
            withheld={"name_key": "Made from the name, to recognise it."},
            notes={"revenue_minor": _MINOR, "size": "People."},
        ),
        TakenTable(
            model="leads.CompanyFormerName",
            file="company_former_names",
            about=_("Names by which companies are recognised, too"),
            columns=("id", "company_id", "name_key"),
        ),
        TakenTable(
            model="leads.CustomValue",
            file="custom_values",
            about=_("Values of own fields, one a row"),
            columns=(
                *("id", "lead_id", "field_id", "text_value", "integer_value", "decimal_value", "date_value"),
                "created_at",
            ),
            notes={"decimal_value": "In millionths.", "created_at": "The lead's."},
        ),
        TakenTable(
            model="leads.LeadTag",
            file="lead_tags",
            about=_("Tags"),
            columns=("id", "lead_id", "tag", "created_at"),
            notes={"created_at": "The lead's."},
        ),
        TakenTable(
            model="leads.LeadAlias",
            file="lead_aliases",
            about=_("Addresses and numbers that leads had before they were merged"),
            columns=("id", "lead_id", "kind", "value"),
        ),
        TakenTable(
            model="leads.Consent",
            file="consents",
            about=_("Consents and other lawful bases, with their proof"),
            columns=(
                *("id", "lead_id", "purpose", "basis", "text", "given_at", "withdrawn_at", "source", "proof"),
            ),
        ),
        TakenTable(
            model="leads.LeadNote",
            file="notes",
            about=_("Notes"),
            columns=("id", "lead_id", "text", "written_at", "written_by_id", "edited_at", "deleted_at"),
        ),
        TakenTable(
            model="leads.LeadTask",
            file="tasks",
            about=_("Tasks"),
            columns=(
                *("id", "lead_id", "title", "due_at", "due_on", "assignee_id"),
                *("made_at", "made_by_id", "done_at", "done_by_id"),
            ),
        ),
        TakenTable(
            model="leads.KeptPerson",
            file="kept_people",
            about=_("People whom files name as owners and who are no members"),
            columns=("id", "text"),
        ),
        TakenTable(
            model="leads.DuplicateProposal",
            file="duplicate_proposals",
            about=_("Pairs of leads that may be one person"),
            columns=(
                *("id", "first_id", "second_id", "reasons", "confidence"),
                *("found_at", "dismissed_at", "dismissed_by_id"),
            ),
        ),
        TakenTable(
            model="leads.LeadMerge",
            file="merges",
            about=_("Leads that were merged"),
            columns=(
                *("id", "survivor_id", "loser_id", "loser_name", "merged_at", "merged_by_id"),
                *("undo_until", "undone_at", "undone_by_id", "record"),
            ),
        ),
    )


def _history() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="leads.Event",
            file="events",
            about=_("What leads and visitors did"),
            columns=(
                *("id", "lead_id", "visitor", "type", "occurred_at", "received_at", "message_id"),
                "properties",
            ),
        ),
        TakenTable(
            model="leads.Touch",
            file="touches",
            about=_("Contacts with their source"),
            columns=("id", "lead_id", "at", "origin", "campaign", "medium", "landing_page"),
        ),
        TakenTable(
            model="leads.StageChange",
            file="stage_changes",
            about=_("Changes of stage"),
            columns=(
                *("id", "lead_id", "from_stage", "to_stage", "at", "seconds_in_from_stage"),
                *("actor_id", "act", "reason", "note"),
            ),
        ),
        TakenTable(
            model="leads.Decision",
            file="decisions",
            about=_("Decisions of the rules, with their reasons"),
            columns=("id", "lead_id", "kind", "topic", "at", "version_id", "result", "detail"),
            notes={"version_id": "The version of the rules that decided: rules.jsonl, id."},
        ),
        TakenTable(
            model="leads.ContactAttempt",
            file="contact_attempts",
            about=_("Contact attempts"),
            columns=("id", "lead_id", "at", "actor_id", "channel", "outcome", "note"),
        ),
        TakenTable(
            model="leads.Answer",
            file="assessments",
            about=_("Answers to the questions of qualification"),
            columns=(
                *("id", "lead_id", "framework", "question", "met", "note"),
                *("answered_at", "answered_by_id"),
            ),
        ),
    )


def _selling() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="leads.Handover",
            file="handovers",
            about=_("Handovers to sales"),
            columns=(
                *("id", "lead_id", "offered_at", "offered_by_id", "override_reason"),
                *("answer", "answered_at", "answered_by_id", "reason"),
            ),
        ),
        TakenTable(
            model="leads.Opportunity",
            file="opportunities",
            about=_("Opportunities"),
            columns=(
                *("id", "lead_id", "deal_key", "opened_at", "outcome", "closed_at", "amount_minor"),
                *("currency", "expected_close_on", "reason", "sdr_id", "sales_rep_id", "kept_sdr_id"),
                *("kept_sales_rep_id", "is_imported", "custom"),
            ),
            notes={"amount_minor": _MINOR},
        ),
    )


def _intake() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="leads.Submission",
            file="submissions",
            about=_("What forms and programs sent, as it came"),
            columns=(
                *("id", "source", "payload", "received_at", "state", "api_key_id", "member_id", "form_id"),
                *("response_status", "response_body", "lead_id", "attempts", "error", "processed_at"),
                "is_spam",
            ),
            withheld={
                "idempotency_key": "It would let another replay the answer.",
                "body_hash": "Made from the payload.",
            },
        ),
        TakenTable(
            model="leads.ImportRun",
            file="imports",
            about=_("Imports"),
            columns=(
                *("id", "subject", "file_name", "is_live", "started_at", "finished_at", "counts"),
                *("file_hash", "row_number", "state", "made_by_id", "layout", "detected", "assignment"),
                *("trial", "orders", "problem", "attempts", "seen_at", "language"),
            ),
            withheld={
                "file_id": "Uploaded files expire within days.",
                "rows_file_id": "Uploaded files expire within days.",
            },
        ),
        TakenTable(
            model="leads.ImportMark",
            file="import_marks",
            about=_("Which leads an import told of"),
            columns=("id", "run_id", "subject", "outcome", "lead_id", "key"),
        ),
        TakenTable(
            model="leads.ImportRefusal",
            file="import_refusals",
            about=_("Refused rows of imports"),
            columns=("id", "run_id", "row_number", "row", "errors"),
        ),
        TakenTable(
            model="leads.HeldLead",
            file="held_leads",
            about=_("Holds after an error"),
            columns=(
                *("id", "lead_id", "step", "reason", "error", "attempts", "first_failed_at", "held_at"),
            ),
        ),
    )


def _records() -> Sequence[TakenTable]:
    return (
        TakenTable(
            model="tenancy.AuditEntry",
            file="audit_log",
            about=_("Entries of the audit log"),
            columns=("id", "at", "actor_id", "act", "subject", "detail"),
        ),
        TakenTable(
            model="leads.RetentionRule",
            file="retention",
            about=_("How long what is kept"),
            columns=(
                "id",
                "key",
                "months",
                "set_at",
                "set_by_id",
                "began_at",
                "taken",
                "last_at",
                "last_taken",
            ),
            withheld={"position": "How far work in the background is."},
        ),
        TakenTable(
            model="leads.Erasure",
            file="erasures",
            about=_("Proofs that people were erased"),
            columns=(
                *("id", "lead_number", "asked_by_id", "asked_by_name", "asked_at", "ground", "keeps_out"),
                *("state", "erased_at", "identity_hash", "counts", "attempts"),
            ),
        ),
        TakenTable(
            model="leads.ErasedIdentity",
            file="erased_identities",
            about=_("Hashes of people who are not taken in again"),
            columns=("id", "hash", "erasure_id"),
        ),
        TakenTable(
            model="leads.ListExport",
            file="exports",
            about=_("Exports of lists"),
            columns=(
                *("id", "list_kind", "made_by_id", "made_at", "format", "columns", "query", "query_words"),
                *("state", "row_count", "expected", "finished_at", "problem", "column_keys", "language"),
            ),
            withheld={
                "cursor": "How far it has been built.",
                "batch_count": "How far it has been built.",
                "file_id": "Files expire within days.",
            },
        ),
        TakenTable(
            model="leads.BulkRun",
            file="bulk_acts",
            about=_("Acts on many leads"),
            columns=(
                *(
                    "id",
                    "act",
                    "values",
                    "words",
                    "list_kind",
                    "query",
                    "query_words",
                    "made_by_id",
                    "made_at",
                ),
                *("state", "total", "applied", "unchanged", "refused", "seen_at", "finished_at", "attempts"),
                *("problem", "undoes_id", "language"),
            ),
        ),
        TakenTable(
            model="leads.BulkLead",
            file="bulk_leads",
            about=_("What came of each lead of an act on many"),
            columns=("id", "run_id", "lead_id", "outcome", "why", "before"),
        ),
        TakenTable(
            model="core.Notification",
            file="notifications",
            about=_("Notifications"),
            columns=("id", "member_id", "kind", "values", "lead_id", "at", "read_at"),
        ),
        TakenTable(
            model="core.WebhookDelivery",
            file="webhook_deliveries",
            about=_("Deliveries to webhooks"),
            columns=(
                *("id", "endpoint_id", "message_id", "event_type", "event_key", "occurred_at", "payload"),
                *("state", "attempts", "next_at", "leased_until", "created_at", "ended_at"),
            ),
            withheld={"attempt_token": "Of the attempt that is under way."},
        ),
        TakenTable(
            model="core.WebhookAttempt",
            file="webhook_attempts",
            about=_("Answers of webhooks"),
            columns=("id", "delivery_id", "at", "milliseconds", "status", "error", "body"),
        ),
    )


def _of_lead() -> Sequence[Extra]:
    """What stands beside a lead's own columns: its standing in words, and its own fields under ``custom.NAME``."""
    grades = " ".join(f"WHEN {grade.value} THEN '{grade.label}'" for grade in Grade)
    fields = CustomField.objects.order_by("name").values_list("name", "type")
    return (
        Extra(name="company", sql="company.name", about="The company's name.", is_text=True),
        Extra(name="stage", sql="s.stage", about="Where it stands."),
        Extra(name="stage_at", sql="s.stage_at", about="Since when."),
        Extra(name="stage_reason", sql="s.stage_reason", about="The reason it was given.", is_text=True),
        Extra(name="score", sql="s.score", about="Points."),
        Extra(name="grade", sql=f"CASE s.grade {grades} END", about="Letter of fit."),
        *(
            Extra(
                name=f"owner_{who}",
                sql=sql,
                about="A member's e-mail, else as a file named them.",
                is_text=True,
            )
            for who, sql in (
                ("marketing", "mu.email"),
                ("sdr", "coalesce(du.email, ks.text)"),
                ("sales", "coalesce(su.email, kv.text)"),
            )
        ),
        Extra(name="tags", sql="tagged.tags", about="Separated by ;", is_text=True),
        *(
            Extra(
                name=f"custom.{name}",
                sql=f"own.c{number}",
                about="A field of the account's own.",
                is_text=kind == CustomType.TEXT,
            )
            for number, (name, kind) in enumerate(fields)
        ),
    )


def _beside_lead() -> str:
    people = " ".join(
        f"LEFT JOIN tenancy_membership {short}m ON {short}m.id = s.owner_{who}_id"
        f" LEFT JOIN tenancy_user {short}u ON {short}u.id = {short}m.user_id"
        for short, who in (("m", "marketing"), ("d", "sdr"), ("s", "sales"))
    )
    fields = list(CustomField.objects.order_by("name").values_list("pk", "type"))
    values = ", ".join(
        f"{_value(kind, field_id)} AS c{number}" for number, (field_id, kind) in enumerate(fields)
    )
    own = (
        f" LEFT JOIN LATERAL (SELECT {values} FROM leads_customvalue v WHERE v.lead_id = t.id) own ON true"  # noqa: S608 - numbers
        if fields
        else ""
    )
    return (
        "JOIN leads_leadstate s ON s.lead_id = t.id LEFT JOIN leads_company company ON company.id = t.company_id"
        f" {people} LEFT JOIN leads_keptperson ks ON ks.id = s.kept_sdr_id"
        f" LEFT JOIN leads_keptperson kv ON kv.id = s.kept_sales_id {_TAGGED}{own}"
    )


def _value(kind: str, field_id: int) -> str:
    value = f"max(v.{_VALUES[CustomType(kind)]}) FILTER (WHERE v.field_id = {field_id})"
    return f"trim_scale({value} / 1000000.0)" if kind == CustomType.DECIMAL else value
