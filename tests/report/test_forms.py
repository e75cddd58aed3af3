"""How values are shown, and what a CSV file gets."""

import math

import pytest
from hypothesis import given, strategies as st

from prunus.report import forms
from prunus.report.names import file_name, file_names, visible, visible_lines
from prunus.report.rendering import prose
from prunus.report.statistics import Interval
from prunus.report.tables import Column, Table, rows_csv, table_csv
from prunus.store import ProblemRow


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (forms.PERCENT, 0.5, "50.0"),
        (forms.POINTS, 0.0123, "+1.23"),
        (forms.POINTS, -0.0123, "−1.23"),
        (forms.POINTS, -0.000001, "0.00"),
        (forms.COUNT, 1234567, "1,234,567"),
        (forms.RATE, 0.30000000000000004, "0.3"),
        (forms.PREFIXED, 28_133_056, "28.1 M"),
        (forms.PREFIXED, 999_950, "1.00 M"),
        (forms.PREFIXED, 0.5, "0.50"),
        (forms.SCIENTIFIC, 3.1e-7, "3.1e−07"),
        (forms.RATIO, None, "–"),
        (forms.RATIO, math.nan, "–"),
        (forms.RATIO, math.inf, "–"),
        (forms.TIMES, Interval(0.421, 0.4, 0.44, 40), "0.42 [0.40, 0.44]"),
        (forms.TIMES_SPAN, (0.94, 0.4, 0.73), "0.40 to 0.94"),
        (forms.TIMES_SPAN, (0.5,), "0.50"),
        (forms.TIMES_SPAN, (), "–"),
        (forms.Bounds(forms.ACCURACY), Interval(0.9731, None, None, 1), "97.31"),
        (forms.TEXT, None, "–"),
        (forms.LISTED, (), "–"),
    ],
)
def test_a_value_is_shown_as_a_reader_expects(form: forms.Form, value: object, shown: str) -> None:
    assert form.show(value) == shown


def test_a_csv_file_has_numbers_in_the_unit_of_their_column() -> None:
    table = Table(
        "t",
        "caption",
        (
            Column("recipe", forms.TEXT),
            Column("accuracy, %", forms.Bounds(forms.ACCURACY), "measured"),
            Column("sparsity, %", forms.PERCENT, "computed"),
            Column("bytes", forms.COUNT, "measured"),
        ),
        (("=a", Interval(0.5, 0.25, 0.75, 3), 0.125, -5), ("b", None, None, None)),
    )
    assert table_csv(table).decode().splitlines() == [
        'recipe,"accuracy, % (measured)","accuracy, % (measured) low","accuracy, % (measured) high",'
        '"accuracy, % (measured) n","sparsity, % (computed)",bytes (measured)',
        "'=a,50.0,25.0,75.0,3,12.5,-5",
        "b,,,,0,,",
    ]


def test_stored_rows_are_written_as_they_are_but_for_formulas() -> None:
    rows = [ProblemRow(None, "+export", "-1", "@a,\tb\n=c")]
    assert rows_csv(rows).decode() == "trial,stage,kind,message\n,'+export,'-1,\"'@a,    b\n=c\"\n"
    assert rows_csv([]) == b""


@given(st.text())
def test_visible_text_hides_nothing(text: str) -> None:
    shown = visible(text)
    assert len(shown) <= 160
    assert not set(shown) & set("\x00\x1b\u202e\n\r\t")
    assert shown.encode().decode() == shown  # no lone surrogates


@given(st.text())
def test_lines_are_kept_where_they_may_be(text: str) -> None:
    assert set(visible_lines(text)) & {"\x1b", "\x00", "\r", "\u202e"} == set()


@given(st.text())
def test_a_file_name_is_one_everywhere(text: str) -> None:
    name = file_name(text)
    assert name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) <= 60


def test_names_that_would_share_a_file_are_kept_apart() -> None:
    names = file_names(["a.b", "a-b", "a_b", "c", "a-b-2"])
    assert names == {"a.b": "a-b", "a-b": "a-b-2", "a_b": "a-b-3", "c": "c", "a-b-2": "a-b-2-2"}
    assert len(set(names.values())) == 5


@given(st.text(alphabet="<>&\"'`ab \n{}%"))
def test_prose_has_no_markup_but_code(text: str) -> None:
    assert not set(str(prose(text)).replace("<code>", "").replace("</code>", "")) & set("<>\"'")


def test_numbers_stay_with_their_unit() -> None:
    assert str(prose("98.1 % and −1.2 points")) == "98.1\N{NO-BREAK SPACE}% and −1.2\N{NO-BREAK SPACE}points"
