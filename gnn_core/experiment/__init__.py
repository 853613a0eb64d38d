"""From an offline pass to every user: assignment, readout, gate 2, rollout. Pure functions over frames and counts."""
