"""From scores to lists: who may get what, in which order, and why. Reads snapshots, never a warehouse."""
