"""Clocks, stage path, score, why and condition builder as they are drawn."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.template import Context, Template
from django.utils import translation

from tenancy.components import Chart, ClockFace, Series, StagePoint, Why, WhyInput, WhyRule
from tenancy.fragments import Undo, trigger_toast
from tenancy.templatetags.ui import initials

DUE = datetime(2026, 11, 24, 18, 20, tzinfo=UTC)


def draw(source: str, **context: Any) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


def make_face(**parts: Any) -> ClockFace:
    usual: dict[str, Any] = {
        "label": "First contact",
        "state": "running",
        "due_at": DUE,
        "left_seconds": 6120,
        "total_seconds": 86400,
    }
    return ClockFace(**usual | parts)


@pytest.mark.parametrize(
    ("left", "tone", "time"),
    [
        (86400, "quiet", "24:00"),
        (21601, "quiet", "06:00"),
        (21600, "soon", "06:00"),
        (8640, "late", "02:24"),
        (59, "late", "00:00"),
        (-2100, "late", "+00:35"),
    ],
)
def test_a_clock_is_coloured_by_the_share_of_its_time(left: int, tone: str, time: str) -> None:
    face = make_face(left_seconds=left)
    assert (face.tone, face.time) == (tone, time)


@pytest.mark.parametrize(
    ("state", "was_broken", "word", "tone"),
    [
        ("met", False, "met", "good"),
        ("met", True, "met late", "late"),
        ("cancelled", False, "cancelled", "quiet"),
    ],
)
def test_a_clock_that_ended_says_how(state: str, was_broken: bool, word: str, tone: str) -> None:
    html = draw("{% clock face %}", face=make_face(state=state, was_broken=was_broken))
    assert word in html
    assert f"tone-{tone}" in html
    assert "data-clock-time" not in html


def test_a_clock_gives_its_script_plain_numbers_in_any_language() -> None:
    with translation.override("pt-br"):
        html = draw("{% clock face %}", face=make_face(open_for_seconds=0))
    assert 'data-left="6120"' in html
    assert 'data-soon="0.75"' in html
    assert 'data-open-for="0"' in html


def test_the_stage_path_names_the_current_step_for_screen_readers() -> None:
    points = [
        StagePoint(key="new", label="New", state="done"),
        StagePoint(key="mql", label="MQL", state="current"),
    ]
    html = draw("{% stage_path points %}", points=points)
    assert html.count('aria-current="step"') == 1
    assert "reached" in html


def test_score_and_grade_open_their_explanations() -> None:
    html = draw('{% score_badge 73 "B+" score_url="/why/score/" grade_url="/why/grade/" %}')
    assert 'hx-get="/why/score/"' in html
    assert 'href="/why/grade/"' in html


def test_unknown_is_told_apart_from_false() -> None:
    rules = [
        WhyRule(label="Size", verdict=None, inputs=[WhyInput(label="Company size", value="")]),
        WhyRule(label="Country", verdict=False),
        WhyRule(label="Seniority", verdict=True, effect="+2"),
    ]
    why = Why(title="Grade", result="B", rules=rules, smallest_change=["Fill in the company size."])
    html = draw('{% include "components/why.html" %}', why=why)
    assert [html.count(f"#{name}") for name in ("help-circle", "circle-x", "circle-check")] == [1, 1, 1]
    assert "unknown" in html
    assert "Fill in the company size." in html


def test_a_chart_carries_its_table_with_links_to_the_rows() -> None:
    chart = Chart(
        key="funnel",
        title="Funnel",
        category_label="Stage",
        categories=["New", "MQL"],
        series=[Series(name="Leads", values=[4210, None])],
        urls=["/t/a/leads/?stage=new"],
    )
    html = draw("{% chart chart %}", chart=chart)
    assert '<a href="/t/a/leads/?stage=new">New</a>' in html
    assert "4,210" in html
    assert "—" in html


def test_the_condition_builder_carries_the_tree_and_the_faults_without_breaking_out_of_its_attributes() -> (
    None
):
    html = draw(
        '{% condition_builder name="gate" label="Gate" vocabulary=vocabulary tree=tree errors=errors %}',
        vocabulary={"facts": [{"key": "name", "label": "</script><b>"}]},
        tree={"all": [{"fact": "name", "op": "eq", "value": '"><script>'}]},
        errors=[{"path": "all[0].value", "message": "Too long"}, {"path": "", "message": "Too many"}],
    )
    assert "<b>" not in html
    assert "><script>" not in html.replace(
        '<div data-cond-vocabulary hidden><script type="application/json">', ""
    ).replace('<div data-cond-errors hidden><script type="application/json">', "")
    assert "Too many" in html


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Mariana Ferraz", "MF"),
        ("ana de souza", "AS"),
        ("Élio", "É"),
        ("bruno@empresa.com", "BE"),
        ("", "?"),
        (None, "?"),
    ],
)
def test_an_avatar_has_the_first_letters_of_the_first_and_last_word(name: str | None, letters: str) -> None:
    assert initials(name) == letters


def test_a_toast_travels_in_a_header_whatever_its_letters() -> None:
    response = HttpResponse(headers={"HX-Trigger": '{"moved": true}'})
    trigger_toast(response, text="João é seu", undo=Undo("/undo/", {"user": "7"}))
    assert response["HX-Trigger"].isascii()
    assert '"moved": true' in response["HX-Trigger"]
    assert '"undo_url": "/undo/", "undo_values": {"user": "7"}' in response["HX-Trigger"]
