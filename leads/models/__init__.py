"""The hub's tables, by topic."""

from leads.models.bulk import BulkLead, BulkOutcome, BulkRun, BulkState
from leads.models.capture import (
    CaptureForm,
    HeldLead,
    ImportMark,
    ImportRefusal,
    ImportRun,
    ImportState,
    Submission,
    SubmissionState,
)
from leads.models.company import Company, CompanyFormerName
from leads.models.consent import Consent
from leads.models.custom import CustomField, CustomType, CustomValue
from leads.models.data_export import DataExport, DataExportState
from leads.models.decision import Decision, DecisionKind, RuleKind, RuleVersion, VersionStatus
from leads.models.erasure import ErasedIdentity, Erasure, ErasureState
from leads.models.event import Event, Touch
from leads.models.export import ExportState, ListExport
from leads.models.handover import ContactAttempt, Handover, HandoverAnswer, Opportunity, OpportunityOutcome
from leads.models.lead import EmailKind, Grade, KeptPerson, Lead, LeadState, LeadTag, Origin, Seniority
from leads.models.merging import (
    DuplicateProposal,
    DuplicateReason,
    DuplicateSearch,
    IdentityKind,
    LeadAlias,
    LeadMerge,
)
from leads.models.notes import LeadNote, LeadTask
from leads.models.qualification import Answer
from leads.models.rerun import Rerun, RerunLane
from leads.models.retention import RetentionRule
from leads.models.search import LeadSearch
from leads.models.stage import FORWARD_STAGES, OPEN_STAGES, MoveAct, Stage, StageChange
from leads.models.tag_change import TagChange

__all__ = [
    "FORWARD_STAGES",
    "OPEN_STAGES",
    "Answer",
    "BulkLead",
    "BulkOutcome",
    "BulkRun",
    "BulkState",
    "CaptureForm",
    "Company",
    "CompanyFormerName",
    "Consent",
    "ContactAttempt",
    "CustomField",
    "CustomType",
    "CustomValue",
    "DataExport",
    "DataExportState",
    "Decision",
    "DecisionKind",
    "DuplicateProposal",
    "DuplicateReason",
    "DuplicateSearch",
    "EmailKind",
    "ErasedIdentity",
    "Erasure",
    "ErasureState",
    "Event",
    "ExportState",
    "Grade",
    "Handover",
    "HandoverAnswer",
    "HeldLead",
    "IdentityKind",
    "ImportMark",
    "ImportRefusal",
    "ImportRun",
    "ImportState",
    "KeptPerson",
    "Lead",
    "LeadAlias",
    "LeadMerge",
    "LeadNote",
    "LeadSearch",
    "LeadState",
    "LeadTag",
    "LeadTask",
    "ListExport",
    "MoveAct",
    "Opportunity",
    "OpportunityOutcome",
    "Origin",
    "Rerun",
    "RerunLane",
    "RetentionRule",
    "RuleKind",
    "RuleVersion",
    "Seniority",
    "Stage",
    "StageChange",
    "Submission",
    "SubmissionState",
    "TagChange",
    "Touch",
    "VersionStatus",
]
