import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.scoring.phrases import label, money_for_people, number_for_people, phrase_of
from leadscore_dagster.core.table.features.catalogue import Feature


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (1.2e9, "$1.2bn"),
        (9.5e8, "$950m"),
        (999.96e6, "$1bn"),
        (12_345, "$12k"),
        (12, "$12"),
        (0, "$0"),
        (-3e12, "-$3tn"),
    ],
)
def test_money_is_said_as_people_say_it(dollars, text):
    assert money_for_people(dollars) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (2.345, "2.3"),
        (1_234_567.0, "1,234,567"),
        (0.00123, "0.0012"),
        (1e-9, "close to 0"),
        (1e20, "1e+20"),
        (float("inf"), "inf"),
        (-7.5, "-7.5"),
    ],
)
def test_numbers_are_said_short(number, text):
    assert number_for_people(number) == text


def test_labels_are_words():
    assert label("MilesToWork") == "miles to work"
    assert label("AUM_per_Client") == "AUM per client"
    assert label("current_tenure") == "current tenure"


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        (Feature("a", "", "number", "months", phrase="{value:.0f} months here"), 8.4, "8 months here"),
        (Feature("a", "", "number", "$ millions", phrase="{value} managed"), 1200.0, "$1.2bn managed"),
        (Feature("a", "", "number", "percent", phrase="grew {value}"), 12.0, "grew 12%"),
        (Feature("a", "", "number", "share", phrase="{value} in funds"), 0.25, "25% in funds"),
        (Feature("a", "", "flag", phrase="holds a CFP"), 1.0, "holds a CFP"),
        (Feature("a", "", "flag", phrase="holds a CFP"), 0.0, None),
        (Feature("a", "", "flag", phrase="holds a CFP", phrase_absent="holds no CFP"), 0.0, "holds no CFP"),
        (Feature("a", "", "category", phrase="firm is {value}"), " In-\nhouse ", "firm is In- house"),
        (Feature("a", "", "number", phrase="very large firm"), 12000.0, "very large firm (12,000)"),
        (Feature("years_here", "", "number"), 3.0, "years here: 3"),
        (None, "married", "a: married"),
    ],
)
def test_phrases_are_filled_in(feature, value, text):
    assert phrase_of(feature.name if feature else "a", feature)(value) == text


def test_a_missing_value_is_not_known_and_is_never_read_as_a_number():
    say = phrase_of("current_tenure", Feature("current_tenure", "", "number", phrase="{value:.0f} months here"))
    assert say(None) == "current tenure not known"
    flag = Feature("holds_cfp", "", "flag", phrase="holds a CFP")
    assert phrase_of("holds_cfp", flag)(None) == "holds cfp not known"


@pytest.mark.parametrize("phrase", ["{month} months", "{value:.0q}", "{value!r}", "{value", "{value.real}", "{}"])
def test_a_phrase_that_cannot_be_filled_in_is_refused_with_the_features_name(phrase):
    with pytest.raises(InputError, match="column tenure"):
        phrase_of("tenure", Feature("tenure", "", "number", phrase=phrase))


def test_a_number_format_on_a_word_is_refused():
    with pytest.raises(InputError, match="formats a number"):
        phrase_of("state", Feature("state", "", "category", phrase="{value:.0f}"))
