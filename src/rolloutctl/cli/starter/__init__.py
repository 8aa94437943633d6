"""How somebody begins: which strategy fits a change, and a first playbook for it."""
