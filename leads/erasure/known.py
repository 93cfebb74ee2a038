"""What the tables of the hub, and of the floors below it, hold of a person."""

from typing import Final

from django.db.models import Case, Q, SmallIntegerField, Value, When
from django.utils.translation import gettext_lazy as _

from leads.erasure.holdings import Holding, holds_nothing, register_holding
from leads.models import SubmissionState
from tenancy.errors import Conflict

_UNPROCESSED: Final = Q(state__in=[SubmissionState.RECEIVED, SubmissionState.HELD])


def register_hub_holdings() -> None:
    """Called once, when the app is ready."""
    holds_nothing(
        *("tenancy.Membership", "tenancy.Team", "tenancy.Invitation", "tenancy.ApiKey"),
        why="Colleagues, who are erased with their login.",
    )
    holds_nothing(
        *("core.WebhookEndpoint", "core.ListPreference", "leads.Origin", "leads.CaptureForm"),
        *("leads.CustomField", "leads.RuleVersion"),
        why="What the tenant has set up.",
    )
    holds_nothing("leads.KeptPerson", why="Colleagues that files name: who owned leads.")
    holds_nothing(
        *("leads.LeadState", "leads.ImportMark"),
        why="Where the lead stands and stood: keys of rules, counts.",
    )
    holds_nothing("leads.TagChange", why="Tags that were renamed.")
    holds_nothing(
        *("leads.DuplicateProposal", "leads.DuplicateSearch"),
        why="Numbers of two leads, and why they may be one.",
    )
    holds_nothing("leads.Erasure", "leads.ErasedIdentity", why="The proof itself: hashes.")
    # Its file is a ZIP, in which nobody can look: it goes as a whole.
    holds_nothing("leads.DataExport", why="Counts, and who asked for it.")
    holds_nothing("leads.RetentionRule", why="What the tenant has set up.")
    for holding in (
        Holding(
            model="tenancy.AuditEntry",
            label=_("Entries of the audit log"),
            told=("subject", "detail"),
            empty={"subject": "—", "detail": {}},
            plain=("act",),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.DueRow",
            label=_("Errors of work that waits"),
            told=("error",),
            empty={"error": ""},
            plain=("kind",),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.Notification",
            label=_("Notifications"),
            lead="lead_id",
            told=("values",),
            deletes=True,
            plain=("kind",),
            by_name=True,
            is_given=False,
        ),
        # Files of which a piece, or whose name, names the person go as a whole; workbooks can't be searched and go, too.
        Holding(model="core.StoredFile", label=_("Stored files"), plain=("name",), is_given=False),
        Holding(
            model="core.StoredPiece", label=_("Pieces of stored files"), plain=("content",), is_given=False
        ),
        Holding(
            model="core.WebhookDelivery",
            label=_("Deliveries to webhooks"),
            told=("payload",),
            empty={"payload": {}},
            plain=("message_id", "event_type", "event_key"),
        ),
        Holding(
            model="core.WebhookAttempt",
            label=_("Answers of webhooks"),
            told=("error", "body"),
            empty={"error": "", "body": ""},
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.SavedView",
            label=_("Saved views"),
            told=("parameters", "name"),
            deletes=True,
            plain=("kind", "columns"),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.Lead",
            label=_("The lead"),
            lead="pk",
            empty=dict.fromkeys(
                (
                    *(
                        "external_id",
                        "email",
                        "email_kind",
                        "name",
                        "name_key",
                        "first_name",
                        "last_name",
                        "phone",
                    ),
                    *(
                        "job_title",
                        "company",
                        "state",
                        "city",
                        "postal_code",
                        "language",
                        "time_zone",
                        "landing_page",
                    ),
                )
            ),
            plain=("seniority", "country", "origin", "campaign", "medium"),
        ),
        Holding(
            model="leads.LeadSearch",
            label=_("Text of the search"),
            lead="lead",
            deletes=True,
            plain=("text",),
            is_given=False,
        ),
        Holding(model="leads.LeadTag", label=_("Tags"), lead="lead", deletes=True, plain=("tag",)),
        Holding(
            model="leads.CustomValue",
            label=_("Values of custom fields"),
            lead="lead",
            deletes=True,
            plain=("text_value",),
        ),
        Holding(
            model="leads.Consent",
            label=_("Consents"),
            lead="lead",
            empty={"text": "", "proof": {}},
            plain=("purpose", "basis", "source"),
        ),
        Holding(
            model="leads.Event",
            label=_("Events"),
            lead="lead",
            empty={"properties": {}, "visitor": None, "message_id": None},
            plain=("type",),
        ),
        Holding(
            model="leads.Touch",
            label=_("Touches"),
            lead="lead",
            empty={"landing_page": None},
            plain=("origin", "campaign", "medium"),
        ),
        Holding(
            model="leads.Submission",
            label=_("Submissions"),
            lead="lead",
            told=("payload", "response_body", "error"),
            empty={
                "payload": {},
                "response_body": None,
                "error": "",
                "idempotency_key": None,
                "body_hash": None,
                # What is not processed yet is refused, as what comes in later is.
                "state": Case(When(_UNPROCESSED, then=Value(SubmissionState.REFUSED)), default="state"),
                "response_status": Case(
                    When(_UNPROCESSED, then=Value(Conflict.status)),
                    default="response_status",
                    output_field=SmallIntegerField(),
                ),
            },
        ),
        Holding(
            model="leads.HeldLead",
            label=_("Holds after an error"),
            lead="lead",
            deletes=True,
            plain=("step", "reason", "error"),
        ),
        Holding(
            model="leads.StageChange",
            label=_("Changes of stage"),
            lead="lead",
            empty={"note": ""},
            plain=("reason",),
        ),
        Holding(
            model="leads.Decision",
            label=_("Decisions"),
            lead="lead",
            empty={"detail": {}},
            plain=("topic", "result"),
            is_given=False,
        ),
        Holding(model="leads.ContactAttempt", label=_("Contact attempts"), lead="lead", empty={"note": ""}),
        Holding(
            model="leads.Handover",
            label=_("Handovers"),
            lead="lead",
            empty={"override_reason": ""},
            plain=("reason",),
        ),
        Holding(
            model="leads.Opportunity",
            label=_("Opportunities"),
            lead="lead",
            empty={"custom": {}},
            plain=("deal_key", "currency", "reason"),
        ),
        Holding(model="leads.LeadNote", label=_("Notes"), lead="lead", deletes=True, plain=("text",)),
        Holding(model="leads.LeadTask", label=_("Tasks"), lead="lead", deletes=True, plain=("title",)),
        Holding(
            model="leads.LeadAlias",
            label=_("Former addresses and ids"),
            lead="lead",
            deletes=True,
            plain=("value",),
        ),
        # Also where the person is the one who was merged into somebody else.
        Holding(
            model="leads.LeadMerge",
            label=_("Merges"),
            lead="survivor",
            told=("loser_name", "record"),
            deletes=True,
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.CompanyFormerName",
            label=_("Former names of the company"),
            plain=("name_key",),
            why="Of a company; it goes with it.",
            is_given=False,
        ),
        Holding(
            model="leads.Answer",
            label=_("Answers of the qualification"),
            lead="lead",
            empty={"note": ""},
            plain=("framework", "question"),
        ),
        Holding(
            model="leads.ImportRun",
            label=_("Imports that name the person"),
            told=("detected", "assignment", "trial", "orders", "problem", "file_name"),
            # Without what was detected it is shown as one that a command ran: its counts.
            empty={
                **dict.fromkeys(("detected", "assignment", "trial", "orders")),
                "problem": "",
                "file_name": "—",
            },
            plain=("counts", "file_hash", "layout", "language"),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.ImportRefusal",
            label=_("Refused rows of imports"),
            told=("row", "errors"),
            empty={"row": {}, "errors": []},
        ),
        Holding(
            model="leads.ListExport",
            label=_("Exports that name the person"),
            told=("query", "query_words", "problem", "cursor"),
            plain=("list_kind", "column_keys", "language"),
            deletes=True,
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.BulkRun",
            label=_("Acts on many leads that name the person"),
            told=("values", "words", "query", "query_words", "problem"),
            empty={"values": {}, "words": "—", "query": {}, "query_words": "", "problem": ""},
            plain=("act", "list_kind", "language"),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.BulkLead",
            label=_("Places in acts on many leads"),
            lead="lead",
            deletes=True,
            plain=("why", "before"),
            is_given=False,
        ),
        Holding(
            model="leads.Company",
            label=_("The company"),
            plain=("name", "name_key", "domain", "cnpj", "industry"),
            why="A company; one that has no other lead goes with the person.",
            is_given=False,
        ),
    ):
        register_holding(holding)
