"""Rules are edited in the browser: a draft, compared in words, published, discarded, begun again from an earlier version."""

import json
from typing import Any

import pytest
from django.test import Client

from leads import acts
from leads.models import LeadState, Rerun, RuleKind, RuleVersion, Stage, VersionStatus
from leads.qualification.frameworks import list_frameworks
from leads.versions import find_draft, open_rulebook, save_draft
from scoring.documents import MAX_RULES
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Membership, Team, TeamFunction, User
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_rule, publish_rules
from tests.conftest import NOW
from tests.leads.sent_forms import fields_of

EDITED = {
    "scoring": "main",
    "grading": "main",
    "gates": "main",
    "routing": "main",
    "sequence": "re_engagement",
    "qualification": "bant",
}
PRICING = {
    "fact": "event_count",
    "event": "pricing_viewed",
    "days": 14,
    "where": {"fact": "properties.path", "op": "starts_with", "value": "/planos"},
    "op": "gte",
    "value": 2,
}
NESTED = {
    "all": [
        {"any": [PRICING, {"fact": "company_size", "op": "between", "value": [20, 1000]}]},
        {"none": [PRICING]},
    ]
}


def sign_in(member: Membership) -> Client:
    user = member.user
    assert user is not None
    user.language = "en"
    user.save()
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def marketing(tenant: Any) -> Client:
    with tenant_scope(tenant.pk):
        return sign_in(make_member(role="marketing", name="Clara"))


@pytest.fixture
def colleague(tenant: Any) -> Client:
    with tenant_scope(tenant.pk):
        return sign_in(make_member(role="marketing", name="Davi"))


def address(kind: str, page: str = "", name: str = "") -> str:
    return f"/t/horizonte/rules/{kind}/{name or EDITED[kind]}/{page}"


def read(client: Client, kind: str, page: str = "", name: str = "") -> str:
    response = client.get(address(kind, page, name))
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def opened(client: Client, kind: str) -> dict[str, list[str]]:
    return fields_of(read(client, kind, "edit/"), form_id="rules-form")


def send(client: Client, kind: str, fields: dict[str, list[str]]) -> Any:
    return client.post(address(kind, "edit/"), fields)


def drafted(tenant: Any, kind: str) -> RuleVersion | None:
    with tenant_scope(tenant.pk):
        return find_draft(kind=kind, name=EDITED[kind])


def draft_of(tenant: Any, kind: str) -> Any:
    draft = drafted(tenant, kind)
    assert draft is not None
    return draft.document


@pytest.mark.parametrize("kind", EDITED)
def test_opening_and_saving_a_default_document_changes_nothing(
    marketing: Client, tenant: Any, kind: str
) -> None:
    answer = send(marketing, kind, opened(marketing, kind))
    assert answer.status_code == 302
    assert answer["Location"] == address(kind)
    assert drafted(tenant, kind) is None


DOCUMENTS: dict[str, dict[str, Any]] = {
    "scoring": {
        "rules": [
            make_rule(id="a", label={"pt-br": "Só em português"}, points="-2.5", cap="-7.25", count="daily")
            | {"window_days": None, "event": {"type": "webinar_attended", "where": PRICING["where"]}},
            {"id": "b", "label": {"en": "Size", "pt-br": "Porte"}, "points": "5", "when": NESTED},
        ],
        "model_cap": "120",
    },
    "grading": {
        "start": "C+",
        "criteria": [
            {
                "id": "x",
                "label": {"en": "Tags"},
                "steps": 3,
                "when": {"fact": "tags", "op": "has_any", "value": ["a"]},
            }
        ],
    },
    "gates": {
        "gates": [
            {"id": "one", "label": {"en": "One"}, "from": ["nurture"], "to": "mql", "when": NESTED},
            {
                "id": "two",
                "label": {"en": "Two"},
                "from": ["new", "nurture"],
                "to": "mql",
                "when": {"fact": "grade", "op": "gte", "value": "A-"},
            },
        ]
    },
}


