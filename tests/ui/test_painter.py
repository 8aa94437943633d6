"""What is painted in place looks right on an independent terminal, whatever happens between."""

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from rolloutctl.ui.live_scene import line
from rolloutctl.ui.painter import Ink, Painter

ROW = st.text(alphabet="abcxyz ", max_size=19).map(str.rstrip)
FRAME = st.lists(ROW, min_size=1, max_size=7)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("paint"), FRAME),
        st.tuples(st.just("above"), ROW.filter(bool)),
        st.tuples(st.just("resize"), st.tuples(st.integers(20, 40), st.integers(8, 20))),
    ),
    max_size=12,
)


class Emulator:
    """A terminal of pyte's as the painter sees it."""

    def __init__(self, columns=40, rows=12):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self.writes = []

    def size(self):
        return self.screen.columns, self.screen.lines

    def write(self, text):
        self.writes.append(text)
        self._stream.feed(text)

    @property
    def shown(self):
        """Rows down to the cursor's."""
        return [row.rstrip() for row in self.screen.display[: self.screen.cursor.y + 1]]


@given(acts=ACTS)
@settings(max_examples=300, deadline=None)
def test_the_frame_is_always_the_last_thing_on_the_screen(acts):
    """After any paints, lines above and resizes: the frame whole, at the end, nothing below."""
    terminal = Emulator()
    painter = Painter(terminal)
    painter.paint(["begin"])

    for what, value in acts:
        if what == "resize":
            terminal.screen.resize(value[1], value[0])
        elif what == "above":
            painter.above(value)
        else:
            painter.paint(value)
    painter.paint(["first", "second", "last"])

    assert terminal.shown[-3:] == ["first", "second", "last"]
    assert not "".join(terminal.screen.display[terminal.screen.cursor.y + 1 :]).strip()


def test_lines_above_stay_in_their_order():
    """The story scrolls up, the picture stays."""
    terminal = Emulator()
    painter = Painter(terminal)

    painter.paint(["a", "b"])
    painter.above("one")
    painter.paint(["a", "c"])
    painter.above("two\nthree")

    assert terminal.shown == ["one", "two", "three", "a", "c"]


def test_a_paint_is_one_write_of_what_changed():
    """Flicker is a picture that was erased and not drawn yet."""
    terminal = Emulator()
    painter = Painter(terminal)
    painter.paint(["title", "time 1", "foot"])

    terminal.writes.clear()
    painter.paint(["title", "time 2", "foot"])

    [written] = terminal.writes
    assert "time 2" in written
    assert "title" not in written
    assert "\x1b[2J" not in written
    assert written.startswith("\x1b[?2026h")
    assert written.endswith("\x1b[?2026l")


def test_the_same_picture_is_not_written_again():
    """Nothing is sent over ssh for nothing."""
    terminal = Emulator()
    painter = Painter(terminal)
    painter.paint(["a"])

    terminal.writes.clear()
    painter.paint(["a"])

    assert terminal.writes == []


def test_after_a_resize_the_lines_above_are_there_again():
    """The screen is drawn anew, with as much of the story as fits."""
    terminal = Emulator(columns=40, rows=12)
    painter = Painter(terminal)
    for number in range(20):
        painter.above(f"line {number}")
    painter.paint(["a", "b"])

    terminal.screen.resize(8, 30)
    painter.paint(["a", "b"])

    assert terminal.shown == [*(f"line {number}" for number in range(14, 20)), "a", "b"]


@pytest.mark.parametrize("has_colour", [True, False])
def test_colours_are_the_terminals_own_or_none(has_colour):
    """Only the sixteen colours that a theme sets; with NO_COLOR no sequence at all."""
    drawn = Ink(has_colour=has_colour, is_unicode=True).drawn(line(("fail", "bold red"), " x"))

    assert drawn == ("\x1b[1;31mfail\x1b[0m x" if has_colour else "fail x")


def test_a_terminal_without_unicode_gets_signs_of_the_same_width():
    """The columns stay where they are."""
    text = Text("✓ ✗ ● ○ ~ ▁▄█ ━─ …")

    drawn = Ink(has_colour=False, is_unicode=False).drawn(text)

    assert drawn.isascii()
    assert len(drawn) == len(text.plain)
