"""For tests of rollouts and of your own adapters: fakes and the conformance suites.

The fakes keep their promises as strictly as the real adapters: the same suites run
over both. Nothing here is imported by the product itself.
"""

from rolloutctl.testing.clock import FakeClock
from rolloutctl.testing.journal import MemoryJournal
from rolloutctl.testing.provider import FakeFlag, FakeProvider, FakeWorld, Fault, FlagSpec
from rolloutctl.testing.source import FakeSource, FakeSourceSpec

__all__ = [
    "FakeClock",
    "FakeFlag",
    "FakeProvider",
    "FakeSource",
    "FakeSourceSpec",
    "FakeWorld",
    "Fault",
    "FlagSpec",
    "MemoryJournal",
]
