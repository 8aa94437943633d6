from hypothesis import given
from hypothesis import strategies as st

from rolloutctl.ui.table import table

WORDS = st.lists(st.text("abc", min_size=1, max_size=8), max_size=12).map(" ".join)


@given(rows=st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=4))
def test_cells_of_words_never_exceed_the_width(rows):
    """On 80 columns a table of ordinary words is never folded by the terminal."""
    drawn = table(("A", "B", "C"), rows, 80)

    assert all(len(line) <= 80 for line in drawn.splitlines())


def test_an_address_is_never_broken():
    """What people copy stands in one piece, even where it sticks out."""
    address = "flagd-file:///" + "a" * 100 + "#flag"

    drawn = table(("TARGET", "ADDRESS"), [("llm", address)], 80)

    assert address in drawn


def test_a_long_cell_wraps_under_its_own_column():
    """The reason of a verdict stays readable beside its gate."""
    drawn = table(("GATE", "BECAUSE"), [("errors", "word " * 30)], 60)

    lines = drawn.splitlines()
    assert lines[1].startswith("errors  word")
    assert lines[2].startswith("        word")
