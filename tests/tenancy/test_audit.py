"""The audit log in words."""

import re
from typing import Any

import pytest

from tenancy.audit import _sentences, sentence_of
from tenancy.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("in_tenant")
@pytest.mark.parametrize("value", [None, "", "sdr", 7, ["sdr", None], [["erp", "", ""]], {"key": ["erp"]}])
def test_every_act_reads_whatever_was_kept_of_it(value: Any) -> None:
    for act, sentence in _sentences.items():
        named = re.findall(r"%\((\w+)\)s", str(sentence))
        detail = dict.fromkeys([*named, "signs", "roles"], value)
        assert sentence_of(AuditEntry(act=act, subject="ERP", detail=detail))
        assert sentence_of(AuditEntry(act=act, subject="ERP", detail={}))
