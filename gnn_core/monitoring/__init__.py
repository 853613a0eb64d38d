"""What is watched while a policy is served: its lists, its vectors, its inputs, its cost. Pure functions."""
