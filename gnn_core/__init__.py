"""How recommendations are computed: pure functions over frames and tensors.

What belongs here: contracts, graph, model, training, evaluation, scoring, publishing rules, simulation.
What does not: Dagster. `gnn_assets` says *what exists and when*; this package says *how*.
"""
