"""Text from outside: what must not leave does not, and what is needed to understand does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadscore_dagster.core.alerts.text import (
    LONGEST,
    Crash,
    crash_evidence,
    evidence_of,
    plain,
    redact,
    secret_values,
)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://scores:hunter2secret@db.internal:5432/leads",
        "slack://hunter2secret/TBBB/TCCC",
        "https://hooks.slack.com/services/T0/B0/hunter2secret",
        "https://me:hunter2secret@example.com/",
        "http://example.com/x?sig=hunter2secret",
        "password=hunter2secret",
        "{'api_key': 'hunter2secret'}",
        "db_password: hunter2secret, retry",
        "Authorization: Bearer hunter2secret",
        "bearer hunter2secret",
        "hunter2secret@example.com",
        "aHVudGVyMnNlY3JldA0hunter2secretQmFzZTY0",
    ],
)
def test_secrets_are_masked_wherever_they_stand(text: str) -> None:
    for said in (redact(text), redact(f"it failed: {text}; then it stopped"), evidence_of(f"({text})")):
        assert "hunter2secret" not in said
        assert "…" in said


@pytest.mark.parametrize(
    "text",
    [
        "The expected calibration error is 0.081, above 0.05",
        "feature firm_net_flow_12_months_share_of_assets_1 leaks through employment_vintage.known_at",
        "version 2026-07-01-advisor_mql-3f9a12c4d5e6 was refused at 2026-07-01 06:00:00+00:00",
        "drops/reps_2024_q1_T1.csv, column RepCRD, 12 rows",
    ],
)
def test_what_is_needed_to_understand_stays(text: str) -> None:
    assert evidence_of(text) == text


def test_the_host_of_a_web_address_stays_and_the_rest_does_not() -> None:
    assert redact("GET https://vendor.example/drop/7?key=1 failed") == "GET https://vendor.example/… failed"


def test_values_of_secret_variables_are_masked_even_standing_alone() -> None:
    hidden = secret_values(
        {
            "DB_PASSWORD": "correcthorse",
            "LEADSCORE_ALERTS_ERROR": "slack://Tok3nAbc99/TBBB12345 mailto://bot:letmein-now@mail.example",
            "HOME": "/home/someone",
            "PWD_TOKEN": "short",
        }
    )
    said = redact("login of bot with correcthorse, Tok3nAbc99 or letmein-now in /home/someone", hidden)
    assert said == "login of bot with …, … or … in /home/someone"
    assert "short" not in hidden


def test_markup_mentions_and_control_characters_become_harmless() -> None:
    said = plain("<script>x</script> <!channel> [a](b) `c` *d* @everyone\r\n\x1b[31m|e|\\")
    assert not set("<>[]`*@|\\\n\x1b") & set(said)
    assert plain("α ≤ 5 – naïve") == "α ≤ 5 – naïve"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=1000))
def test_evidence_is_always_one_short_line_without_markup(text: str) -> None:
    said = evidence_of(text)
    assert len(said) <= LONGEST
    assert said == " ".join(said.split())
    assert not set("<>[]`*@|\\") & set(said)


def test_an_exception_nobody_wrote_for_readers_is_stripped_of_what_it_quotes() -> None:
    crash = Crash(
        "ConversionException", "Could not convert string 'O'Brien, Pat' and \"Smith\" of 1234567", "core/x.py:4 in f"
    )
    said = crash_evidence(crash)
    assert said == "ConversionException: Could not convert string '…' and '…' of … (at core/x.py:4 in f)"


def test_an_exception_written_for_readers_keeps_its_words() -> None:
    assert crash_evidence(Crash("InputError", "column 'RepCRD' is missing", told=True)) == "column 'RepCRD' is missing"


def test_only_the_first_line_of_an_exception_is_shown() -> None:
    assert crash_evidence(Crash("E", "first\nrow: Ann")) == "E: first"
    assert crash_evidence(Crash("E", "", "a.py:1 in f")) == "E (at a.py:1 in f)"
