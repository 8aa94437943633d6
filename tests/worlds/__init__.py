"""Shared stages for tests of rollouts: playbooks, processes that crash, operators."""
