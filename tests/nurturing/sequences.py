"""Sequences that tests publish."""

from datetime import datetime
from typing import Any

from leads.models import RuleKind, RuleVersion
from tests.builders import publish_rules
from tests.conftest import NOW


def email(step_id: str = "hello", *, subject: str = "Hello", body: str = "Hello there.") -> dict[str, Any]:
    """An e-mail step, in English."""
    return {
        "id": step_id,
        "kind": "email",
        "template": {"en": {"subject": subject, "body_markdown": body}},
    }


def wait(step_id: str = "wait", **duration: int) -> dict[str, Any]:
    """A wait, of a day if nothing else is said."""
    return {"id": step_id, "kind": "wait", **(duration or {"days": 1})}


def branch(step_id: str, when: dict[str, Any], then: str | None, otherwise: str | None) -> dict[str, Any]:
    """A condition step."""
    return {"id": step_id, "kind": "condition", "when": when, "then": then, "else": otherwise}


def sequence(*steps: dict[str, Any], key: str = "trial", **parts: Any) -> dict[str, Any]:
    """A document, with one e-mail if no steps are given."""
    return {
        "key": key,
        "label": "Trial",
        "purpose": "marketing",
        "from_name": None,
        "steps": list(steps) or [email()],
        "exit_when": None,
    } | parts


def publish_sequence(
    *steps: dict[str, Any], now: datetime = NOW, key: str = "trial", **parts: Any
) -> RuleVersion:
    """Publish a sequence as its next version."""
    return publish_rules(
        kind=RuleKind.SEQUENCE, document=sequence(*steps, key=key, **parts), name=key, now=now
    )
