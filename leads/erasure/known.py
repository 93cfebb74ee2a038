"""What the tables of the hub, and of the floors below it, hold of a person."""

from leads.erasure.holdings import Holding, holds_nothing, register_holding


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
    holds_nothing("leads.DuplicateProposal", why="Numbers of two leads, and why they may be one.")
    holds_nothing("leads.Erasure", "leads.ErasedIdentity", why="The proof itself: hashes.")
    for holding in (
        Holding(
            model="tenancy.AuditEntry",
            told=("subject", "detail"),
            empty={"subject": "—", "detail": {}},
            plain=("act",),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.DueRow",
            told=("error",),
            empty={"error": ""},
            plain=("kind",),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.Notification",
            lead="lead_id",
            told=("values",),
            deletes=True,
            plain=("kind",),
            by_name=True,
            is_given=False,
        ),
        # Files of which a piece, or whose name, names the person go as a whole; workbooks can't be searched and go, too.
        Holding(model="core.StoredFile", plain=("name",), is_given=False),
        Holding(model="core.StoredPiece", plain=("content",), is_given=False),
        Holding(
            model="core.WebhookDelivery",
            told=("payload",),
            empty={"payload": {}},
            plain=("message_id", "event_type", "event_key"),
        ),
        Holding(
            model="core.WebhookAttempt",
            told=("error", "body"),
            empty={"error": "", "body": ""},
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="core.SavedView",
            told=("parameters", "name"),
            deletes=True,
            plain=("kind", "columns"),
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.Lead",
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
        Holding(model="leads.LeadSearch", lead="lead", deletes=True, plain=("text",), is_given=False),
        Holding(model="leads.LeadTag", lead="lead", deletes=True, plain=("tag",)),
        Holding(model="leads.CustomValue", lead="lead", deletes=True, plain=("text_value",)),
        Holding(
            model="leads.Consent",
            lead="lead",
            empty={"text": "", "proof": {}},
            plain=("purpose", "basis", "source"),
        ),
        Holding(
            model="leads.Event",
            lead="lead",
            empty={"properties": {}, "visitor": None, "message_id": None},
            plain=("type",),
        ),
        Holding(
            model="leads.Touch",
            lead="lead",
            empty={"landing_page": None},
            plain=("origin", "campaign", "medium"),
        ),
        Holding(
            model="leads.Submission",
            lead="lead",
            told=("payload", "response_body", "error"),
            empty={
                "payload": {},
                "response_body": None,
                "error": "",
                "idempotency_key": None,
                "body_hash": None,
            },
        ),
        Holding(model="leads.HeldLead", lead="lead", deletes=True, plain=("step", "reason", "error")),
        Holding(model="leads.StageChange", lead="lead", empty={"note": ""}, plain=("reason",)),
        Holding(
            model="leads.Decision",
            lead="lead",
            empty={"detail": {}},
            plain=("topic", "result"),
            is_given=False,
        ),
        Holding(model="leads.ContactAttempt", lead="lead", empty={"note": ""}),
        Holding(model="leads.Handover", lead="lead", empty={"override_reason": ""}, plain=("reason",)),
        Holding(
            model="leads.Opportunity",
            lead="lead",
            empty={"custom": {}},
            plain=("deal_key", "currency", "reason"),
        ),
        Holding(model="leads.LeadNote", lead="lead", deletes=True, plain=("text",)),
        Holding(model="leads.LeadTask", lead="lead", deletes=True, plain=("title",)),
        Holding(model="leads.LeadAlias", lead="lead", deletes=True, plain=("value",)),
        # Also where the person is the one who was merged into somebody else.
        Holding(
            model="leads.LeadMerge",
            lead="survivor",
            told=("loser_name", "record"),
            deletes=True,
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.CompanyFormerName",
            plain=("name_key",),
            why="Of a company; it goes with it.",
            is_given=False,
        ),
        Holding(model="leads.Answer", lead="lead", empty={"note": ""}, plain=("framework", "question")),
        Holding(
            model="leads.ImportRun",
            told=("detected", "assignment", "trial", "problem", "file_name"),
            # Without what was detected it is shown as one that a command ran: its counts.
            empty={"detected": None, "assignment": None, "trial": None, "problem": "", "file_name": "—"},
            plain=("counts", "file_hash", "layout"),
            by_name=True,
            is_given=False,
        ),
        Holding(model="leads.ImportRefusal", told=("row", "errors"), empty={"row": {}, "errors": []}),
        Holding(
            model="leads.LeadExport",
            told=("query", "query_words", "problem", "cursor"),
            deletes=True,
            by_name=True,
            is_given=False,
        ),
        Holding(
            model="leads.BulkRun",
            told=("values", "words", "query", "query_words", "problem"),
            empty={"values": {}, "words": "—", "query": {}, "query_words": "", "problem": ""},
            plain=("act",),
            by_name=True,
            is_given=False,
        ),
        Holding(model="leads.BulkLead", lead="lead", deletes=True, plain=("why", "before"), is_given=False),
        Holding(
            model="leads.Company",
            plain=("name", "name_key", "domain", "cnpj", "industry"),
            why="A company; one that has no other lead goes with the person.",
            is_given=False,
        ),
    ):
        register_holding(holding)
