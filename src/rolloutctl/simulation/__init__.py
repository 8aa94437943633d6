"""Playbooks on a virtual clock: simulated traffic, recorded series, certificates.

    traffic.py    requests of both arms as raw counters, drawn in bulk and seeded
    virtual.py    the clock, the flag service and the source that a virtual rollout meets
    rehearsal.py  one rollout, driven by the same `decide`, `fold` and runner as production
    certify.py    many of them, healthy and harmed: how often the gates err
    backtest.py   rollouts over recorded series, with labelled incidents

It must not know: adapters, files, terminals. What it is given (`Given`) comes from the
composition root.
"""
