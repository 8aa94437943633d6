"""`explain --all` leaves no event out."""

import re
from datetime import UTC, datetime, timedelta

from rolloutctl.core import events as ev
from rolloutctl.ui.explain_view import Explanation, explain_text

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_every_event_has_its_line_so_that_no_number_is_missing():
    """Who looks for a gap in the journal must not find one in its picture."""
    events = (
        ev.LeaseTaken(epoch=2, owner="ann@host:7:1:x:y"),
        ev.Paused(because="why"),
        ev.Notified(notifier="team", of_seq=2),
        ev.Notified(notifier="team", of_seq=2, error="HTTP 500"),
    )
    records = tuple(
        ev.Recorded(seq=number, at=AT + timedelta(seconds=number), event=event)
        for number, event in enumerate(events, start=1)
    )
    explanation = Explanation(
        rollout_id="r-1", records=records, chain_break="", replayed=(), is_replayed=False
    )

    date, *lines = explain_text(explanation, 80).splitlines()

    assert date.strip() == "2026-01-01"
    assert [int(re.match(r" *(\d+)  ", line)[1]) for line in lines] == [1, 2, 3, 4]
    assert lines[0].endswith("driven by ann@host (pid 7), epoch 2")
    assert lines[2].endswith("team was told of event 2")
    assert lines[3].endswith("team could not be told: HTTP 500")
