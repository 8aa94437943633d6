"""What a rollout is and what to do next: pure, no clock, no random, no I/O."""
