"""The tenant's reasons: what a document may say, and where each reason leads."""

from typing import Any

import pytest
from django.utils import translation

from leads.models import MoveAct, Stage
from leads.reasons import default_reasons, parse_reasons, published_reasons
from leads.versions import InvalidDocument, open_rulebook
from tenancy.models import Tenant


def test_the_default_pack_has_the_reasons_of_the_contract() -> None:
    reasons = parse_reasons(default_reasons())
    keys = {act: [choice.key for choice in reasons.choices(act)] for act in MoveAct if act in _WITH_LISTS}
    no_deal = ["no_budget", "no_authority", "no_need", "bad_timing", "marketing_decides"]
    assert keys == {
        MoveAct.REJECT: no_deal,
        MoveAct.LOSE: no_deal,
        MoveAct.NURTURE: ["bad_timing", "no_answer", "returned", "marketing_decides"],
        MoveAct.RETURN: ["bad_timing", "no_answer", "returned", "marketing_decides"],
        MoveAct.DISQUALIFY: ["junk", "no_fit", "competitor", "duplicate"],
    }


_WITH_LISTS = {MoveAct.REJECT, MoveAct.LOSE, MoveAct.NURTURE, MoveAct.RETURN, MoveAct.DISQUALIFY}


def test_a_new_tenant_has_them_published(in_tenant: Tenant) -> None:
    assert published_reasons(open_rulebook()) == parse_reasons(default_reasons())


@pytest.mark.parametrize(
    ("act", "reason", "decides", "sequence"),
    [
        (MoveAct.REJECT, "marketing_decides", True, None),
        (MoveAct.LOSE, "marketing_decides", True, None),
        (MoveAct.RETURN, "marketing_decides", True, None),
        # Not handed back by sales: no clock waits for a decision.
        (MoveAct.NURTURE, "marketing_decides", False, None),
        (MoveAct.REJECT, "no_budget", False, "re_engagement"),
        (MoveAct.LOSE, "bad_timing", False, "re_engagement"),
        (MoveAct.RETURN, "returned", False, "re_engagement"),
        (MoveAct.NURTURE, "no_answer", False, "re_engagement"),
        (MoveAct.DISQUALIFY, "junk", False, None),
        (MoveAct.REJECT, "unheard_of", False, None),
        (MoveAct.ACCEPT, "", False, None),
        ("", "", False, None),
    ],
)
def test_a_reason_enrols_at_once_or_leaves_the_decision_to_marketing(
    act: str, reason: str, decides: bool, sequence: str | None
) -> None:
    reasons = parse_reasons(default_reasons())
    assert reasons.decides_marketing(act=act, reason=reason) is decides
    assert reasons.sequence_of(act=act, reason=reason) == sequence


def test_a_reason_reads_in_the_active_language() -> None:
    choice = parse_reasons(default_reasons()).find(act=MoveAct.REJECT, reason="no_budget")
    assert choice is not None
    with translation.override("pt-br"):
        assert str(choice.label) == "Sem orçamento"
    with translation.override("en"):
        assert str(choice.label) == "No budget"


def test_a_reason_without_a_target_leads_to_nurture_and_out_of_disqualify() -> None:
    one = [{"key": "x", "label": "X"}]
    reasons = parse_reasons({"reject": one, "lose": one, "nurture": one, "disqualify": one})
    targets = {
        act: reasons.choices(act)[0].target for act in (MoveAct.REJECT, MoveAct.LOSE, MoveAct.DISQUALIFY)
    }
    assert targets == {
        MoveAct.REJECT: Stage.NURTURE,
        MoveAct.LOSE: Stage.NURTURE,
        MoveAct.DISQUALIFY: Stage.DISQUALIFIED,
    }


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"reject": []}, "reject"),
        ({"reject": "no"}, "reject"),
        ({"win": []}, "win"),
        ({"reject": [{"key": "X!", "label": "X"}]}, "reject[0].key"),
        ({"reject": [{"key": "x", "label": ""}]}, "reject[0].label.en"),
        ({"reject": [{"key": "x", "label": {"de": "X"}}]}, "reject[0].label.de"),
        ({"reject": [{"key": "x"}]}, "reject[0].label"),
        ({"reject": [{"key": "x", "label": "X", "target": "customer"}]}, "reject[0].target"),
        ({"lose": [{"key": "x", "label": "X", "target": "working"}]}, "lose[0].target"),
        ({"nurture": [{"key": "x", "label": "X", "target": "disqualified"}]}, "nurture[0].target"),
        ({"disqualify": [{"key": "x", "label": "X", "sequence": "again"}]}, "disqualify[0].sequence"),
        ({"reject": [{"key": "x", "label": "X", "sequence": 7}]}, "reject[0].sequence"),
        ({"reject": [{"key": "x", "label": "X", "colour": "red"}]}, "reject[0]"),
        ({"reject": [{"key": "x", "label": "X"}, {"key": "x", "label": "Y"}]}, "reject"),
    ],
)
def test_a_faulty_document_is_refused_at_the_place_of_the_fault(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        parse_reasons(default_reasons() | change)
    assert [problem.field for problem in refusal.value.errors] == [path]
