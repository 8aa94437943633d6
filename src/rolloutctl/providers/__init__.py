"""Adapters that read and write targets, one service each; registered by entry points.

None knows another, and nothing above names their SDKs. An SDK loads at first use, inside
its adapter, so that a kill of one service waits for no other's. Each adapter passes
`rolloutctl.testing.conformance`; tests/house fails for one without it.
"""
