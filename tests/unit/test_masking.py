"""What may not stand in a log or leave in a report."""

import pytest

from core.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail to ana.souza+crm@empresa.com.br refused", "mail to …@… refused"),
        ("Authorization: Bearer lsk_ab12_9fJ-x_Qw8", "Authorization: Bearer …"),
        ("key lsk_ab12_9fJxQw8 is unknown", "key lsk_… is unknown"),
        ("called +55 19 99888-7766 twice", "called +… twice"),
        ("redis://:s3cret@127.0.0.1:6379/0 away", "redis://:…@127.0.0.1:6379/0 away"),
        ("IntegrityError\nDETAIL:  Key (email)=(x) exists.\nend", "IntegrityError\nDETAIL: …\nend"),
        ("GET /u/q3Jb0mZ8u1W9s2K4x6V7c5N8a1D3f5G7h9J0k2L4m6Q/", "GET /u/…/"),
        ("token q3Jb0mZ8u1W9s2K4x6V7c5N8a1D3f5G7h9J0k2L4m6Q", "token …"),
    ],
)
def test_addresses_keys_numbers_and_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Internal Server Error: /t/horizonte/leads/812/",
        "2026-11-22 00:50:32 lead failed in the pipeline",
        "request 0f8fad5bd9cb469fa16570867728950e took 12.5 ms",
        'File "/srv/leadsys/leads/capture/intake.py", line 120, in take_in',
    ],
)
def test_what_operators_need_stays_readable(text: str) -> None:
    assert mask(text) == text