DOCUMENTS["qualification"] = {
    "label": {"en": "Fit", "pt-br": "Aderência"},
    "questions": [
        {"key": "plants", "label": {"en": "Plants"}},
        {"key": "budget", "label": {"pt-br": "Verba"}, "help": {"en": "They can pay."}},
    ],
    "exit": {"required": ["budget"]},
}
DOCUMENTS["sequence"] = {
    "key": "re_engagement",
    "label": {"en": "Back"},
    "purpose": "news",
    "from_name": "Ana from Horizonte",
    "steps": [
        {
            "id": "hello",
            "kind": "email",
            "template": {
                "pt-br": {"subject": "Olá", "body_markdown": "\n  Um\n\nDois\\\n{{ sender.name }}\n\n"}
            },
        },
        {"id": "pause", "kind": "wait", "hours": 36},
        {"id": "branch", "kind": "condition", "when": NESTED, "then": "last", "else": "exit"},
        {"id": "second", "kind": "condition", "when": PRICING, "then": None, "else": "stop"},
        {"id": "last", "kind": "wait", "days": 2},
        {"id": "stop", "kind": "exit"},
    ],
    "exit_when": {"fact": "score", "op": "gte", "value": 80},
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_nothing_of_a_document_is_lost_by_opening_and_saving_it(
    marketing: Client, tenant: Any, kind: str
) -> None:
    with tenant_scope(tenant.pk):
        save_draft(kind=RuleKind(kind), name=EDITED[kind], document=DOCUMENTS[kind], by=None, now=NOW)
    assert send(marketing, kind, opened(marketing, kind)).status_code == 302
    kept = draft_of(tenant, kind)
    sent = json.loads(json.dumps(DOCUMENTS[kind]))
    assert kept == sent


def test_routing_rules_keep_their_targets_order_and_pools(marketing: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        team = Team.objects.create(name="Sul", function=TeamFunction.SDR)
        person = make_member(role="sales", name="Rita")
        targets = [{"team": team.pk}, {"pool": "sdr-fallback"}, {"member": person.pk}]
        rules = [
            {"id": f"r-{number}", "label": {"en": f"R{number}"}, "function": "sdr", "when": when, "to": to}
            for number, (to, when) in enumerate(zip(targets, [NESTED, None, PRICING], strict=True))
        ]
        document = {"rules": rules, "fallback": {"sdr": "sdr-fallback", "sales": "sales-fallback"}}
        save_draft(kind=RuleKind.ROUTING, document=document, by=None, now=NOW)
    sent = opened(marketing, "routing")
    assert send(marketing, "routing", sent).status_code == 302
    assert draft_of(tenant, "routing") == document
    sent = opened(marketing, "routing")
    sent["row"].reverse()
    assert send(marketing, "routing", sent).status_code == 302
    assert [rule["id"] for rule in draft_of(tenant, "routing")["rules"]] == ["r-2", "r-1", "r-0"]


def change_points(fields: dict[str, list[str]], rule: str, points: str) -> dict[str, list[str]]:
    row = next(
        name.partition("-")[0] for name, values in fields.items() if name.endswith("-id") and values == [rule]
    )
    return fields | {f"{row}-points": [points]}


def test_a_change_is_a_draft_that_decides_nothing_and_reads_beside_what_is_published(
    marketing: Client, tenant: Any
) -> None:
    sent = change_points(opened(marketing, "scoring"), "careers_viewed", "-25")
    removed = next(
        n.partition("-")[0] for n, v in sent.items() if n.endswith("-id") and v == ["email_opened"]
    )
    sent["row"] = [row for row in sent["row"] if row != removed] + ["n1"]
    sent |= {
        "n1-is": ["event"],
        "n1-label.en": ["Asked a question"],
        "n1-label.pt-br": [""],
        "n1-event.type": ["question_asked"],
        "n1-points": ["15"],
        "n1-count": ["each"],
    }
    answer = send(marketing, "scoring", sent)
    assert (answer.status_code, answer["Location"]) == (302, address("scoring", "review/"))
    review = read(marketing, "scoring", "review/")
    assert "3 changes since version 1" in review
    for words in ("−20", "−25", "Asked a question", "E-mail opened", "Saved last by Clara"):
        assert words in review
    rule = draft_of(tenant, "scoring")["rules"][-1]
    assert rule == {
        "id": "asked_a_question",
        "label": {"en": "Asked a question"},
        "event": {"type": "question_asked", "where": None},
        "count": "each",
        "points": "15",
        "cap": None,
        "window_days": None,
    }
    assert "There is a draft, saved by Clara" in read(marketing, "scoring")
    assert "Asked a question" not in read(marketing, "scoring")


def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(marketing: Client, tenant: Any) -> None:
    sent = change_points(opened(marketing, "scoring"), "careers_viewed", "many")
    sent["r0-label.en"] = ["A new name"]
    sent["r1-event.where"] = [json.dumps({"all": [{"fact": "properties.kind", "op": "eq"}]})]
    sent["whole-model_cap"] = ["0"]
    answer = send(marketing, "scoring", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    for words in (
        "Give a number",
        "Give a number above 0",
        'value="many"',
        'value="A new name"',
        "Give a value",
    ):
        assert words in page, words
    assert "all[0].value" in page
    assert drafted(tenant, "scoring") is None
    again = fields_of(page, form_id="rules-form")
    mended = change_points(again, "careers_viewed", "-21") | {
        "r1-event.where": sent["r1-event.where"] and [""],
        "whole-model_cap": ["90,5"],
    }
    assert send(marketing, "scoring", mended).status_code == 302
    document = draft_of(tenant, "scoring")
    assert document["model_cap"] == "90.5"
    assert document["rules"][0]["label"]["en"] == "A new name"


def test_what_was_left_empty_is_to_be_filled_in_and_nobody_reads_of_json(marketing: Client) -> None:
    sent = change_points(opened(marketing, "scoring"), "careers_viewed", "")
    sent["r0-label.en"] = sent["r0-label.pt-br"] = [""]
    page = send(marketing, "scoring", sent).content.decode()
    assert "Please fill this in." in page
    assert "Give the number as a text" not in page
    assert "Give a label" not in page


def test_htmx_gets_the_form_alone_and_then_the_way_to_the_comparison(marketing: Client) -> None:
    sent = opened(marketing, "grading")
    wrong = marketing.post(
        address("grading", "edit/"), sent | {"r0-steps": ["9"]}, headers={"HX-Request": "true"}
    )
    assert wrong.status_code == 422
    assert "<html" not in wrong.content.decode()
    good = marketing.post(
        address("grading", "edit/"), sent | {"r0-steps": ["3"]}, headers={"HX-Request": "true"}
    )
    assert (good.status_code, good["HX-Redirect"]) == (204, address("grading", "review/"))


def test_a_rule_may_not_read_what_follows_from_it(marketing: Client) -> None:
    sent = opened(marketing, "grading")
    sent["r0-when"] = [json.dumps({"fact": "score", "op": "gte", "value": 5})]
    answer = send(marketing, "grading", sent)
    assert answer.status_code == 422
    assert "follows from these rules" in answer.content.decode()
    offered = json.loads(
        answer.content.decode()
        .split('id="condition-vocabulary" type="application/json">')[1]
        .split("</script>")[0]
    )
    assert "score" not in {fact["key"] for fact in offered["facts"]}


def test_who_saves_second_is_told_and_keeps_what_they_typed(
    marketing: Client, colleague: Client, tenant: Any
) -> None:
    mine, theirs = opened(marketing, "scoring"), opened(colleague, "scoring")
    assert send(colleague, "scoring", change_points(theirs, "careers_viewed", "-30")).status_code == 302
    answer = send(marketing, "scoring", change_points(mine, "careers_viewed", "-40"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Davi saved this draft after you opened it." in page
    assert 'value="-40"' in page
    # The rows read as they were typed here, not as the other draft has them.
    assert "−40" in page
    assert "−30" not in page.split("careers_viewed")[1].split("</summary>")[0]
    draft = drafted(tenant, "scoring")
    assert draft is not None
    anyway = fields_of(page, form_id="rules-form") | {"anyway": [draft.content_hash]}
    assert send(marketing, "scoring", anyway).status_code == 302
    points = {rule["id"]: rule["points"] for rule in draft_of(tenant, "scoring")["rules"]}
    assert points["careers_viewed"] == "-40"
    with tenant_scope(tenant.pk):
        assert RuleVersion.objects.filter(kind="scoring", status=VersionStatus.DRAFT).count() == 1


def make_draft(client: Client, points: str = "-25") -> None:
    assert (
        send(
            client, "scoring", change_points(opened(client, "scoring"), "careers_viewed", points)
        ).status_code
        == 302
    )


def test_publishing_keeps_the_note_goes_over_all_leads_and_is_audited(marketing: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        make_lead()
    make_draft(marketing)
    fields = {"draft": draft_hash(tenant), "note": "Too many job seekers"}
    answer = marketing.post(address("scoring", "publish/"), fields, follow=True)
    page = answer.content.decode()
    assert "Version 2 is published." in page
    assert "Going over all leads" in page
    assert "Too many job seekers" in page
    with tenant_scope(tenant.pk):
        assert Rerun.objects.filter(version__number=2).exists()
        said = [sentence_of(entry) for entry in AuditEntry.objects.order_by("-pk")[:2]]
        assert RuleVersion.objects.get(kind="scoring", number=1).status == VersionStatus.ARCHIVED
    assert said[0].startswith("Published version 2 of the Scoring model. Note: Too many")
    assert said[1].startswith("Began a draft of the Scoring model")


def draft_hash(tenant: Any) -> str:
    draft = drafted(tenant, "scoring")
    return draft.content_hash if draft else ""


def test_only_the_draft_that_was_looked_at_is_published(
    marketing: Client, colleague: Client, tenant: Any
) -> None:
    make_draft(marketing)
    looked_at = draft_hash(tenant)
    make_draft(colleague, "-99")
    for act in ("publish/", "discard/"):
        answer = marketing.post(address("scoring", act), {"draft": looked_at}, follow=True)
        assert "Davi saved this draft after you opened it." in answer.content.decode()
    with tenant_scope(tenant.pk):
        assert RuleVersion.objects.get(kind="scoring", status="published").number == 1


def test_a_draft_is_discarded_and_its_number_is_free_again(marketing: Client, tenant: Any) -> None:
    make_draft(marketing)
    fields = {"draft": draft_hash(tenant)}
    answer = marketing.post(address("scoring", "discard/"), fields, follow=True)
    assert "The draft is discarded" in answer.content.decode()
    assert drafted(tenant, "scoring") is None
    gone = marketing.post(address("scoring", "discard/"), fields, follow=True)
    assert "published or discarded after you opened it" in gone.content.decode()
    assert marketing.get(address("scoring", "review/")).status_code == 404


def test_an_earlier_version_is_used_again_as_a_draft(marketing: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        first = RuleVersion.objects.get(kind="scoring", number=1).document
        publish_rules(
            kind=RuleKind.SCORING, document={"rules": [make_rule(label="Second")], "model_cap": None}
        )
    assert "Use version 1 again" in read(marketing, "scoring", "1/")
    answer = marketing.post(address("scoring", "1/reuse/"), follow=True)
    assert "changes since version 2" in answer.content.decode()
    assert draft_of(tenant, "scoring") == first
    answer = marketing.post(address("scoring", "1/reuse/"), follow=True)
    assert "There is a draft already" in answer.content.decode()


def test_a_draft_whose_target_is_gone_is_not_published(marketing: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        team = Team.objects.create(name="Sul", function=TeamFunction.SDR)
        rule = {"id": "r", "label": "R", "function": "sdr", "when": None, "to": {"team": team.pk}}
        document = {"rules": [rule], "fallback": {"sdr": "sdr-fallback", "sales": "sales-fallback"}}
        draft = save_draft(kind=RuleKind.ROUTING, document=document, by=None, now=NOW)
        team.delete()
    answer = marketing.post(address("routing", "publish/"), {"draft": draft.content_hash}, follow=True)
    assert "Not published. There is no such team in SDR." in answer.content.decode()


def test_a_draft_that_names_what_is_gone_can_still_be_opened_and_mended(
    marketing: Client, tenant: Any
) -> None:
    with tenant_scope(tenant.pk):
        document = RuleVersion.objects.get(kind="gates").document
        gone = {"fact": "answer.bant.nothing", "op": "is_true"}
        rule = document["gates"][0] | {"when": gone}
        draft = save_draft(kind=RuleKind.GATES, document=document, by=None, now=NOW)
        RuleVersion.objects.filter(pk=draft.pk).update(document={"gates": [rule]})
    answer = marketing.get(address("gates", "review/"), follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == address("gates", "edit/")
    assert "can&#x27;t be read any more" in page
    sent = fields_of(page, form_id="rules-form")
    assert json.loads(sent["r0-when"][0]) == gone
    mended = sent | {"r0-when": [json.dumps(PRICING)]}
    assert send(marketing, "gates", mended).status_code == 302


def test_kinds_without_an_editor_say_so(marketing: Client) -> None:
    assert marketing.get(address("clocks", "edit/", "main")).status_code == 404
    assert 'data-key="e"' not in read(marketing, "clocks", "", "main")


def test_a_question_is_added_required_and_asked_by_its_new_order(marketing: Client, tenant: Any) -> None:
    sent = opened(marketing, "qualification")
    del sent["r3-is_required"]
    sent["row"] = ["n1", "r3", "r0", "r1"]
    sent |= {
        "n1-is": ["question"],
        "n1-label.en": ["Budget"],
        "n1-label.pt-br": ["Verba já aprovada"],
        "n1-help.en": [""],
        "n1-is_required": ["1"],
    }
    assert send(marketing, "qualification", sent).status_code == 302
    review = read(marketing, "qualification", "review/")
    for words in ("Budget", "Need", "Timeline"):
        assert words in review
    draft = draft_of(tenant, "qualification")
    assert [each["key"] for each in draft["questions"]] == ["budget_2", "timeline", "budget", "authority"]
    assert draft["label"] == "BANT"
    assert draft["exit"] == {"required": ["budget_2", "budget", "authority"]}
    drafted_hash = drafted(tenant, "qualification")
    assert drafted_hash is not None
    marketing.post(address("qualification", "publish/"), {"draft": drafted_hash.content_hash})
    with tenant_scope(tenant.pk):
        rules = list_frameworks(open_rulebook())["bant"]
    assert rules.required == {"budget_2", "budget", "authority"}
    nothing = opened(marketing, "qualification")
    nothing["row"] = []
    answer = send(marketing, "qualification", nothing)
    assert (answer.status_code, "Give 1 to 20 questions" in answer.content.decode()) == (422, True)


def test_another_text_of_an_email_is_a_change_that_is_named(marketing: Client, tenant: Any) -> None:
    sent = opened(marketing, "sequence")
    sent["r0-template.en.body_markdown"] = ["Hello {{ lead.first_name }}"]
    assert send(marketing, "sequence", sent).status_code == 302
    review = read(marketing, "sequence", "review/")
    assert "1 change since version 1" in review
    assert "Its text is another one." in review


def test_faults_of_a_text_are_told_by_line_at_the_step(marketing: Client) -> None:
    sent = opened(marketing, "sequence")
    sent["r0-template.en.body_markdown"] = ["Hello\n{{ lead.nothing }}"]
    sent["r4-then"] = ["in_touch"]
    answer = send(marketing, "sequence", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Line 2" in page
    assert "Name a later step" in page


def test_a_new_sequence_begins_as_a_draft_of_its_own(marketing: Client, tenant: Any) -> None:
    answer = marketing.post("/t/horizonte/rules/new/sequence/", {"name": "After the webinar"})
    assert (answer.status_code, answer["Location"]) == (
        302,
        address("sequence", "edit/", "after_the_webinar"),
    )
    sent = fields_of(read(marketing, "sequence", "edit/", "after_the_webinar"), form_id="rules-form")
    assert (
        send_to(marketing, "after_the_webinar", sent | {"whole-label.en": ["After the fair"]}).status_code
        == 302
    )
    review = read(marketing, "sequence", "review/", "after_the_webinar")
    assert "A first version, not published yet" in review
    found = marketing.get("/t/horizonte/rules/", {"q": "FAIR"}).content.decode()
    assert "Sequence: After the fair" in found
    assert "1 set of rules<" in found
    again = marketing.post("/t/horizonte/rules/new/sequence/", {"name": "After the  webinar!"})
    assert again.status_code == 422
    assert "There is one of this name already" in again.content.decode()


def test_a_new_framework_is_made_by_pages_alone_and_asked_at_once(marketing: Client, tenant: Any) -> None:
    assert "rules/new/qualification/" in marketing.get("/t/horizonte/rules/").content.decode()
    assert marketing.get("/t/horizonte/rules/new/scoring/").status_code == 404
    assert marketing.post("/t/horizonte/rules/new/qualification/", {"name": "!"}).status_code == 422
    answer = marketing.post("/t/horizonte/rules/new/qualification/", {"name": "ANUM"})
    assert answer["Location"] == address("qualification", "edit/", "anum")
    sent = fields_of(read(marketing, "qualification", "edit/", "anum"), form_id="rules-form")
    sent |= {
        "row": [*sent["row"], "n1"],
        "n1-is": ["question"],
        "n1-label.en": ["Money"],
        "n1-is_required": [],
    }
    assert marketing.post(address("qualification", "edit/", "anum"), sent).status_code == 302
    with tenant_scope(tenant.pk):
        draft = RuleVersion.objects.get(kind=RuleKind.QUALIFICATION, name="anum")
        sdr = make_member(role="sdr")
        lead = make_lead(stage="working", standing={"owner_sdr": sdr})
    assert [each["key"] for each in draft.document["questions"]] == ["need", "money"]
    assert draft.document["exit"] == {"required": ["need"]}
    published = marketing.post(address("qualification", "publish/", "anum"), {"draft": draft.content_hash})
    assert published.status_code == 302
    page = sign_in(sdr).get(f"/t/horizonte/leads/{lead.pk}/").content.decode()
    assert "ANUM" in page
    with tenant_scope(tenant.pk):
        acts.assess(lead_id=lead.pk, framework="anum", answers={"need": {"met": True}}, by=sdr, now=NOW)
        acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
        assert LeadState.objects.get(lead=lead).stage == Stage.SALES_QUALIFIED


def send_to(client: Client, sequence: str, fields: dict[str, list[str]]) -> Any:
    return client.post(address("sequence", "edit/", sequence), fields)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("Hello {{ lead.first_name }}, **read** this\r\n", "Hello Mariana, <strong>read</strong> this"),
        ("One\n{{ lead.nothing }}", "Line 2"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
    ],
)
def test_an_email_is_shown_as_it_will_look_in_a_frame_where_nothing_runs(
    marketing: Client, body: str, shown: str
) -> None:
    fields = {"subject": "Hi", "body": body, "language": "en", "from_name": ""}
    answer = marketing.post("/t/horizonte/sequences/preview/", fields)
    assert answer.status_code == 200
    assert shown in answer.content.decode()
    assert "<strong>Hi</strong>" in answer.content.decode() or "Line" in shown
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "script-src" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("language", ["pt-br", "en"])
def test_numbers_are_shown_and_read_as_the_language_writes_them(
    marketing: Client, tenant: Any, language: str
) -> None:
    document = {"rules": [make_rule(points="2.5", label={"en": "Half"})], "model_cap": None}
    with tenant_scope(tenant.pk):
        save_draft(kind=RuleKind.SCORING, document=document, by=None, now=NOW)
    shown = "2.5" if language == "en" else "2,5"
    User.objects.filter(pk=marketing.session["_auth_user_id"]).update(language=language)
    sent = opened(marketing, "scoring")
    assert sent["r0-points"] == [shown]
    assert send(marketing, "scoring", sent).status_code == 302
    assert draft_of(tenant, "scoring")["rules"][0]["points"] == "2.5"


def test_as_many_rules_as_a_document_takes_can_be_edited(marketing: Client, tenant: Any) -> None:
    rules = [
        make_rule(id=f"r{number}", label={"en": f"R{number}", "pt-br": f"R{number}"})
        for number in range(MAX_RULES)
    ]
    with tenant_scope(tenant.pk):
        document = {"rules": rules, "model_cap": None}
        save_draft(kind=RuleKind.SCORING, document=document, by=None, now=NOW)
    assert send(marketing, "scoring", opened(marketing, "scoring")).status_code == 302
    assert len(draft_of(tenant, "scoring")["rules"]) == MAX_RULES


def test_rows_of_a_long_document_go_along_as_they_are_until_they_are_opened(
    marketing: Client, tenant: Any
) -> None:
    """An editor of a hundred rules is an ordinary page; what nobody opened is saved as it was."""
    rules = [
        make_rule(id=f"r{n}", label={"en": f"It's <R> {n}"}, event=None, when=(PRICING, NESTED)[n % 4 == 0])
        if n % 2
        else make_rule(id=f"r{n}", label={"en": f"It's <R> {n}"}, count="daily", cap="20", window_days=30)
        for n in range(100)
    ]
    with tenant_scope(tenant.pk):
        save_draft(kind=RuleKind.SCORING, document={"rules": rules, "model_cap": None}, by=None, now=NOW)
    page = read(marketing, "scoring", "edit/")
    assert len(page.encode()) < 150_000
    assert page.count("It&#x27;s &lt;R&gt; 99") == 1
    sent = fields_of(page, form_id="rules-form")
    assert send(marketing, "scoring", sent).status_code == 302
    assert draft_of(tenant, "scoring")["rules"] == rules

    asked = {"row": "r99", "r99-kept": sent["r99-kept"][0]}
    fields = marketing.post(address("scoring", "row/"), asked).content.decode()
    assert 'value="It&#x27;s &lt;R&gt; 99"' in fields
    row = fields_of(f'<form id="row">{fields}</form>', form_id="row")
    del sent["r99-kept"]
    sent |= row | {"r99-points": ["many"], "replacing": opened(marketing, "scoring")["replacing"]}
    answer = send(marketing, "scoring", sent)
    assert (answer.status_code, "Give a number" in answer.content.decode()) == (422, True)
    assert send(marketing, "scoring", sent | {"r99-points": ["7"]}).status_code == 302
    saved = draft_of(tenant, "scoring")["rules"]
    assert saved[:99] == rules[:99]
    assert saved[99] == rules[99] | {"points": "7", "when": PRICING}

    for kept in ("{", "[1]", '{"points": NaN}', '{"label": "\\u0000"}', "", "[" * 100_000):
        wrong = marketing.post(address("scoring", "row/"), {"row": "r1", "r1-kept": kept})
        assert wrong.status_code == 400, kept[:20]
        if kept:
            assert send(marketing, "scoring", sent | {"r98-kept": [kept]}).status_code == 400, kept[:20]


def test_the_editor_of_the_default_rules_is_a_page_of_ordinary_size(marketing: Client) -> None:
    sizes = {kind: len(read(marketing, kind, "edit/").encode()) for kind in EDITED}
    assert {kind: size for kind, size in sizes.items() if size > 150_000} == {}
